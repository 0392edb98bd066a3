"""Faults that can be switched on while the simulated exchange runs."""
