"""What is listed, and how the venue stands, changes while it runs: each change end to end with the simulated Kraken."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gwcore.client.book import BookState
from gwcore.model import (
    ExternalLatency,
    MarketByPriceUpdate,
    MarketStatus,
    ReferenceData,
    StaleReason,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    TradeSummary,
    TradingStatus,
    UpdateType,
)

_STAGE = Path(__file__).with_name("stage.py")
BTC = "BTC/USD"


def _load() -> ModuleType:
    # Test folders are no packages: what they share is loaded by its path.
    spec = importlib.util.spec_from_file_location("stage", _STAGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stage"] = module
    spec.loader.exec_module(module)
    return module


on_stage = _load().on_stage


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="gwcore")


def flags(status: MarketStatus) -> tuple[bool | None, ...]:
    return (status.can_create, status.can_modify, status.can_cancel, status.is_matching)


def test_a_pair_listed_while_running_is_subscribed_with_everything() -> None:
    async def play(stage):
        stage.fault("list_pair", symbol="NEW/USD")
        await asyncio.sleep(15.0)
        data = stage.events(ReferenceData, "NEW/USD")[-1]
        assert (data.venue_symbol, data.base, data.quote) == ("NEWUSD", "NEW", "USD")
        assert data.fee_volume_currency == "USD"
        assert data.marginable is False
        (status,) = stage.events(MarketStatus, "NEW/USD")
        assert flags(status) == (True, True, True, True)
        assert stage.book("NEW/USD").state is BookState.LIVE
        assert stage.events(TradeSummary, "NEW/USD")
        assert stage.events(StatisticsUpdate, "NEW/USD")
        stage.network.links[0].cut("so that all is subscribed again")
        await asyncio.sleep(10.0)
        assert stage.book("NEW/USD").state is BookState.LIVE
        assert stage.events(ReferenceData, "NEW/USD")[-1] == data

    on_stage(play)


def test_a_pair_that_is_not_asked_for_is_left_alone() -> None:
    async def play(stage):
        stage.fault("list_pair", symbol="NEW/USD")
        await asyncio.sleep(5.0)
        assert stage.events(ReferenceData, "NEW/USD") == []

    on_stage(play, symbols=("BTC/*",))


def test_a_delisted_pair_ends_with_its_status_and_may_come_back() -> None:
    async def play(stage):
        stage.fault("pair_status", symbol=BTC, status="delisted")
        await asyncio.sleep(3.0)
        status = stage.events(MarketStatus, BTC)[-1]
        assert (status.status, status.venue_status, flags(status)) == (
            TradingStatus.DELISTED,
            "delisted",
            (False, False, False, False),
        )
        assert stage.events(ReferenceData, BTC)[-1].status is TradingStatus.DELISTED
        stale = stage.events(MarketByPriceUpdate, BTC)[-1]
        assert (stale.update_type, stale.reason) == (UpdateType.STALE, StaleReason.UNSUBSCRIBED)
        assert stage.simulator.stats()["subscriptions"] == 4  # instrument, and book, trade, ticker of the other one
        stage.fault("pair_status", symbol=BTC, on=False)
        await asyncio.sleep(5.0)
        assert stage.events(MarketStatus, BTC)[-1].status is TradingStatus.ONLINE
        assert stage.book(BTC).state is BookState.LIVE

    on_stage(play)


@pytest.mark.parametrize("gap_s", [0.0, 0.002, 0.02])
def test_a_pair_that_is_back_before_it_was_left_is_followed_again(gap_s: float) -> None:
    async def play(stage):
        stage.fault("pair_status", symbol=BTC, status="delisted")
        await asyncio.sleep(gap_s)
        stage.fault("pair_status", symbol=BTC, on=False)
        await asyncio.sleep(30.0)
        assert stage.book(BTC).state is BookState.LIVE
        before = len(stage.events(TradeSummary, BTC))
        await asyncio.sleep(20.0)
        assert len(stage.events(TradeSummary, BTC)) > before

    on_stage(play)


def test_a_renamed_pair_is_the_new_one_with_the_old_name_as_an_alias() -> None:
    async def play(stage):
        old = stage.events(ReferenceData, "ETH/USD")[-1]
        stage.fault("rename", symbol="ETH/USD", to="ETHER/USD")
        await asyncio.sleep(15.0)
        assert stage.events(MarketStatus, "ETH/USD")[-1].status is TradingStatus.DELISTED
        data = stage.events(ReferenceData, "ETHER/USD")[-1]
        assert data.venue_symbol == old.venue_symbol
        assert {"ETH/USD", *old.aliases} <= set(data.aliases)
        assert stage.book("ETHER/USD").state is BookState.LIVE
        assert "ETH/USD" not in stage.gateway.machine.instruments

    on_stage(play)


def test_other_decimals_are_published_and_the_book_heals_with_them() -> None:
    async def play(stage):
        before = stage.events(ReferenceData, BTC)[-1]
        stage.fault("precision", symbol=BTC, price_precision=3)
        await asyncio.sleep(5.0)
        data = stage.events(ReferenceData, BTC)[-1]
        assert (before.price_decimals, data.price_decimals, data.tick_size) == (1, 3, "0.001")
        assert data.venue_symbol == before.venue_symbol
        books = stage.events(MarketByPriceUpdate, BTC)
        assert [b.reason for b in books if b.update_type is UpdateType.STALE] == [StaleReason.PRECISION]
        snapshot = [b for b in books if b.update_type is UpdateType.SNAPSHOT][-1]
        assert snapshot.price_decimals == 3
        assert stage.book(BTC).state is BookState.LIVE

    on_stage(play)


@pytest.mark.parametrize(
    ("word", "status", "allowed", "is_live"),
    [
        ("cancel_only", TradingStatus.CANCEL_ONLY, (False, False, True, False), False),
        ("post_only", TradingStatus.POST_ONLY, (True, True, True, False), False),
        ("limit_only", TradingStatus.LIMIT_ONLY, (True, True, True, True), True),
        ("reduce_only", TradingStatus.REDUCE_ONLY, (True, True, True, True), True),
        ("maintenance", TradingStatus.MAINTENANCE, (False, False, False, False), False),
        ("work_in_progress", TradingStatus.UNAVAILABLE, (False, False, False, False), False),
        ("half_moon", TradingStatus.UNKNOWN, (None, None, None, None), True),
    ],
)
def test_each_status_of_a_pair_says_what_it_allows(word, status, allowed, is_live) -> None:
    async def play(stage):
        stage.fault("pair_status", symbol=BTC, status=word)
        await asyncio.sleep(5.0)
        told = stage.events(MarketStatus, BTC)[-1]
        assert (told.status, told.venue_status, flags(told)) == (status, word, allowed)
        assert stage.events(ReferenceData, BTC)[-1].status is status
        assert (stage.book(BTC).state is BookState.LIVE) is is_live
        assert stage.book("ETH/USD").state is BookState.LIVE
        if not is_live:
            stale = stage.events(MarketByPriceUpdate, BTC)[-1]
            assert (stale.update_type, stale.reason) == (UpdateType.STALE, StaleReason.VENUE_STATUS)
        stage.fault("pair_status", symbol=BTC, on=False)
        await asyncio.sleep(5.0)
        assert flags(stage.events(MarketStatus, BTC)[-1]) == (True, True, True, True)
        assert stage.book(BTC).state is BookState.LIVE

    on_stage(play)


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        ("cancel_only", (False, False, True, False)),
        ("post_only", (True, True, True, False)),
        ("maintenance", (False, False, False, False)),
    ],
)
def test_each_mode_of_the_whole_venue_says_what_it_allows(word, allowed) -> None:
    async def play(stage):
        stage.fault("status", system=word, upcoming=("2026-10-01 03:00 UTC",))
        await asyncio.sleep(3.0)
        told = [status for status in stage.events(MarketStatus) if status.symbol is None][-1]
        assert (told.venue_status, flags(told)) == (word, allowed)
        assert told.upcoming_maintenance == ('"2026-10-01 03:00 UTC"',)
        assert stage.book(BTC).state is not BookState.LIVE
        assert stage.events(TopOfBook, BTC)[-1].update_type is UpdateType.STALE
        stage.fault("status", system="online")
        await asyncio.sleep(5.0)
        told = [status for status in stage.events(MarketStatus) if status.symbol is None][-1]
        assert (told.status, flags(told), told.upcoming_maintenance) == (TradingStatus.ONLINE, (True,) * 4, ())
        assert stage.book(BTC).state is BookState.LIVE

    on_stage(play)


def test_without_books_the_best_prices_come_from_the_ticker_and_go_stale_with_it() -> None:
    async def play(stage):
        tops = stage.events(TopOfBook, BTC)
        assert len(tops) > 10
        assert all(top.bid_price and top.ask_price and top.bid_quantity for top in tops)
        assert len(stage.events(StatisticsUpdate, BTC)) == len(tops)
        stage.network.links[0].cut("gone")
        await asyncio.sleep(0.05)
        stale = stage.events(TopOfBook, BTC)[-1]
        assert (stale.update_type, stale.reason) == (UpdateType.STALE, StaleReason.DISCONNECT)
        await asyncio.sleep(5.0)
        assert stage.events(TopOfBook, BTC)[-1].update_type is UpdateType.SNAPSHOT

    on_stage(play, channels=("instrument", "status", "ticker"))


def test_candles_come_for_each_interval_asked_for_and_are_confirmed_by_the_next() -> None:
    async def play(stage):
        await asyncio.sleep(130.0)
        updates = stage.events(TimeSeriesUpdate, BTC)
        assert {update.interval_s for update in updates} == {60, 300}
        minutes = [u for u in updates if u.interval_s == 60 and u.update_type is UpdateType.INCREMENTAL]
        closed = [bar for update in minutes for bar in update.bars if bar.confirmed]
        assert len(closed) >= 2
        forming = {bar.begin_time_ns: bar for update in minutes for bar in update.bars if not bar.confirmed}
        # The last word on a candle while it formed is what is confirmed; before the first update that was the snapshot's.
        assert all(forming[bar.begin_time_ns].close == bar.close for bar in closed if bar.begin_time_ns in forming)
        assert len([bar for bar in closed if bar.begin_time_ns in forming]) >= 2

    on_stage(play, channels=("ohlc",), candle_intervals_s=(60, 300))


def test_the_way_to_the_venue_is_measured_by_stream_and_by_endpoint() -> None:
    async def play(stage):
        await asyncio.sleep(100.0)
        latencies = stage.events(ExternalLatency)
        components = [each.component for each in latencies]
        assert components.count("connection.md.0") == 22  # at once, and each 5 s
        assert {"rest./0/public/Assets", "rest./0/public/AssetPairs"} < set(components)
        assert all(0 < each.round_trip_ns < 10**9 for each in latencies)

    on_stage(play)
