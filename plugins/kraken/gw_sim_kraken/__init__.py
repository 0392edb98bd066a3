"""A simulated Kraken, written from the API fact sheet; it imports nothing of the venue plugin."""
