"""Policies: an observation and the memory in, a chunk of actions out; one plug-in a file."""
