"""Settings of the Kraken spot venue: hosts and the few choices Kraken leaves to its clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

_SOCKETS = ("wss://", "ws://")
#: How an address of each kind begins; another one would be tried for ever.
_SCHEMES = {
    "rest_url": ("https://", "http://"),
    "ws_public_url": _SOCKETS,
    "ws_private_url": _SOCKETS,
    "ws_l3_url": _SOCKETS,
}


class KrakenSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[venue.kraken]`. The hosts come from the chosen environment unless they are set here."""

    rest_url: str = "https://api.kraken.com"  # REST host, without the path
    ws_public_url: str = "wss://ws.kraken.com/v2"  # market data
    ws_private_url: str = "wss://ws-auth.kraken.com/v2"  # executions, balances and trading
    ws_l3_url: str = "wss://ws-l3.kraken.com/v2"  # order-by-order books; empty: not offered there
    # Kraken publishes no number. 1489 pairs on one connection were seen to work, so this is no limit of theirs: a quarter
    # of a thousand keeps what one lost connection takes down to a sixth of the venue, and a start far from 150 attempts.
    symbols_per_connection: int = 250
    topics_per_request: int = 100  # symbols in one subscribe; more is untried in public
    requests_per_s: float = 20.0  # subscribes a second on one connection; Kraken's own limit is unpublished
    rest_interval_s: float = 1.0  # between two public REST calls, of one pair for trades and candles
    rest_per_s: float = 10.0  # public REST calls of all pairs together; the limit by pair alone would allow a thousand
    silence_s: float = 10.0  # no frame for this long: dead (heartbeats come once a second; Kraken advises 5 s or more)
    include_tokenized_assets: bool = False  # also tokenized stocks (AAPLx/USD)
    execution_venue: str = "international"  # or bitnomial_exchange
    ticker_trigger: str = (
        "auto"  # what makes the venue send a ticker: trades, bbo; auto: bbo where no book is subscribed
    )
    frame_bytes_max: int = 16 * 1024 * 1024  # the instrument snapshot is about a megabyte and grows

    def __post_init__(self) -> None:
        """Refuse what the venue would refuse later, with the cure."""
        if self.ticker_trigger not in ("auto", "trades", "bbo"):
            raise ValueError(f"ticker_trigger is {self.ticker_trigger!r}: use 'auto', 'trades' or 'bbo'")
        for name, schemes in _SCHEMES.items():
            url = getattr(self, name)
            if url and not url.startswith(schemes):
                raise ValueError(f"{name} is {url!r}: it begins with {' or '.join(schemes)}")
        for name in ("symbols_per_connection", "topics_per_request", "frame_bytes_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: use 1 or more")
        for name in ("requests_per_s", "rest_interval_s", "rest_per_s", "silence_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: use a number above 0")


#: Values per environment (API sheet §1). Beta runs newer API software against the production engine and has neither a REST
#: host nor a level3 host of its own. `sim` is `gw sim kraken` on its default port.
ENVIRONMENTS: Mapping[str, Mapping[str, Any]] = {
    "prod": {
        "rest_url": "https://api.kraken.com",
        "ws_public_url": "wss://ws.kraken.com/v2",
        "ws_private_url": "wss://ws-auth.kraken.com/v2",
        "ws_l3_url": "wss://ws-l3.kraken.com/v2",
    },
    "beta": {
        "rest_url": "https://api.kraken.com",
        "ws_public_url": "wss://beta-ws.kraken.com/v2",
        "ws_private_url": "wss://beta-ws-auth.kraken.com/v2",
        "ws_l3_url": "",
    },
    "sim": {
        "rest_url": "http://127.0.0.1:9180",
        "ws_public_url": "ws://127.0.0.1:9180/v2",
        "ws_private_url": "ws://127.0.0.1:9180/auth/v2",
        "ws_l3_url": "ws://127.0.0.1:9180/l3/v2",
    },
}
