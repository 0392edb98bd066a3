"""Paper trading: orders against the live (or simulated) book in a matching engine of ours. Pure."""
