"""Book: prices in Decimal, and only while they may be used."""

from __future__ import annotations

from decimal import Decimal
from itertools import count

import pytest

from gwcore.client.book import BACKLOG_MAX_S, Books, BookState, Level
from gwcore.client.errors import BookNotLive
from gwcore.model import Header, MarketByPriceUpdate, UpdateType
from gwcore.testing.events import book_change, book_snapshot, levels


class Feed:
    """Books and the headers that lead to them."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.books = Books(lambda: self.now_ns)
        self.books.hold = ""
        self._sequences = count(1)

    def apply(self, update: MarketByPriceUpdate, session_id: str = "S") -> None:
        header = Header(
            v=1,
            venue="v",
            source="s",
            partition="md.0",
            session_id=session_id,
            sequence=next(self._sequences),
            published_ns=1,
        )
        self.books.apply(update, header)


def test_levels_are_decimal_and_keep_their_digits() -> None:
    feed = Feed()
    feed.apply(book_snapshot())
    book = feed.books["BTC/USD"]
    assert book.bids(1) == [Level(Decimal("100.0"), Decimal("1.00"))]
    assert str(book.best_bid.price if book.best_bid else None) == "100.0"
    assert book.asks()[1] == Level(Decimal("101.0"), Decimal("3.00"))
    assert (book.mid, book.spread) == (Decimal("100.25"), Decimal("0.5"))
    assert (book.state, book.reason) == (BookState.LIVE, "")


def test_numbers_below_a_millionth_are_exact() -> None:
    feed = Feed()
    update = MarketByPriceUpdate(
        symbol="X",
        update_type=UpdateType.SNAPSHOT,
        bids=levels(["0.00000001x123456789.12345678"]),
        depth=1,
        price_decimals=8,
        quantity_decimals=8,
    )
    feed.apply(update)
    [level] = feed.books["X"].bids()
    assert (format(level.price, "f"), str(level.quantity)) == ("0.00000001", "123456789.12345678")


def test_an_empty_side_is_none_not_an_error() -> None:
    feed = Feed()
    feed.apply(book_snapshot(asks=()))
    book = feed.books["BTC/USD"]
    assert book.best_ask is None
    assert book.mid is None
    assert book.spread is None
    assert book.asks() == []


def test_depth_is_cut() -> None:
    feed = Feed()
    feed.apply(book_snapshot(depth=2))
    feed.apply(book_change(bids=["100.2x1.00"]))
    assert [str(level.price) for level in feed.books["BTC/USD"].bids()] == ["100.2", "100.0"]


def test_a_new_snapshot_may_bring_other_decimals() -> None:
    feed = Feed()
    feed.apply(book_snapshot())
    feed.apply(
        MarketByPriceUpdate(
            symbol="BTC/USD",
            update_type=UpdateType.SNAPSHOT,
            bids=levels(["1.123x1"]),
            depth=5,
            price_decimals=3,
            quantity_decimals=0,
        )
    )
    assert str(feed.books["BTC/USD"].bids()[0].price) == "1.123"


@pytest.mark.parametrize(
    "update",
    [
        book_change(bids=["100.55x1.00"]),
        book_change(bids=["onex1.00"]),
        MarketByPriceUpdate(symbol="BTC/USD", update_type=UpdateType.SNAPSHOT, bids=levels(["1x1"])),
    ],
    ids=["precision", "no number", "snapshot without decimals"],
)
def test_what_does_not_fit_makes_it_stale(update: MarketByPriceUpdate) -> None:
    feed = Feed()
    feed.apply(book_snapshot())
    feed.apply(update)
    with pytest.raises(BookNotLive):
        feed.books["BTC/USD"].bids()


def test_an_increment_without_snapshot_is_not_believed() -> None:
    feed = Feed()
    feed.apply(book_change(bids=["1.0x1.00"]))
    assert feed.books["BTC/USD"].state is BookState.UNKNOWN
    assert feed.books.broken == {"BTC/USD"}
    feed.apply(book_snapshot())
    assert feed.books.broken == set()


def test_what_a_snapshot_holds_already_is_not_applied_again() -> None:
    feed = Feed()
    feed.apply(book_snapshot())  # number 1
    late = Header(v=1, venue="v", source="s", partition="md.0", session_id="S", sequence=1, published_ns=1)
    feed.books.apply(book_change(bids=["100.3x1.00"]), late)
    assert str(feed.books["BTC/USD"].mid) == "100.25"


def test_unread_events_make_books_stale_after_a_while() -> None:
    feed = Feed()
    feed.apply(book_snapshot())
    book = feed.books["BTC/USD"]
    feed.books.backlog_since_ns = 0
    assert book.state is BookState.LIVE
    feed.now_ns = round(BACKLOG_MAX_S * 1e9) + 1
    with pytest.raises(BookNotLive, match="BACKLOG"):
        _ = book.best_bid
    feed.books.backlog_since_ns = None
    assert book.state is BookState.LIVE


def test_a_hold_counts_for_all_and_peek_opts_out() -> None:
    feed = Feed()
    feed.apply(book_snapshot())
    feed.books.hold = "DISCONNECT: x"
    book = feed.books["BTC/USD"]
    for read in (
        lambda: book.best_bid,
        lambda: book.best_ask,
        lambda: book.mid,
        lambda: book.spread,
        book.bids,
        book.asks,
    ):
        with pytest.raises(BookNotLive, match=r"BTC/USD is STALE: DISCONNECT: x \(0.000 s old\)"):
            read()
    assert book.peek().best_ask == Level(Decimal("100.5"), Decimal(1))


def test_peek_of_an_unknown_book_is_empty() -> None:
    peek = Feed().books["X"].peek()
    assert (peek.bids(), peek.asks(), peek.best_bid, peek.best_ask, peek.mid, peek.venue_time_ns) == (
        [],
        [],
        *[None] * 4,
    )


def test_books_are_a_mapping() -> None:
    feed = Feed()
    feed.apply(book_snapshot())
    assert list(feed.books) == ["BTC/USD"]
    assert "ETH/USD" not in feed.books
    assert feed.books["ETH/USD"].state is BookState.UNKNOWN
    assert len(feed.books) == 2
