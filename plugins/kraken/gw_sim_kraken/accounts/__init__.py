"""Simulated accounts: keys, funds, ledger, positions, and the private channels."""
