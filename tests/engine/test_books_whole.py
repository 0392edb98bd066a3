"""Books that live and go bad, told whole: each event with all its fields, in order, with what was done around it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.market.detectors import DETAILS
from gwcore.engine.market.subscription import Phase
from gwcore.model import StaleReason, StreamState


def _load(name: str) -> Any:
    # Test folders are no packages: what they share is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


said = _load("transcript")
GOOD = said.GOOD
SECOND = said.SECOND
BTC = said.BTC
ETH = said.ETH
again = said.again
going = said.going
levels = said.levels
lost = said.lost
news = said.news
snapshot = said.snapshot
stale = said.stale
status = said.status
subscription = said.subscription
top = said.top
update = said.update


# --- live -------------------------------------------------------------------------------------------------------------


def test_the_way_to_a_live_book(bench: Any) -> None:
    b = bench(BTC, silence_s=10_000.0, ping_s=None).connect().hear(ack=["book", BTC])
    b.wait(2).hear(book=BTC, type="SNAPSHOT", **GOOD, time_s=5)
    assert news(b) == [
        ("send", b"hello"),
        ("send", b"subscribe book BTC/USD"),
        status(StreamState.PENDING_DATA),
        status(StreamState.LIVE),
        snapshot(time_s=5),
        top(time_s=5),
    ]
    assert subscription(b).since_ns == b.now_ns
    assert (subscription(b).phase, subscription(b).quarantined) == (Phase.ON, False)


def test_updates_are_passed_on_and_best_prices_only_when_they_change(bench: Any) -> None:
    b = going(bench)
    b.hear(book=BTC, bids=[["9.8", "3.00"]], checksum=201, time_s=6)
    deeper = update(6, bids=levels(("9.8", "3.00")), checksum=201)
    assert news(b) == [deeper]
    b.hear(book=BTC, asks=[["10.0", "4.00"]], checksum=201, time_s=7)
    better = update(7, asks=levels(("10.0", "4.00")), checksum=201)
    assert news(b) == [better, top(ask=("10.0", "4.00"), time_s=7)]
    b.hear(book=BTC, type="SNAPSHOT", **GOOD)  # one that nobody asked for is one all the same
    assert news(b) == [snapshot(), top()]


@pytest.mark.parametrize(
    ("side", "shown"),
    [("bids", {"ask": (None, None)}), ("asks", {"bid": (None, None)})],
)
def test_a_thin_book_has_one_best_price(bench: Any, side: str, shown: dict[str, Any]) -> None:
    b = bench(BTC).connect().hear(ack=["book", BTC])
    b.hear(book=BTC, type="SNAPSHOT", **{side: GOOD[side]})
    assert news(b)[-1] == top(**shown)


def test_what_was_not_asked_for_is_counted_and_dropped(bench: Any) -> None:
    b = going(bench)
    books = b.machine.books
    assert (books.dropped, books.unasked, books.stale) == (0, 0, {})
    for _ in range(2):
        b.hear(book=ETH, type="SNAPSHOT", **GOOD).hear(book=ETH, bids=[["9.8", "1.00"]])
    assert (books.dropped, books.unasked) == (0, 4)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    news(b)
    for _ in range(2):
        b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201).hear(book=BTC, type="SNAPSHOT", **GOOD)
    assert (books.dropped, books.unasked) == (4, 4)
    assert news(b) == []


# --- going bad --------------------------------------------------------------------------------------------------------


def test_a_bad_checksum_is_told_in_order_with_its_reason(bench: Any) -> None:
    b = going(bench, time_s=5).wait(1)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999, time_s=9)
    assert news(b) == lost(StaleReason.CHECKSUM, "venue says 999, book gives 201", age_ns=SECOND)
    found = subscription(b)
    assert found.newest_ns == 5 * SECOND  # of what was published, not of what was refused
    assert (found.since_ns, list(found.failures)) == (b.now_ns, [b.now_ns])
    assert b.machine.books.stale == {StaleReason.CHECKSUM: 1}
    again(b, time_s=6)
    assert news(b) == [status(StreamState.LIVE, resubscribes=1, age_ns=SECOND), snapshot(time_s=6), top(time_s=6)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"bids": [["10.5", "1.00"]], "checksum": 201}, StaleReason.CROSSED),
        ({"asks": [["10.0", "0.00"]], "checksum": 100}, StaleReason.EMPTY_SIDE),
        ({"bids": [["9.8", "1.00"]], "checksum": 201, "time_s": 3}, StaleReason.TIME_BACKWARDS),
    ],
)
def test_a_doubt_is_told_in_order_with_its_reason(bench: Any, said: dict[str, Any], reason: StaleReason) -> None:
    b = going(bench, time_s=5)
    b.hear(book=BTC, **said)
    assert news(b)[:3] == [
        *stale(reason, DETAILS[reason]),
        status(StreamState.STALE, reason, DETAILS[reason]),
    ]
    found = subscription(b)
    assert (found.suspected, found.suspected_ns) == (reason, b.now_ns)
    assert found.newest_ns == (5 * SECOND if reason is StaleReason.TIME_BACKWARDS else None)
    assert b.machine.books.stale == {reason: 1}


@pytest.mark.parametrize("back_s", [1.0, 1.001])
def test_time_may_go_back_by_its_bound_and_no_more(bench: Any, back_s: float) -> None:
    b = going(bench, time_s=50)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201, time_s=50 - back_s)
    assert b.machine.books.stale.total() == (1 if back_s > 1.0 else 0)


def test_an_update_without_a_time_can_not_go_back(bench: Any) -> None:
    b = going(bench, time_s=50)
    b.hear(book=BTC, bids=[["9.8", "1.00"]], checksum=201).hear(
        book=BTC, bids=[["9.7", "1.00"]], checksum=301, time_s=1
    )
    assert b.types(BTC) == ["SNAPSHOT", "INCREMENTAL", "INCREMENTAL"]


def test_a_bad_snapshot_is_counted_and_tried_again(bench: Any) -> None:
    b = bench(BTC, silence_s=10_000.0, ping_s=None).connect().hear(ack=["book", BTC])
    news(b)
    b.hear(book=BTC, type="SNAPSHOT", **(GOOD | {"checksum": 999}))
    detail = "venue says 999, book gives 101"
    assert news(b) == [
        status(StreamState.RESYNC, StaleReason.CHECKSUM, detail, resubscribes=1),
        ("send", b"unsubscribe book BTC/USD"),
    ]
    assert b.machine.books.stale == {StaleReason.CHECKSUM: 1}
    assert list(subscription(b).failures) == [b.now_ns]


def test_an_odd_snapshot_is_counted_asked_for_again_and_then_believed(bench: Any) -> None:
    b = bench(BTC, silence_s=10_000.0, ping_s=None).connect().hear(ack=["book", BTC])
    news(b)
    odd = {"bids": [["10.5", "1.00"]]}
    b.hear(book=BTC, type="SNAPSHOT", **(GOOD | odd))
    detail = DETAILS[StaleReason.CROSSED]
    assert news(b) == [
        status(StreamState.RESYNC, StaleReason.CROSSED, detail, resubscribes=1),
        ("send", b"unsubscribe book BTC/USD"),
    ]
    assert b.machine.books.stale == {StaleReason.CROSSED: 1}
    again(b, **odd)
    assert news(b) == [
        status(StreamState.LIVE, resubscribes=1),
        snapshot(bids=levels(("10.5", "1.00"))),
        top(bid=("10.5", "1.00")),
    ]
    assert (subscription(b).suspected, subscription(b).confirmed) == (None, StaleReason.CROSSED)


def test_a_doubt_that_the_snapshot_does_not_show_is_gone(bench: Any) -> None:
    b = going(bench).hear(book=BTC, bids=[["10.5", "1.00"]], checksum=201)
    assert subscription(b).suspected is StaleReason.CROSSED
    again(b)
    assert subscription(b).suspected is None
    assert subscription(b).state is StreamState.LIVE


def test_an_old_snapshot_is_asked_for_again_only_after_a_while(bench: Any) -> None:
    b = going(bench, time_s=50).hear(book=BTC, bids=[["9.8", "1.00"]], checksum=999)
    again(b, time_s=40)
    reason = StaleReason.TIME_BACKWARDS
    assert news(b) == [status(StreamState.RESYNC, reason, DETAILS[reason], resubscribes=2)]
    assert subscription(b).deadline_ns == b.now_ns + 5 * SECOND
