"""Worlds: goals people may ask for, how they say them, and an expert who reaches them."""
