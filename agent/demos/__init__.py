"""Demonstrations: recording them, keeping them, and what is learnt from them."""
