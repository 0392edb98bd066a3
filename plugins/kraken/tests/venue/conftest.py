from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gw_venue_kraken.market_data import KrakenMarketData
from gw_venue_kraken.settings import KrakenSettings

from gwcore.model import Instrument
from gwcore.venue import Shard


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
