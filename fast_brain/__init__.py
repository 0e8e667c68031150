"""The fast brain: a policy that makes chunks of actions, and the loop that carries them out."""
