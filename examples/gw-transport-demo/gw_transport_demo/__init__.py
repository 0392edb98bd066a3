"""An example transport."""
