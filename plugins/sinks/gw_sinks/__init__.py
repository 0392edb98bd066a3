"""Event sinks: zstd JSON Lines files and NATS JetStream."""
