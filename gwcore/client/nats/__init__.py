"""The client over NATS."""
