"""Kraken's private side, read: balances, executions, history (API sheet §2.6, §4.12, §4.13)."""
