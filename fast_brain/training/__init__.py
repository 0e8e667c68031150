"""How the policy learns: frames, latents, and the training loop."""
