"""Turns a recorded run, or a part of it, into files that others read without `agent`."""
