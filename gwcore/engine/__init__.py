"""Pure machines: they decide; the runtime acts. No await, no socket, no clock read, no random (law 5)."""
