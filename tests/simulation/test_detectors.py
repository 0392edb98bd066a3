"""Every way a feed goes bad, in the whole gateway on virtual time: what clients are told, when, what others pay."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gwcore.client.book import BookState
from gwcore.model import MarketByPriceUpdate, StreamState, StreamStatus, UpdateType
from gwcore.testing.network import HttpMode


def _load() -> ModuleType:
    # Test folders are no packages: the shared stage is loaded by its path.
    spec = importlib.util.spec_from_file_location("stage", Path(__file__).with_name("stage.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stage"] = module
    spec.loader.exec_module(module)
    return module


on_stage = _load().on_stage

#: fault, its options, the reason clients are told, and whether it heals while the fault lasts (what is true is confirmed).
FAULTS = (
    ("corrupt_level", {"depth": 10}, "CHECKSUM", False),
    ("wrong_checksum", {}, "CHECKSUM", False),
    ("drop_update", {"depth": 10}, "CHECKSUM", False),
    ("old_time", {}, "TIME_BACKWARDS", False),
    ("cross", {}, "CROSSED", True),
    ("cross", {"locked": True}, "CROSSED", True),
    ("empty_side", {}, "EMPTY_SIDE", True),
    ("jump", {}, "JUMP", True),
    ("precision", {}, "PRECISION", True),
)


@pytest.mark.parametrize(("fault", "options", "reason", "is_true"), FAULTS, ids=lambda value: str(value))
def test_a_book_that_goes_bad_is_stale_heals_and_disturbs_no_other(
    fault: str, options: dict[str, Any], reason: str, is_true: bool
) -> None:
    async def play(stage: Any) -> None:
        bad, good = stage.simulator.feed.listing.pairs
        await _until(lambda: stage.events(MarketByPriceUpdate, good))
        stage.fault(fault, symbol=bad, **options)
        await asyncio.sleep(15.0)
        assert ("STALE", reason) in stage.faults(bad)
        assert stage.faults(bad)[-1][0] == "SNAPSHOT"
        assert stage.book(bad).state is BookState.LIVE
        assert [kind for kind, _ in stage.faults(good)] == ["SNAPSHOT"]
        told = [each.reason.value for each in stage.events(StreamStatus, bad) if each.reason is not None]
        assert reason in told
        if is_true:
            assert stage.faults(bad).count(("STALE", reason)) == 1  # confirmed: not doubted again while it lasts
        stage.fault("restore")
        await asyncio.sleep(5.0)
        assert stage.book(bad).state is BookState.LIVE

    on_stage(play)


def test_one_silent_channel_under_live_heartbeats_is_found_within_its_threshold_and_a_second() -> None:
    async def play(stage: Any) -> None:
        bad, good = stage.simulator.feed.listing.pairs
        stage.fault("silence", symbol=bad, channel="book")
        silent_s = stage.loop.time()
        await _until(lambda: ("STALE", "SILENCE") in stage.faults(bad), step_s=0.05)
        assert stage.loop.time() - silent_s <= 61.0
        assert [kind for kind, _ in stage.faults(good)] == ["SNAPSHOT"]
        assert stage.gateway.hub.connections[0].connects == 1  # only that subscription was made anew
        stage.fault("restore")
        await asyncio.sleep(75.0)
        assert stage.book(bad).state is BookState.LIVE

    on_stage(play)


@pytest.mark.parametrize("mode", [HttpMode.OK, HttpMode.REFUSE], ids=["REST answers", "REST is down"])
def test_an_hour_without_a_single_change_is_no_fault(mode: HttpMode) -> None:
    async def play(stage: Any) -> None:
        stage.fault("freeze")
        stage.network.http_mode = mode
        await asyncio.sleep(3_600.0)
        for symbol in stage.simulator.feed.listing.pairs:
            assert [kind for kind, _ in stage.faults(symbol)] == ["SNAPSHOT"]
            assert stage.book(symbol).state is BookState.LIVE
        assert not [each for each in stage.events(StreamStatus) if each.reason is not None]
        outcomes = stage.gateway.hub.connections[0].machine.watch.quiet.outcomes
        if mode is HttpMode.OK:
            assert set(outcomes) == {"confirmed"}
            assert outcomes["confirmed"] > 100
        else:
            assert outcomes["confirmed by a snapshot"] > 100
        assert stage.gateway.hub.connections[0].connects == 1

    on_stage(play)


def test_a_venue_that_sends_no_heartbeats_and_no_data_is_left() -> None:
    async def play(stage: Any) -> None:
        stage.fault("stop_heartbeats")
        stage.fault("freeze")
        await asyncio.sleep(14.0)
        assert {each.reason.value for each in stage.events(MarketByPriceUpdate) if each.reason} == {"DISCONNECT"}
        assert stage.gateway.hub.connections[0].connects > 1

    on_stage(play)


def test_a_pair_that_is_not_online_is_stale_without_repair_until_it_is() -> None:
    async def play(stage: Any) -> None:
        bad, good = stage.simulator.feed.listing.pairs
        unsubscribes = stage.simulator.counts["unsubscribes"]
        stage.fault("pair_status", symbol=bad)
        await asyncio.sleep(120.0)
        assert stage.faults(bad) == [("SNAPSHOT", ""), ("STALE", "VENUE_STATUS")]
        assert stage.simulator.counts["unsubscribes"] == unsubscribes
        stage.fault("restore")
        await asyncio.sleep(2.0)
        assert stage.book(bad).state is BookState.LIVE
        assert [kind for kind, _ in stage.faults(good)] == ["SNAPSHOT"]

    on_stage(play)


def test_a_subscription_that_is_refused_says_so() -> None:
    async def play(stage: Any) -> None:
        bad, _ = stage.simulator.feed.listing.pairs
        stage.fault("reject", symbol=bad)
        stage.fault("wrong_checksum", symbol=bad)
        await asyncio.sleep(10.0)
        status = [each for each in stage.events(StreamStatus, bad) if each.channel == "book"][-1]
        assert (status.state, status.reason.value) == (StreamState.REJECTED, "REJECTED")
        assert stage.book(bad).state is BookState.STALE

    on_stage(play)


def test_no_client_sees_a_level_of_a_bad_message() -> None:
    async def play(stage: Any) -> None:
        bad, _ = stage.simulator.feed.listing.pairs
        stage.fault("cross", symbol=bad)
        await asyncio.sleep(5.0)
        updates = stage.events(MarketByPriceUpdate, bad)
        first = next(n for n, each in enumerate(updates) if each.update_type is UpdateType.STALE)
        bids: dict[float, str] = {}
        asks: dict[float, str] = {}
        for each in updates[:first]:
            for side, levels in ((bids, each.bids), (asks, each.asks)):
                side.update({float(level.price): level.quantity for level in levels})
            best_bid = max(price for price, quantity in bids.items() if quantity.strip("0."))
            best_ask = min(price for price, quantity in asks.items() if quantity.strip("0."))
            assert best_bid < best_ask

    on_stage(play)


async def _until(condition: Any, *, step_s: float = 0.5, within_s: float = 120.0) -> None:
    for _ in range(int(within_s / step_s)):
        if condition():
            return
        await asyncio.sleep(step_s)
    raise AssertionError(f"not within {within_s:g} s")
