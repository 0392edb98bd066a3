"""What is called real money: all that is not on this machine, in whichever of the venue's addresses that stands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gwcore.client.trading.venue_host import is_simulated, told_host, venue_line
from gwcore.wire import Welcome

REAL_REST, REAL_STREAM = "https://api.kraken.com", "wss://ws-auth.kraken.com/v2"
HERE_REST, HERE_STREAM = "http://127.0.0.1:9180", "ws://localhost:9180/auth/v2"


def welcome(host: str) -> Welcome:
    told = {
        "version": "1",
        "venue": "kraken",
        "environment": "sim",
        "source": "g",
        "client_id": "c",
        "heartbeat_s": 1.0,
    }
    return Welcome(sessions={}, host=host, user="ann", **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stream", "rest", "host", "simulated"),
    [
        (REAL_STREAM, REAL_REST, "wss://ws-auth.kraken.com", False),
        (HERE_STREAM, REAL_REST, "https://api.kraken.com", False),
        (REAL_STREAM, HERE_REST, "wss://ws-auth.kraken.com", False),
        (HERE_STREAM, HERE_REST, "http://127.0.0.1:9180", True),
        ("", "", "", False),
        ("", "http://me:secret@127.0.0.1:1/x", "http://127.0.0.1:1", True),
    ],
)
def test_one_address_elsewhere_is_real_money(stream: str, rest: str, host: str, simulated: bool) -> None:
    assert told_host(SimpleNamespace(ws_private_url=stream, rest_url=rest)) == host
    assert is_simulated(welcome(host)) is simulated
    assert ("LIVE, REAL MONEY" in venue_line(welcome(host), "main")) is not simulated
    assert is_simulated(None) is False
