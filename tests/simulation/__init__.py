"""The whole system under a virtual clock: real engine, imitated outside world, crashes anywhere, replay by seed."""
