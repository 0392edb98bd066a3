"""Kraken's REST as the simulator serves it, public and private (sheet 2)."""
