"""What can be asked of a recorded run: what happened, and why."""
