"""What the core asks of the world, as Protocols; the implementations live further out."""
