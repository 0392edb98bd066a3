"""The event log: append-only segments that are the truth of what the gateway said."""
