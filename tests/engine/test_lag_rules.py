"""The rules of lag one by one: what ends with a connection, what is told, and what is none of its business."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.market.lag import VenueClock
from gwcore.model import Channel, StaleReason, StreamState, UpdateType
from gwcore.venue import Topic


def _load(name: str) -> Any:
    # Test folders are no packages: what they share is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stage = _load("late_stage")
Late, Pinged, best = stage.Late, stage.Pinged, stage.best
BTC, ETH, SECOND = stage.BTC, stage.ETH, stage.SECOND
LIVE, STALE = StreamState.LIVE, StreamState.STALE


def made_late(bench: Any, channels: tuple[str, ...] = ("book",), **detection: Any) -> Any:
    """Its last answer was 8 s old."""
    late = Late(bench, channels, **detection)
    for symbol in (BTC, ETH) if "trade" in channels else ():
        late.b.hear(ack=["trade", symbol])
    late.on_time().b.wait(14)
    late.answer(lag_s=8.0)
    assert late.b.machine.watch.lag.is_late
    return late


def reconnect(late: Any) -> None:
    late.b.machine.on_close("a test", late.b.now_ns)
    late.b.machine.on_open(Pinged(late.b.streams.market_data(late.b.machine.shard)), late.b.now_ns)
    late.b.machine.on_burst_end(late.b.now_ns)


def subscription(late: Any, symbol: str = BTC) -> Any:
    return late.b.machine.subscriptions.topics[Topic(Channel.BOOK, symbol, 10)]


# --- a connection and the next one ------------------------------------------------------------------------------------


def test_the_next_connection_is_not_late_for_what_the_last_one_was(bench: Any) -> None:
    late = made_late(bench, ("book", "trade"))
    late.update(ETH, 8)
    reconnect(late)
    lag = late.b.machine.watch.lag
    assert (lag.is_late, lag.lag_ns) == (False, None)
    assert not subscription(late).is_late
    late.b.hear(ack=["trade", BTC])
    assert late.state(BTC, "trade") is LIVE
    top = best("A/X", "1.0")
    late.b.machine.tops.on_top(top, 0)
    assert late.b.book.events[-1] == top
    late.b.live(BTC)
    late.b.wait(29)  # more than the rest of the time until the last one would have been replaced
    assert late.b.book.closed == []


def test_a_connection_that_stays_late_is_replaced_once_in_a_while_and_no_oftener(bench: Any) -> None:
    late = made_late(bench, lag_renew_s=10.0)
    late.b.wait(35)
    assert late.b.book.closed == ["renew: what comes is late for 10 s"] * 3


# --- the venue's clock ------------------------------------------------------------------------------------------------


def test_a_clock_that_moves_either_way_is_followed() -> None:
    clock = VenueClock()
    clock.note(100, 110, 1_110)
    assert clock.middle_ns == 1_005
    clock.note(200, 210, 6_210)  # ahead
    assert clock.middle_ns == 6_005
    clock.note(300, 310, 1_310)  # and back
    assert clock.middle_ns == 1_005


def test_an_answer_that_was_quicker_than_the_clock_is_known_is_not_from_the_future(bench: Any) -> None:
    late = Late(bench)
    late.b.wait(4)
    late.b.hear(pong=1, time_s=late.now_s() - 2)  # the venue's clock is known to two seconds
    late.b.wait(1)
    late.b.hear(pong=2, time_s=late.now_s())
    assert late.b.machine.watch.lag.lag_ns == 0


def test_a_day_of_quiet_books_and_a_clock_that_runs_fast_is_no_lag(bench: Any) -> None:
    late = Late(bench).on_time()
    began_s = late.now_s()
    for _ in range(17_280):
        late.b.wait(5)
        newest = max(late.b.machine.pings._unanswered)
        late.b.hear(pong=newest, time_s=late.now_s() + (late.now_s() - began_s) / 2_000)  # 43 s in the end
    assert (late.state(BTC), late.state(ETH)) == (LIVE, LIVE)
    assert late.b.book.closed == []
    late.update(BTC, -(late.now_s() - began_s) / 2_000)
    assert late.state(BTC) is LIVE


# --- a ping without an answer -----------------------------------------------------------------------------------------


def test_data_that_is_not_fresh_says_nothing_for_a_missing_answer(bench: Any) -> None:
    late = Late(bench).on_time()
    for _ in range(11):
        late.b.wait(1)
        late.update(ETH, 4.5)
    assert late.state(ETH) is LIVE
    late.b.wait(5)  # its data is older than it may be, and the second ping waits for more than ten seconds
    assert (late.state(BTC), late.state(ETH)) == (STALE, STALE)
    assert late.b.machine.watch.lag.lag_ns >= 10 * SECOND


def test_times_in_data_say_nothing_while_the_clock_is_not_known(bench: Any) -> None:
    late = Late(bench)
    late.b.wait(5).hear(pong=2)  # it answers, and tells no time
    for _ in range(17):
        late.b.wait(1)
        late.update(ETH, 1)
    assert (late.state(BTC), late.state(ETH)) == (STALE, STALE)


def test_what_is_not_live_says_nothing_for_a_missing_answer(bench: Any) -> None:
    late = Late(bench).on_time()
    for _ in range(13):
        late.b.wait(1)
        late.update(ETH, 1)
    late.b.hear(book=ETH, bids=[["9.8", "1.00"]], checksum=999, time_s=late.now_s())
    subscription(late, ETH).book.venue_time_ns = int(late.now_s() * SECOND)  # as a book under repair may have
    late.b.wait(3)
    assert late.state(BTC) is STALE


# --- who is concerned -------------------------------------------------------------------------------------------------


def test_below_the_limit_is_not_yet_in_time(bench: Any) -> None:
    late = made_late(bench, ("book", "trade"))
    late.b.wait(6)
    late.answer(lag_s=3.0)
    assert late.state(BTC, "trade") is STALE
    late.b.wait(6)
    late.answer(lag_s=2.5)
    assert late.state(BTC, "trade") is LIVE


def test_an_answer_in_time_changes_nothing_where_nothing_was_late(bench: Any) -> None:
    late = Late(bench, ("book", "trade"))
    late.b.hear(ack=["trade", BTC])
    late.on_time()
    trade = late.b.machine.subscriptions.topics[Topic(Channel.TRADE, BTC, 0)]
    late.b.machine.watch.on_state(trade, STALE, StaleReason.SILENCE, None, late.b.now_ns)
    late.b.wait(5)
    late.answer()
    assert (trade.state, trade.reason) == (STALE, StaleReason.SILENCE)


def test_what_is_stale_for_another_reason_stays_so(bench: Any) -> None:
    late = Late(bench, ("book", "trade"))
    for symbol in (BTC, ETH):
        late.b.hear(ack=["trade", symbol])
    late.on_time()
    trade = late.b.machine.subscriptions.topics[Topic(Channel.TRADE, BTC, 0)]
    late.b.machine.watch.on_state(trade, STALE, StaleReason.SILENCE, None, late.b.now_ns)
    late.b.hear(book=ETH, bids=[["9.8", "1.00"]], checksum=999)
    late.b.wait(14)
    late.answer(lag_s=8.0)
    assert (trade.state, trade.reason) == (STALE, StaleReason.SILENCE)
    assert subscription(late, ETH).reason is not StaleReason.LAG
    late.b.wait(6)
    late.answer()
    assert (trade.state, trade.reason) == (STALE, StaleReason.SILENCE)
    assert late.state(ETH, "trade") is LIVE


def test_books_come_back_by_a_snapshot_alone(bench: Any) -> None:
    late = made_late(bench)
    late.b.wait(6)
    late.answer()
    assert late.state(BTC) is STALE  # what it holds is gone
    assert late.b.types(BTC)[-1] == UpdateType.STALE.value


def test_a_late_book_whose_market_stands_still_is_left_alone(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 6)
    late.b.machine.on_venue_matching(False, {}, late.b.now_ns)
    late.b.wait(20)
    late.answer()
    late.b.wait(1)
    assert (late.state(BTC), len(subscription(late).failures)) == (STALE, 0)
    late.b.machine.on_venue_matching(True, {}, late.b.now_ns)
    late.b.machine.on_burst_end(late.b.now_ns)
    late.heal(BTC)
    assert late.state(BTC) is LIVE


def test_a_late_book_that_is_steadily_within_the_limit_again_comes_back(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 3)  # as this venue is with this symbol
    late.b.wait(3)
    late.update(BTC, 6)
    for _ in range(5):
        assert late.state(BTC) is STALE
        late.update(BTC, 3)
        late.b.wait(1)
    late.b.wait(0.5)
    assert late.state(BTC) is StreamState.RESYNC
    late.heal(BTC)
    late.update(BTC, 3)
    assert late.state(BTC) is LIVE


def test_a_late_book_is_asked_for_once(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 6)
    late.update(BTC, 0)
    late.b.wait(3)  # six looks
    assert (late.state(BTC), len(subscription(late).failures)) == (StreamState.RESYNC, 1)
    assert not subscription(late).is_late


def test_a_book_that_is_verified_when_it_gets_late_waits_for_its_snapshot(bench: Any) -> None:
    late = Late(bench).on_time()
    assert late.b.machine.subscriptions.verify(subscription(late), late.b.now_ns)
    late.b.machine.on_burst_end(late.b.now_ns)
    late.update(BTC, 6)
    assert (late.state(BTC), subscription(late).verifying) == (STALE, False)
    late.update(BTC, 0)
    late.b.wait(1)
    assert len(subscription(late).failures) == 0  # it is being asked for already
    late.heal(BTC)
    assert late.state(BTC) is LIVE


def test_a_snapshot_with_an_old_time_is_of_a_quiet_book(bench: Any) -> None:
    late = Late(bench).on_time()
    says = {"bids": [["9.9", "2.00"]], "asks": [["10.0", "1.00"]], "checksum": 101}
    late.b.hear(book=BTC, type="SNAPSHOT", **says, time_s=late.now_s() - 3600)
    assert late.state(BTC) is LIVE


def test_the_newest_time_that_clients_saw_is_not_that_of_the_late_message(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 1)
    seen_ns = subscription(late).book.venue_time_ns
    late.b.wait(5.9)
    late.update(BTC, 5.9)
    assert late.state(BTC) is STALE
    assert subscription(late).newest_ns == seen_ns


@pytest.mark.parametrize(("sequence", "state"), [(2, LIVE), (11, StreamState.PENDING_DATA)])
def test_a_venue_that_numbers_anew_is_followed_and_a_cache_is_not(
    bench: Any, sequence: int, state: StreamState
) -> None:
    late = Late(bench)
    late.b.machine._codec.snapshot = lambda topic: ("snapshot", topic)
    late.update(BTC, 0)
    book = subscription(late)
    book.seen_sequence = 10  # as of a numbered book that was forgotten
    late.b.machine.books.be_late(book, "late")
    late.b.wait(6)
    assert book.buffer == []
    late.b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201, sequence=sequence)
    says = {"bids": [["9.9", "1.00"]], "asks": [["10.0", "1.00"]], "checksum": 101}
    late.b.hear(book=BTC, type="SNAPSHOT", **says, sequence=sequence - 1 if sequence < 10 else 9)
    assert late.state(BTC) is state


def test_a_snapshot_that_was_late_is_not_kept(bench: Any) -> None:
    late = made_late(bench)
    late.b.wait(1)
    late.b.machine.subscriptions.resubscribe(subscription(late), late.b.now_ns)
    late.b.machine.on_burst_end(late.b.now_ns)
    late.heal(BTC)
    assert (late.state(BTC), subscription(late).is_late) == (STALE, True)
    assert not subscription(late).book.has_snapshot
    assert subscription(late).late_ns == late.b.now_ns
