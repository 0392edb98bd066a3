"""Outages of the whole way to the venue: the client's trades are the venue's. `scripts/show/4-3` has ten of them a seed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

_OUTAGES = Path(__file__).with_name("outages.py")


def _load() -> ModuleType:
    # Test folders are no packages: the shared course is loaded by its path.
    spec = importlib.util.spec_from_file_location("outages", _OUTAGES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["outages"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_trades_are_the_venues_each_once_in_order_through_outages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="gwcore")
    played = _load().play(5, [3.0, 90.0], pairs=2, rate=60.0)
    assert played.faults == []
    assert played.backfilled > 0
    assert played.gaps["OPEN"] == played.gaps["CLOSED"] > 0
    assert played.gaps["LOST"] == 0
    assert played.bars_backfilled > 0
    assert played.request_distance_s >= 1.0
    back, told = played.statuses[-2:]
    assert back.cause == told.cause == "the way to the venue is gone"
    assert back.outage_ns == told.outage_ns >= 90e9
    assert back.missed_to_ns - back.missed_from_ns >= back.outage_ns
    assert (back.trades_backfilled, told.trades_lost) == (None, 0)
    assert told.trades_backfilled > 0
    assert told.bars_backfilled > 0
