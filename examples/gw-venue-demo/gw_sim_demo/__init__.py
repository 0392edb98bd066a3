"""The simulated exchange demo. It imports nothing of the venue plugin: they meet on the wire."""
