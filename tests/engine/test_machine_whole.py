"""The machine of one connection, told whole: what each message of a venue makes it do, and what it does by the clock."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.market.market_data import UNKNOWN_NAMES_MAX
from gwcore.errors import DecodeError, VenueUnavailable
from gwcore.model import (
    Channel,
    ExternalLatency,
    Gap,
    GapState,
    MarketStatus,
    StaleReason,
    StatisticsUpdate,
    StreamState,
    TimeSeriesUpdate,
    TradingStatus,
    UpdateType,
)
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import Fetch, InstrumentUpdate, Pong, Renew, Reply, Throttled, Topic, Unknown


def _load(name: str) -> Any:
    # Test folders are no packages: what they share is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


told = _load("transcript")
BTC, ETH, SECOND, HEARD_NS, GOOD = told.BTC, told.ETH, told.SECOND, told.HEARD_NS, told.GOOD
news, going, subscription = told.news, told.going, told.subscription
Frank, say, bar, best, no_more = told.Frank, told.say, told.bar, told.best, told.no_more
GAP = Gap(symbol=BTC, channel="trade", state=GapState.OPEN, cause="a test")
FOREVER = {"silence_s": 10_000.0, "ping_s": None}


# --- messages ---------------------------------------------------------------------------------------------------------


def test_what_is_for_the_whole_gateway_is_handed_on(bench: Any) -> None:
    b = going(bench)
    listings = InstrumentUpdate(UpdateType.SNAPSHOT, ())
    venue = MarketStatus(status=TradingStatus.ONLINE)
    assert say(b, listings, venue) == [("instruments", listings, HEARD_NS), ("venue", venue, HEARD_NS)]


def test_plain_events_are_published_as_heard(bench: Any) -> None:
    b = going(bench)
    ticker = StatisticsUpdate(symbol=BTC, last_price="1.0")
    gap = GAP
    candles = TimeSeriesUpdate(symbol=BTC, interval_s=60, bars=(bar(1),))
    heard = [ticker, gap, candles, best()]
    assert say(b, *heard) == [("publish", each, HEARD_NS) for each in heard]
    assert b.machine.watch.held.ticker(BTC) == ticker


def test_a_venue_that_wants_an_answer_or_a_flow_gets_it(bench: Any) -> None:
    b = going(bench, requests_per_s=1.0)
    assert say(b, Reply(b"here"), Fetch("flow")) == [("send", b"here"), ("fetch", None, "flow")]  # type: ignore[arg-type]
    assert b.machine.subscriptions.ready_ns() > b.now_ns  # the answer took its place in the pace


@pytest.mark.parametrize("reason", [None, StaleReason.SEQUENCE_GAP])
def test_a_connection_that_is_to_be_replaced_is_closed_and_where_there_is_a_reason_stale(
    bench: Any, reason: StaleReason | None
) -> None:
    b = going(bench)
    done = say(b, Renew("numbers jumped", reason))
    assert done[-1] == ("close", "renew: numbers jumped")
    stale = [*told.stale(reason, "numbers jumped"), told.status(StreamState.STALE, reason, "numbers jumped")]
    assert done[:-1] == (stale if reason is not None else [])


def test_what_is_unknown_is_counted_by_name_and_bounded(bench: Any) -> None:
    b = going(bench)
    say(b, Unknown("odd"), Unknown("odd"), Throttled("slow"), Throttled("slow"))
    assert b.machine.unknown == {"odd": 2, "throttled by the venue": 2}
    say(b, *[Unknown(f"name {number}") for number in range(UNKNOWN_NAMES_MAX)], Unknown("odd"))
    assert len(b.machine.unknown) == UNKNOWN_NAMES_MAX + 1
    assert (b.machine.unknown["odd"], b.machine.unknown["other"]) == (3, 2)


def test_a_frame_that_can_not_be_read_and_a_plugin_with_a_bug_are_counted_apart(bench: Any) -> None:
    b = going(bench)
    heard: list[str] = []
    b.machine.on_undecodable = heard.append
    frames = b.machine.frames
    for error in (DecodeError("torn"), DecodeError("x" * 300), KeyError("k"), ValueError("y" * 300)):
        assert say(b, error) == []
    assert heard == ["torn", "x" * 200, "KeyError: 'k'", "ValueError: " + "y" * 188]
    assert b.machine.last_undecodable == heard[-1]
    assert (b.machine.undecodable, b.machine.plugin_errors, b.machine.frames - frames) == (2, 2, 4)


def test_before_anything_was_said(bench: Any) -> None:
    machine = bench(BTC, ETH, channels=("book", "trade")).machine
    assert (machine.frames, machine.undecodable, machine.plugin_errors, machine.last_undecodable) == (0, 0, 0, "")
    assert (machine.is_open, machine.is_standby, machine.twin, machine.round_trip_ns) == (False, False, None, None)
    assert (machine.unknown, machine.next_ns(), set(machine.instruments)) == ({}, None, {BTC, ETH})
    assert set(machine.books.of_symbol) == {BTC, ETH}
    assert machine.instruments is not machine.shard.instruments  # what comes and goes is ours alone


def test_settings_reach_what_they_set(bench: Any) -> None:
    settings = (HealingSettings(quarantine_after=2), DetectionSettings(book_quiet_s=7.0))
    b = going(bench, settings=settings).wait(7.5).hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    assert subscription(b).verifying  # after seven seconds
    for _ in range(2):
        b.hear(book=BTC, type="SNAPSHOT", **(GOOD | {"checksum": 999})).wait(1)
        b.hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    assert subscription(b).state is StreamState.PENDING_DATA or subscription(b).quarantined


def test_a_venue_that_can_not_unsubscribe_gets_a_new_connection(bench: Any) -> None:
    b = going(bench, can_unsubscribe=False).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    assert b.book.closed == ["BTC/USD can only be subscribed again by a new connection"]


# --- what is fetched --------------------------------------------------------------------------------------------------


def test_what_was_fetched_is_handled_as_if_it_had_been_heard(bench: Any) -> None:
    b = going(bench)
    ticker, gap = StatisticsUpdate(symbol=BTC, last_price="1.0"), GAP
    b.machine.on_fetched(None, [ticker, gap], b.now_ns + 5)
    assert news(b) == [("publish", ticker, 0), ("publish", gap, None)]
    assert b.machine.books.now_ns == b.now_ns + 5


def test_a_snapshot_that_can_not_be_fetched_is_a_failure_of_that_book(bench: Any) -> None:
    b = bench(BTC, ETH, **FOREVER).connect().hear(ack=["book", BTC])
    topic = subscription(b).topic
    news(b)
    b.machine.on_fetched(None, VenueUnavailable("down"), b.now_ns)
    b.machine.on_fetched(subscription(b, ETH).topic, VenueUnavailable("down"), b.now_ns)  # it waits for no snapshot
    b.machine.on_fetched(Topic(Channel.BOOK, "ZZZ/USD", 10), VenueUnavailable("down"), b.now_ns)
    assert news(b) == []
    b.machine.on_fetched(topic, VenueUnavailable("down"), b.now_ns)
    assert news(b) == [told.status(StreamState.RESYNC, StaleReason.NO_SNAPSHOT, "down", resubscribes=1)]
    assert list(subscription(b).failures) == [b.now_ns]


# --- the connection ---------------------------------------------------------------------------------------------------


def test_a_lost_connection_is_told_of_every_subscription(bench: Any) -> None:
    b = bench(BTC, ETH, channels=("book", "trade"), **FOREVER).connect().live(BTC).hear(ack=["trade", BTC])
    say(b, best("AAA/USD"))
    news(b)
    b.machine.on_close("gone", b.now_ns + 9)
    reason = StaleReason.DISCONNECT
    done = news(b)
    assert done[:4] == [
        no_more("AAA/USD", reason),
        *told.stale(reason, "gone"),
        told.status(StreamState.STALE, reason, "gone"),
    ]
    trade = done[4][1]
    assert (trade.channel, trade.state, trade.reason, trade.detail) == ("trade", StreamState.STALE, reason, "gone")
    waiting = subscription(b, ETH)
    assert (waiting.state, waiting.reason, waiting.detail) == (StreamState.IDLE, reason, "gone")
    assert subscription(b).since_ns == waiting.since_ns == b.machine.books.now_ns == b.now_ns + 9
    assert b.machine.is_open is False
    assert b.machine._codec is None
    assert b.machine.next_ns() is None


def test_a_quarantine_outlasts_a_connection(bench: Any) -> None:
    b = going(bench)
    subscription(b).state = StreamState.QUARANTINED
    b.machine.on_close("gone", b.now_ns)
    assert subscription(b).state is StreamState.QUARANTINED


@pytest.mark.parametrize("is_standby", [False, True])
def test_only_what_publishes_tells_that_all_is_back(bench: Any, is_standby: bool) -> None:
    b = going(bench)
    b.machine.is_standby = is_standby
    b.machine.on_close("gone", b.now_ns)
    assert b.book.recovered == []
    b.connect()
    assert len(b.book.recovered) == (0 if is_standby else 1)


def test_an_outage_is_waited_for_and_told_when_it_takes_too_long(bench: Any) -> None:
    b = bench(BTC, channels=("book", "trade"), **FOREVER).connect().hear(trades=[1], symbol=BTC)
    b.machine.on_close("gone", b.now_ns)
    b.connect()
    assert b.book.recovered == []
    assert b.machine.next_ns() is not None
    b.wait(91)
    assert [recovered.unsettled for recovered in b.book.recovered] == [1]


# --- the clock --------------------------------------------------------------------------------------------------------


def pinging(bench: Any, **more: Any) -> Any:
    group = {"silence_s": 100.0, "ping_s": 30.0} | more
    b = bench(BTC, settings=(HealingSettings(), DetectionSettings(book_quiet_s=None)), **group)
    codec = Frank(told_codec(b))
    codec.ping = lambda number: b"ping %d" % number  # type: ignore[attr-defined]
    b.machine.on_open(codec, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    codec.says = ()
    news(b)
    subscription(b).deadline_ns = None
    return unwatched(b)


def unwatched(b: Any) -> Any:
    """Without data clocks, which are read twice a second."""
    b.machine.watch.quiet.next_ns = lambda: None
    return b


def told_codec(b: Any) -> Any:
    """A toy codec of its own."""
    b.connect()
    codec = b.machine._codec
    b.machine.on_close("anew", b.now_ns)
    return codec


def test_a_ping_leaves_when_it_is_due_and_its_answer_tells_the_way(bench: Any) -> None:
    b = pinging(bench)
    start_ns = b.now_ns
    assert b.machine.next_ns() == start_ns + 30 * SECOND
    b.machine.on_timer(start_ns + 30 * SECOND - 1)
    assert news(b) == []
    for number in (2, 3):  # the first one left with the opening
        b.now_ns += 30 * SECOND
        b.machine.on_timer(b.now_ns)
        assert news(b) == [("send", b"ping %d" % number)]
        assert b.machine.next_ns() == b.now_ns + 30 * SECOND
        b.now_ns += 1_000
        latency = ExternalLatency(component="connection.md.3", round_trip_ns=1_000)
        assert say(b, Pong(number)) == [("status", latency)]
        assert say(b, Pong(number)) == []  # it was answered
        b.now_ns -= 1_000
    assert (b.machine.round_trip_ns, b.machine.watch.answers) == (1_000, 4)


def test_a_ping_keeps_to_the_pace(bench: Any) -> None:
    b = pinging(bench, ping_s=1.0, requests_per_s=0.1)
    ready_ns = b.machine.subscriptions.ready_ns()
    assert ready_ns > b.now_ns + SECOND
    b.machine.on_timer(b.now_ns + 2 * SECOND)
    assert news(b) == []
    assert b.machine.next_ns() == ready_ns
    b.machine._silence_ns = 9 * SECOND  # silence may be sooner than the pace
    assert b.machine.next_ns() == b.machine.last_frame_ns + 9 * SECOND
    b.machine.on_timer(ready_ns)
    assert news(b) == [("send", b"ping 1")]
    assert b.machine.subscriptions.ready_ns() > ready_ns  # it took its place


def test_without_a_ping_there_is_none(bench: Any) -> None:
    b = unwatched(going(bench, settings=(HealingSettings(), DetectionSettings(book_quiet_s=None))))
    assert b.machine.next_ns() == b.now_ns + 10_000 * SECOND
    b.machine.on_timer(b.now_ns + 1_000 * SECOND)
    assert news(b) == []


def test_silence_is_counted_from_the_last_frame(bench: Any) -> None:
    b = bench(BTC, silence_s=20.0, ping_s=None).connect()
    b.now_ns += 5 * SECOND
    b.hear(ack=["book", BTC])
    subscription(b).deadline_ns = None
    news(b)
    for now_ns in (b.now_ns + 20 * SECOND - 1, b.now_ns + 20 * SECOND, b.now_ns + 20 * SECOND + 1):
        b.machine.on_timer(now_ns)
    assert news(b) == [("close", "silence: no frame for 20 s")]
    assert b.machine.last_frame_ns == b.now_ns + 20 * SECOND


def test_a_gateway_that_stops_says_what_stays_lost(bench: Any) -> None:
    b = bench(BTC)
    causes: list[str] = []
    b.machine.trades.close = causes.append
    b.machine.on_stop("the gateway stops")
    assert causes == ["the gateway stops"]
