"""One folder per system, all shaped alike; connectors don't know each other and the engine doesn't know their names."""
