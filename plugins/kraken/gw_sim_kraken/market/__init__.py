"""Simulated markets, from a seed or from a recording, and what they tell in public."""
