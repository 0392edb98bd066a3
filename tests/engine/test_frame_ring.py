"""FrameRing: bounded by time, bytes and count; it begins with the books as they stood before its first frame."""

from __future__ import annotations

from collections.abc import Mapping

from gwcore.book import BookRule, OrderBook
from gwcore.engine.market.frame_ring import STRETCHES, FrameRing, FrozenRing, Marks, mark_books
from gwcore.engine.market.subscription import Subscription
from gwcore.model import Channel, Instrument, MarketByPriceUpdate, PriceLevel, StreamState, UpdateType
from gwcore.settings import CaptureSettings
from gwcore.venue import Topic

SECOND = 1_000_000_000


def make_ring(**settings: float) -> FrameRing:
    return FrameRing(CaptureSettings(**settings), lambda last: ({}, {}))  # type: ignore[arg-type]


def frames_of(ring: FrozenRing | None) -> list[tuple[int, bytes]]:
    assert ring is not None
    flat = [entry for entries in ring.entries for entry in entries]
    return list(zip(flat[::2], flat[1::2], strict=True))  # type: ignore[arg-type]


def test_an_empty_ring_gives_nothing() -> None:
    assert make_ring().frozen() is None


def test_it_keeps_at_least_its_span_and_at_most_a_third_more() -> None:
    ring = make_ring(ring_s=3)
    for number in range(100 * 10):
        ring.note(b"%d" % number, number * SECOND // 100)
    kept = frames_of(ring.frozen())
    span_s = (kept[-1][0] - kept[0][0]) / SECOND
    assert kept[-1][1] == b"999"
    assert 3 <= span_s <= 4
    assert len(ring) == len(kept)


def test_bytes_and_count_are_never_more_than_allowed() -> None:
    ring = make_ring(ring_bytes_max=4_000, ring_frames_max=1_000)
    for number in range(500):
        ring.note(b"x" * 100, number)
        assert sum(len(frame) for _, frame in frames_of(ring.frozen())) <= 4_000
    assert len(ring) > 4_000 // 104 * 3 // 4 - STRETCHES

    ring = make_ring(ring_bytes_max=1_000_000, ring_frames_max=40)
    for number in range(500):
        ring.note(b"x", number)
        assert len(ring) <= 40
    assert len(ring) >= 27


def test_a_frame_larger_than_its_share_is_kept_alone() -> None:
    ring = make_ring(ring_bytes_max=400, ring_frames_max=100)
    for number in range(10):
        ring.note(b"x" * 1_000, number)
    assert [time for time, _ in frames_of(ring.frozen())] == [6, 7, 8, 9]


def test_what_was_frozen_does_not_change() -> None:
    ring = make_ring()
    ring.note(b"a", 1)
    frozen = ring.frozen()
    ring.note(b"b", 2)
    ring.note_sent(b"c", 3)
    assert frames_of(frozen) == [(1, b"a")]
    assert frames_of(ring.frozen()) == [(1, b"a"), (2, b"b"), (-3, b"c")]


def test_what_is_sent_before_anything_came_is_left_out() -> None:
    ring = make_ring()
    ring.note_sent(b"subscribe", 1)
    assert ring.frozen() is None


def test_the_position_changes_with_every_frame() -> None:
    ring = make_ring(ring_bytes_max=400, ring_frames_max=4)
    seen = set()
    for number in range(20):
        ring.note(b"x", number)
        seen.add(ring.position)
    assert len(seen) == 20


def make_subscription(symbol: str) -> Subscription:
    subscription = Subscription(Topic(Channel.BOOK, symbol, 10))
    subscription.book = OrderBook(symbol, BookRule(price_decimals=1, quantity_decimals=1, depth=10))
    return subscription


def change(subscription: Subscription, price: str, kind: UpdateType = UpdateType.INCREMENTAL) -> None:
    assert subscription.book is not None
    update = MarketByPriceUpdate(
        symbol=subscription.book.symbol,
        update_type=kind,
        bids=(PriceLevel(price, "1.0"),),
        venue_time_ns=int(float(price)),
    )
    assert subscription.book.apply(update) is None
    subscription.state = StreamState.LIVE


def test_a_ring_begins_with_the_books_before_its_first_frame() -> None:
    """Each frame sets a best bid of its own number: what the ring begins with must be the number before its first."""
    book = make_subscription("A/B")
    change(book, "1.0", UpdateType.SNAPSHOT)
    books = {"A/B": book}

    def mark(last: Marks) -> tuple[Marks, Mapping[str, Instrument]]:
        return mark_books(books, last), {}

    ring = FrameRing(CaptureSettings(ring_s=0.001, ring_bytes_max=1_000, ring_frames_max=100), mark)
    for number in range(2, 200):
        ring.note(b"%d" % number, number * 50_000)
        change(book, f"{number}.0")
        frozen = ring.frozen()
        assert frozen is not None
        (first, *_) = frames_of(frozen)
        assert frozen.books["A/B"].snapshot.bids[0].price == f"{int(first[1]) - 1}.0"


def test_only_live_books_are_marked_and_unchanged_ones_only_once() -> None:
    live, quiet, stale, empty = (make_subscription(name) for name in ("L/X", "Q/X", "S/X", "E/X"))
    for one in (live, quiet, stale):
        change(one, "1.0", UpdateType.SNAPSHOT)
    stale.state = StreamState.STALE
    books = {"L/X": live, "Q/X": quiet, "S/X": stale, "E/X": empty}
    first = mark_books(books, {})
    change(live, "2.0")
    second = mark_books(books, first)
    assert set(first) == set(second) == {"L/X", "Q/X"}
    assert second["Q/X"] is first["Q/X"]
    assert [level.price for level in second["L/X"].snapshot.bids] == ["2.0", "1.0"]
    assert [level.price for level in first["L/X"].snapshot.bids] == ["1.0"]


def test_a_new_snapshot_with_as_many_updates_is_another_book() -> None:
    book = make_subscription("A/B")
    change(book, "1.0", UpdateType.SNAPSHOT)
    first = mark_books({"A/B": book}, {})
    book.resubscribes += 1
    change(book, "1.0", UpdateType.SNAPSHOT)
    assert mark_books({"A/B": book}, first)["A/B"] is not first["A/B"]
