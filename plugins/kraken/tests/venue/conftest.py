from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gw_venue_kraken.accounts.account import KrakenAccount, KrakenAccountOptions
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.orders.orders import KrakenOrders, make_orders
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings

from gwcore.model import Instrument
from gwcore.venue import Account, Shard


def _load(name: str) -> None:
    """A module beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(sys.modules.setdefault(name, importlib.util.module_from_spec(spec)))


_load("rest_venue")


@pytest.fixture
def make_codec() -> Callable[..., KrakenMarketData]:
    def make(*instruments: Instrument, **settings: Any) -> KrakenMarketData:
        shard = Shard(index=0, group="public", topics=(), instruments={each.symbol: each for each in instruments})
        return KrakenMarketData(KrakenSettings(**settings), shard)

    return make


@pytest.fixture
def codec(make_codec: Callable[..., KrakenMarketData]) -> KrakenMarketData:
    return make_codec()


class Signer:
    """Nonces 1, 2, ...; signatures of no worth."""

    key = "public"
    passphrase = ""

    def __init__(self) -> None:
        self.nonces = 0

    def sign(self, algorithm: str, message: bytes) -> bytes:
        assert algorithm == "hmac-sha512-base64"
        return b"signed"

    def now_ns(self) -> int:
        return 0

    def nonce(self) -> int:
        self.nonces += 1
        return self.nonces


@pytest.fixture
def orders_of() -> Callable[..., tuple[KrakenOrders, KrakenAccount]]:
    """Orders over a connection (or over REST alone), and that connection."""

    def make(*, connected: bool = True, tier: str = "starter") -> tuple[KrakenOrders, KrakenAccount]:
        account = Account(name="main", signer=Signer(), options=KrakenAccountOptions(tier=tier))
        codec = KrakenAccount(KrakenSettings(), account, RestNames())
        return make_orders(KrakenSettings(), account, codec if connected else None), codec

    return make
