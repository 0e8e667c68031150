"""Chunk stitchers: how overlapping chunks become one action per tick; one plug-in a file."""
