"""Kraken's orders: requests out, answers and fates back (API sheet §2.7, §4.14)."""
