"""The slow brain: a planner that thinks in steps at 0.2 to 10 Hz and hands over latents."""
