"""Accounts at the rim: keys and nonces, private connections, private REST."""
