"""How the planner learns: exercises, the training loop, and its exam."""
