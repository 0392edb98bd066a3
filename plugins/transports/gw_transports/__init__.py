"""Client transports."""
