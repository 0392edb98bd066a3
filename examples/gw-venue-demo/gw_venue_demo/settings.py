"""Settings of the venue, and its environments."""

from __future__ import annotations

import msgspec


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[venue.demo]`."""

    rest_url: str = "https://api.demo.example"  # where REST is asked
    ws_url: str = "wss://stream.demo.example"  # where WebSockets connect


ENVIRONMENTS = {
    "prod": {},
    "sim": {"rest_url": "http://127.0.0.1:9180", "ws_url": "ws://127.0.0.1:9180"},
}
