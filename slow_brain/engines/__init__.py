"""What writes the planner's text: a model in this process, vLLM in this process, or a server."""
