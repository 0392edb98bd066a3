"""Frames kept for later: incidents, recordings, and playing them again."""
