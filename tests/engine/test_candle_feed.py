from __future__ import annotations

from typing import Any

import pytest

from gwcore.engine.market import candle_feed
from gwcore.engine.market.candle_feed import CandleFeed
from gwcore.engine.market.recovery import Recovery
from gwcore.errors import VenueRejected, VenueUnavailable
from gwcore.model import Bar, Gap, Origin, TimeSeriesUpdate

BTC = "BTC/USD"


def bar(begin_ns: int, *, confirmed: bool = True) -> Bar:
    return Bar(begin_time_ns=begin_ns, open="1", high="1", low="1", close="1", volume="1", confirmed=confirmed)


class Deaf:
    """Streams of a venue that tells no past candles."""


class Telling:
    """Streams of one that does; a flow here is just the question."""

    def candles_since(self, instrument: Any, interval_s: int, begin_time_ns: int) -> Any:
        return (interval_s, begin_time_ns)


class Feed:
    def __init__(self, streams: Any, notebook: Any) -> None:
        self.book = notebook
        self.recovered: list[Any] = []
        self.recovery = Recovery(self.recovered.append)
        self.feed = CandleFeed(streams, notebook, {BTC: "btc"}, self.recovery)  # type: ignore[dict-item]

    def hear(self, *begins_ns: int, interval_s: int = 60) -> Feed:
        update = TimeSeriesUpdate(symbol=BTC, interval_s=interval_s, bars=tuple(bar(each) for each in begins_ns))
        self.feed.on_candles(update, 7)
        return self

    def lose(self) -> Feed:
        self.feed.on_close()
        self.recovery.begin(self.feed.on_open(), 0)
        return self

    def answer(self, result: Any, now_ns: int = 0) -> Any:
        flow, done = self.book.asked.pop(0)
        done(result, now_ns)
        return flow

    @property
    def fetched(self) -> list[int]:
        updates = [event for event in self.book.events if getattr(event, "origin", None) is Origin.BACKFILL]
        return [each.begin_time_ns for event in updates for each in event.bars]


@pytest.fixture
def make(bench):
    notebook = type(bench().book)
    return lambda streams=None: Feed(streams or Telling(), notebook())


def test_candles_that_span_an_outage_are_fetched_from_the_one_that_was_forming(make):
    f = make().hear(60).hear(120).lose()
    assert f.book.asked == []
    f.hear(300)
    assert f.recovered == []
    assert f.answer([bar(120), bar(180), bar(240)]) == (60, 120)
    assert f.fetched == [120, 180, 240]
    assert f.recovered == [(0, 0, 3, 0)]
    assert f.hear(360).book.asked == []


def test_each_interval_is_a_series_of_its_own(make):
    f = make().hear(60).hear(0, interval_s=300).lose().hear(300, interval_s=300)
    assert f.answer([]) == (300, 0)
    assert f.book.asked == []
    f.hear(240)
    assert f.answer([]) == (60, 60)


def test_a_second_outage_before_the_candles_came_widens_the_first(make):
    f = make().hear(60).lose()
    f.lose()  # not even a snapshot in between
    f.hear(240).lose().hear(300)
    f.book.asked.pop(0)
    assert f.answer([bar(60)]) == (60, 60)


def test_failures_are_repeated_later_and_end_as_a_gap(make):
    f = make().hear(60).lose().hear(240)
    now_ns = 0
    for _ in range(candle_feed.TRIES_MAX - 1):
        f.answer(VenueUnavailable("down"), now_ns)
        assert f.book.asked == []
        now_ns = f.feed.next_ns()
        f.feed.on_timer(now_ns)
    f.answer(VenueUnavailable("down"), now_ns)
    gap = f.book.events[-1]
    assert isinstance(gap, Gap)
    assert (gap.state.value, gap.channel, gap.symbol, gap.from_ns, gap.to_ns) == ("LOST", "ohlc", BTC, 60, 240)
    assert f.recovered == [(0, 0, 0, 0)]
    assert f.feed.next_ns() is None


def test_a_refusal_is_not_repeated(make):
    f = make().hear(60).lose().hear(240)
    f.answer(VenueRejected("no such pair", text=""))
    assert isinstance(f.book.events[-1], Gap)


def test_without_history_nothing_is_asked(make):
    f = make(Deaf()).hear(60).lose().hear(240)
    assert f.book.asked == []
    assert f.recovered == [(0, 0, 0, 0)]


def test_a_symbol_that_leaves_is_forgotten(make):
    f = make().hear(60).lose()
    f.feed.remove(BTC)
    assert f.recovered == [(0, 0, 0, 0)]
    assert f.hear(240).book.asked == []


def test_long_answers_are_several_events(make):
    f = make().hear(0).lose().hear(60 * 300)
    f.answer([bar(60 * number) for number in range(250)])
    sizes = [len(event.bars) for event in f.book.events if event.origin is Origin.BACKFILL]
    assert sizes == [100, 100, 50]
