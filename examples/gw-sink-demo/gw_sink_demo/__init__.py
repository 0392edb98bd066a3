"""An example sink."""
