"""The journal at the rim: the real disk, the thread that commits, and the sinks that read."""
