"""The faces of the program and the wiring that knows everybody: command line, HTTP API, configuration, serving."""
