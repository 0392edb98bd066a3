"""What one connection is asked to follow: symbols that come, are left and come again, and what two connections share."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.standby import SharedFeeds
from gwcore.model import Channel, MarketByPriceUpdate, StaleReason, StatisticsUpdate, StreamState, TimeSeriesUpdate
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import Topic


def _load(name: str) -> Any:
    # Test folders are no packages: what they share is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


told = _load("transcript")
BTC, ETH, SECOND = told.BTC, told.ETH, told.SECOND
news, going, subscription = told.news, told.going, told.subscription
Frank, say, bar, best, no_more = told.Frank, told.say, told.bar, told.best, told.no_more
FOREVER = {"silence_s": 10_000.0, "ping_s": None}


class _Half:
    def random(self) -> float:
        return 0.5


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_a_symbol_that_is_left_is_left_on_every_channel(bench: Any, topic: Any) -> None:
    b = bench(BTC, ETH, channels=("book", "trade"), **FOREVER).connect().live(BTC).hear(ack=["trade", BTC])
    b.hear(trades=[1], symbol=BTC)
    say(b, StatisticsUpdate(symbol=BTC, last_price="1.0"))
    say(b, best(BTC), best(ETH), TimeSeriesUpdate(symbol=BTC, interval_s=60, bars=(bar(1),)))
    b.machine.remove(BTC, b.now_ns)
    left = news(b)
    assert left == [
        *told.stale(StaleReason.UNSUBSCRIBED, "no longer subscribed"),
        no_more(BTC, StaleReason.UNSUBSCRIBED),
    ]
    assert set(b.machine.instruments) == {ETH}
    assert set(b.machine.tops.last) == {ETH}
    topics = b.machine.subscriptions.topics
    assert {each.symbol: each_one.state for each, each_one in topics.items() if each.symbol == BTC} == {
        BTC: StreamState.IDLE
    }
    assert all(one.wanted == (each.symbol == ETH) for each, one in topics.items())
    assert all(each.symbol == ETH for each in b.machine.watch.quiet._clocks)
    assert b.machine.watch.held.ticker(BTC) is None
    assert b.machine.candles._begins == {}
    b.machine.on_burst_end(b.now_ns)
    assert [entry[1] for entry in news(b)] == [b"unsubscribe book BTC/USD", b"unsubscribe trade BTC/USD"]
    b.machine.remove("ZZZ/USD", b.now_ns)
    assert news(b) == []


def test_a_symbol_that_is_wanted_again_before_it_was_left_is_followed_again(
    bench: Any, topic: Any, instrument: Any
) -> None:
    b = going(bench)
    b.machine.remove(BTC, b.now_ns)
    b.machine.add([topic("book", BTC)], {BTC: instrument(BTC)}, b.now_ns)
    b.machine.on_burst_end(b.now_ns)
    b.hear(ack=["book", BTC], left=True).live(BTC)
    assert b.types(BTC) == ["SNAPSHOT", "STALE", "SNAPSHOT"]
    assert b.machine.instruments[BTC] == instrument(BTC)


def test_best_prices_of_a_market_that_is_not_online_are_stale(bench: Any, instrument: Any) -> None:
    b = bench(BTC)
    b.connect()
    say(b, best(BTC), best(ETH))
    b.machine.on_instrument(instrument(ETH), is_matching=True, now_ns=b.now_ns + 1)
    b.machine.on_venue_matching(True, {}, b.now_ns)
    assert news(b) == []
    b.machine.on_instrument(instrument(ETH), is_matching=False, now_ns=b.now_ns + 1)
    assert news(b) == [no_more(ETH, StaleReason.VENUE_STATUS)]
    assert (b.machine.instruments[ETH], b.machine.books.now_ns) == (instrument(ETH), b.now_ns + 1)
    say(b, best(ETH))
    b.machine.on_venue_matching(False, {}, b.now_ns + 2)
    assert news(b) == [no_more(each, StaleReason.VENUE_STATUS) for each in (BTC, ETH)]
    assert b.machine.books.now_ns == b.machine._now_ns == b.now_ns + 2


def test_a_snapshot_is_fetched_only_for_what_needs_one(bench: Any) -> None:
    b = bench(BTC, channels=("book", "trade"), **FOREVER).connect()
    b.machine._codec.snapshot = lambda topic: ("snapshot", topic)
    b.hear(ack=["trade", BTC])
    assert b.book.fetched == []
    b.hear(ack=["book", BTC])
    found = subscription(b)
    assert (b.book.fetched, found.buffer) == ([(found.topic, ("snapshot", found.topic))], [])
    assert isinstance(found.book.snapshot(), MarketByPriceUpdate)


def test_only_a_book_is_kept_as_a_book_and_only_trades_as_trades(bench: Any) -> None:
    b = bench(BTC).connect()
    assert set(b.machine.trades._lines) == set()
    fresh = [Topic(Channel.STATUS), Topic(Channel.TICKER, ETH), Topic(Channel.TRADE, ETH)]
    b.machine.add(fresh, {}, b.now_ns)
    assert set(b.machine.books.of_symbol) == {BTC}
    assert set(b.machine.trades._lines) == {ETH}
    assert set(b.machine.subscriptions.topics) == {subscription(b).topic, *fresh}


def test_what_a_pair_of_connections_shares_is_one_and_the_same(bench: Any) -> None:
    b = bench(BTC)
    first = b.machine
    for part in (first.trades, first.candles):
        assert part._instruments is first.instruments
        assert part._recovery is first.recovery
    shared = SharedFeeds(first.instruments, first.recovery, first.trades)
    second = MarketDataMachine(
        first.shard, b.streams, b.book, HealingSettings(), _Half(), b.now_ns, DetectionSettings(), shared
    )
    assert second.instruments is first.instruments
    assert second.recovery is first.recovery
    assert second.trades is first.trades
    assert second.candles is not first.candles


def test_a_venue_is_pinged_only_where_it_takes_pings_and_wants_them(bench: Any) -> None:
    for ping_s, takes in ((None, True), (30.0, False)):
        b = bench(BTC, silence_s=100.0, ping_s=ping_s).connect()
        codec = Frank(b.machine._codec)
        b.machine.on_close("anew", b.now_ns)
        if takes:
            codec.ping = lambda number: b"ping"  # type: ignore[attr-defined]
        b.machine.on_open(codec, b.now_ns)
        assert b.machine.pings.due_ns is None
        b.machine.on_timer(b.now_ns + 50 * SECOND)
        assert b"ping" not in b.book.sent


def test_a_snapshot_without_the_oddity_calms_what_was_confirmed(bench: Any) -> None:
    b = going(bench)
    subscription(b).confirmed = StaleReason.CROSSED
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    b.now_ns += 7
    told.again(b)
    assert subscription(b).calm_ns == b.now_ns
