"""One account: its orders, fills, funds and positions as the venue tells them, and the timed comparison. Pure."""
