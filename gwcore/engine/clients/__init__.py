"""Clients of a gateway: who may see what, what each asked for, and the way of every event to them. Pure."""
