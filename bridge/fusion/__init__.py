"""How remembered latents are blended into the one that a policy conditions on."""
