"""Measuring an agent: many seeded episodes in virtual time, and honest statistics of them."""
