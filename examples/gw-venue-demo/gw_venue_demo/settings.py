"""Settings of the venue, and its environments."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[venue.demo]`."""

    rest_url: str = "https://api.demo.example"  # where REST is asked
    ws_public_url: str = "wss://stream.demo.example/public"  # where market data is
    ws_private_url: str = "wss://stream.demo.example/private"  # where accounts are


ENVIRONMENTS = {
    "prod": {},
    "sim": {
        "rest_url": "http://127.0.0.1:9180",
        "ws_public_url": "ws://127.0.0.1:9180/public",
        "ws_private_url": "ws://127.0.0.1:9180/private",
    },
}
