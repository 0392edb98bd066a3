"""The file archive: its names, manifests and lines, reading it in order, checking it, and what it says of a day."""
