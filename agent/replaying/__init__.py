"""Living through a recorded run again: as it was, by today's brains, or otherwise from there on."""
