"""The way to the exchange: sockets, WebSocket clients, HTTP, and the check of a live venue."""
