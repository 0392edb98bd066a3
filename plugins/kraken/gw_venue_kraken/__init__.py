"""Kraken spot for gwcore, written from the API fact sheet."""
