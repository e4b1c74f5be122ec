"""The trade itself: records, changes, money and the errors the engine sorts by. Values only, no I/O."""
