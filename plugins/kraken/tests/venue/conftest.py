from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gw_venue_kraken.market_data import KrakenMarketData
from gw_venue_kraken.settings import KrakenSettings

from gwcore.model import Instrument
from gwcore.venue import Shard


@pytest.fixture
def make_codec() -> Callable[..., KrakenMarketData]:
    def make(*instruments: Instrument, **settings: Any) -> KrakenMarketData:
        shard = Shard(index=0, group="public", topics=(), instruments={each.symbol: each for each in instruments})
        return KrakenMarketData(KrakenSettings(**settings), shard)

    return make


@pytest.fixture
def codec(make_codec: Callable[..., KrakenMarketData]) -> KrakenMarketData:
    return make_codec()
