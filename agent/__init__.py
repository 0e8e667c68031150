"""Compose, run and watch: the graph, its runtimes, the command line and the server."""
