"""The venue demo: an example of a plugin, of another shape than Kraken."""
