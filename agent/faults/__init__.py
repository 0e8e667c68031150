"""The fault campaign: break one thing at a time, and judge what the agent makes of it.

A case is data: kind, seed, world. The same case breaks the same thing at the same moment, in
virtual time (many a second) or among real processes, and is judged by the same rules.
Run it with `make faults` or `python -m agent.faults`.
"""
