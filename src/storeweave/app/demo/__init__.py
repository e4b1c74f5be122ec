"""The demo: two twin stores and a hub in one process, from an empty store to agreement, through a minute of life."""
