"""What comes late though it is whole: one book's own messages, a whole connection, and what a slow answer does not show."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.market.lag import VenueClock
from gwcore.engine.market.pings import UNANSWERED_MAX, Pings
from gwcore.model import Channel, StaleReason, StreamState, StreamStatus, TopOfBook, UpdateType
from gwcore.venue import GroupLimits, Topic


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


def test_a_book_whose_messages_are_late_is_stale_before_anyone_sees_them(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 4.9)
    assert late.state(BTC) is StreamState.LIVE
    late.update(BTC, 5.2)
    assert (late.last(BTC).update_type, late.last(BTC).reason) == (UpdateType.STALE, StaleReason.LAG)
    tops = [event for event in late.b.book.events if isinstance(event, TopOfBook) and event.symbol == BTC]
    assert tops[-1].update_type is UpdateType.STALE
    assert late.state(ETH) is StreamState.LIVE  # one bad thing stays one
    assert late.b.machine.books.stale[StaleReason.LAG] == 1


def test_a_late_book_is_left_alone_until_its_messages_are_in_time(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 6)
    sent = len(late.b.book.sent)
    for _ in range(6):
        for _ in range(5):
            late.b.wait(1)
            late.update(BTC, 6)
        late.answer()
    assert late.state(BTC) is StreamState.STALE
    assert all(frame.startswith(b"ping") for frame in late.b.book.sent[sent:])
    late.update(BTC, 4)  # within the limit, but not well within
    late.b.wait(1)
    assert late.state(BTC) is StreamState.STALE
    late.update(BTC, 0.1)
    late.b.wait(1)
    assert late.state(BTC) is StreamState.RESYNC
    late.heal(BTC)
    assert late.state(BTC) is StreamState.LIVE
    late.update(BTC, 0.1)
    assert late.state(BTC) is StreamState.LIVE


def test_a_late_book_that_falls_quiet_is_tried_again(bench: Any) -> None:
    late = Late(bench).on_time()
    late.update(BTC, 6)
    late.b.wait(4)
    assert late.state(BTC) is StreamState.STALE
    late.b.wait(2)
    late.answer()
    assert late.state(BTC) is StreamState.RESYNC


def test_books_that_are_late_again_and_again_are_tried_ever_more_seldom(bench: Any) -> None:
    late = Late(bench).on_time()
    for _ in range(5):
        late.update(BTC, 6)
        late.update(BTC, 0)
        late.b.wait(10)
        late.answer()
        late.heal(BTC)
    late.update(BTC, 6)
    late.update(BTC, 0)
    late.b.wait(1)
    assert late.state(BTC) is StreamState.QUARANTINED


def test_an_answer_that_is_late_makes_the_whole_connection_late(bench: Any) -> None:
    late = Late(bench, channels=("book", "trade"))
    for symbol in (BTC, ETH):
        late.b.hear(ack=["trade", symbol])
    late.on_time().b.wait(14)
    late.answer(lag_s=7.0)
    assert [late.state(symbol, channel) for symbol in (BTC, ETH) for channel in ("book", "trade")] == [
        StreamState.STALE
    ] * 4
    told = [e for e in late.b.book.statuses if isinstance(e, StreamStatus) and e.reason is StaleReason.LAG]
    assert len(told) == 4
    assert {each.detail for each in told} == {"what this connection brings is 7.0 s old"}
    assert late.b.machine.watch.lag.lag_ns == 7 * SECOND
    late.b.wait(6)
    late.answer(lag_s=3.0)  # below the limit, and not well below
    assert late.state(BTC) is StreamState.STALE
    late.b.wait(6)
    late.answer(lag_s=0.2)
    assert late.state(BTC, "trade") is StreamState.LIVE
    late.b.wait(1)
    assert late.state(BTC) is StreamState.RESYNC
    late.heal(BTC)
    assert late.state(BTC) is StreamState.LIVE


def test_a_snapshot_on_a_late_connection_is_not_believed(bench: Any) -> None:
    late = Late(bench).on_time()
    late.b.hear(book=ETH, bids=[["9.8", "1.00"]], checksum=999)  # a repair is under way
    late.b.wait(14)
    late.answer(lag_s=8.0)
    before = late.b.types(ETH)
    late.heal(ETH)
    assert late.b.types(ETH) == before
    assert late.state(ETH) is StreamState.STALE
    late.b.wait(6)
    late.answer()
    late.b.wait(6)
    late.heal(ETH)
    assert late.state(ETH) is StreamState.LIVE


def test_what_is_accepted_on_a_late_connection_is_late_too(bench: Any) -> None:
    late = Late(bench).on_time()
    late.b.wait(14)
    late.answer(lag_s=8.0)
    late.b.machine.add([Topic(Channel.TRADE, BTC, 0)], {}, late.b.now_ns)
    late.b.machine.on_burst_end(late.b.now_ns)
    late.b.hear(ack=["trade", BTC])
    assert late.state(BTC, "trade") is StreamState.STALE
    told = late.b.book.statuses[-1]
    assert isinstance(told, StreamStatus)
    assert (told.reason, told.detail) == (StaleReason.LAG, "what this connection brings is 8.0 s old")
    late.b.wait(6)
    late.answer()
    assert late.state(BTC, "trade") is StreamState.LIVE


def test_best_prices_of_a_late_connection_are_told_once_they_may_be_taken_for_good(bench: Any) -> None:
    late = Late(bench).on_time()
    tops = [best(symbol, "1.0") for symbol in ("A/X", "B/X", "C/X")]
    for top in tops:
        late.b.machine.tops.on_top(top, 0)
    late.b.wait(14)
    late.answer(lag_s=8.0)
    fresh = best("B/X", "2.0")
    late.b.machine.tops.on_top(fresh, 0)
    assert late.b.machine.tops.last == {}
    late.b.machine.tops.stale(StaleReason.VENUE_STATUS, "C/X")
    before = len(late.b.book.events)
    late.b.wait(6)
    late.answer()
    # Those that are quiet too: the venue would not tell them again.
    assert late.b.book.events[before:] == [tops[0], fresh]
    assert late.b.machine.tops.last == {"A/X": tops[0], "B/X": fresh}


def test_best_prices_of_a_late_connection_end_with_it(bench: Any) -> None:
    late = Late(bench).on_time()
    late.b.machine.tops.on_top(best("A/X", "1.0"), 0)
    late.b.wait(14)
    late.answer(lag_s=8.0)
    before = len(late.b.book.events)
    late.b.machine.on_close("a test", late.b.now_ns)
    assert late.b.book.events[before:] == []  # all of it is stale already
    assert late.b.machine.tops.last == {}


@pytest.mark.parametrize(("fresh", "state"), [(True, StreamState.LIVE), (False, StreamState.STALE)])
def test_a_ping_without_an_answer_is_lag_unless_fresh_data_says_otherwise(
    bench: Any, fresh: bool, state: StreamState
) -> None:
    late = Late(bench).on_time()
    for _ in range(16):
        late.b.wait(1)
        if fresh:
            late.update(ETH, 1)
    assert late.state(BTC) is state


def test_one_late_book_makes_a_missing_answer_count_sooner(bench: Any) -> None:
    late = Late(bench).on_time()
    for _ in range(10):  # a ping leaves half-way
        assert late.state(BTC) is StreamState.LIVE
        late.update(ETH, 6)
        late.b.wait(1)
    late.b.wait(1)
    assert late.state(BTC) is StreamState.STALE


def test_a_venue_that_never_answers_pings_is_not_judged_by_them(bench: Any) -> None:
    late = Late(bench)
    late.b.wait(100)
    late.update(BTC, 1000)
    assert late.state(BTC) is StreamState.LIVE


def test_an_answer_that_tells_no_time_counts_half_its_way(bench: Any) -> None:
    late = Late(bench)
    late.b.wait(9).hear(pong=1)
    assert late.b.machine.watch.lag.lag_ns == 4.5 * SECOND
    assert late.state(BTC) is StreamState.LIVE
    late = Late(bench)
    late.b.wait(11).hear(pong=1)
    assert late.state(BTC) is StreamState.STALE


def test_a_connection_that_stays_late_is_replaced_and_the_next_one_is_judged_anew(bench: Any) -> None:
    late = Late(bench, lag_renew_s=30.0).on_time()
    late.b.wait(14)
    late.answer(lag_s=8.0)
    late.b.wait(29)
    assert late.b.book.closed == []
    late.b.wait(1)
    assert late.b.book.closed == ["renew: what comes is late for 30 s"]
    late.b.machine.on_close("renew", late.b.now_ns)
    late.b.machine.on_open(Pinged(late.b.streams.market_data(late.b.machine.shard)), late.b.now_ns)
    late.b.machine.on_burst_end(late.b.now_ns)
    late.b.live(BTC)
    assert late.state(BTC) is StreamState.LIVE
    late.update(BTC, 6)  # the clocks are known still
    assert late.state(BTC) is StreamState.STALE


def test_lag_can_be_left_alone(bench: Any) -> None:
    late = Late(bench, lag_s=None).on_time()
    late.b.wait(110)
    late.answer(lag_s=100.0)
    late.update(BTC, 100)
    assert late.state(BTC) is StreamState.LIVE


def test_a_clock_that_is_moved_is_followed_by_the_next_answer(bench: Any) -> None:
    late = Late(bench).on_time()
    late.b.wait(5)
    late.b.hear(pong=3, time_s=late.now_s() - 3600)  # at once, and an hour behind
    assert late.b.machine.watch.lag.lag_ns == 0
    assert late.state(BTC) is StreamState.LIVE
    late.update(BTC, 3600)
    assert late.state(BTC) is StreamState.LIVE


# --- the parts --------------------------------------------------------------------------------------------------------


def test_answers_bound_the_venues_clock_ever_closer() -> None:
    clock = VenueClock()
    assert clock.middle_ns is None
    clock.note(100, 200, 1_150)  # between 950 and 1050
    assert clock.middle_ns == 1_000
    clock.note(300, 900, 1_340)  # between 440 and 1040
    assert clock.middle_ns == 995
    clock.note(1_000, 1_010, 2_050)  # between 1040 and 1050: just touching
    assert clock.middle_ns == 1_040
    clock.note(2_000, 2_010, 2_000)  # nothing in common: moved
    assert clock.middle_ns == -5


def test_pings_that_are_never_answered_are_forgotten_from_the_oldest() -> None:
    pings = Pings(GroupLimits(channels=frozenset({Channel.BOOK}), symbols_per_connection=1, ping_s=1.0))
    pings.on_open(Pinged(object()), 0)  # type: ignore[arg-type]
    assert pings.make(0) == b"ping 1"
    assert pings.make(SECOND - 1) is None
    for second in range(1, UNANSWERED_MAX + 2):
        assert pings.make(second * SECOND) == b"ping %d" % (second + 1)
    assert pings.oldest_ns == 2 * SECOND
    assert pings.answered(2) is None
    assert pings.answered(10) == 9 * SECOND
    assert pings.oldest_ns == 10 * SECOND
    assert pings.answered(None) is None
    pings.on_open(Pinged(object()), 0)  # type: ignore[arg-type]
    assert pings.oldest_ns is None
