"""Kraken's public side: discovery, instruments, books, trades (API sheet §2.5, §4)."""
