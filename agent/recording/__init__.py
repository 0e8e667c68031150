"""What a run leaves behind to be looked at later: its trace, as MCAP."""
