"""gwcore.client.frames: data frames of an archive, a journal and a live subscription say what was published."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pandas
import polars
import pytest

from gwcore.book import OrderBook
from gwcore.client import Client, Session, frames
from gwcore.client.book import rule_of
from gwcore.client.errors import TooManyRows
from gwcore.errors import ConfigError
from gwcore.model import (
    Envelope,
    Header,
    MarketByPriceUpdate,
    PriceLevel,
    StaleReason,
    TopOfBook,
    TradeSummary,
    UpdateType,
)
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_change, book_snapshot, book_stale, levels, top, trade
from gwcore.testing.loop import run
from gwcore.testing.memory_transport import MemoryTransport
from gwcore.wire import decode_envelope

SYMBOL = "ETH/USD"
LIBRARIES = ("polars", "pandas")


def journalled(runs: Any, kind: str, symbol: str = SYMBOL) -> list[Envelope]:
    return [
        decode_envelope(record.payload)
        for record in runs.journalled("md")
        if record.kind == kind and record.symbol == symbol
    ]


def sources(runs: Any, **options: Any) -> dict[str, Any]:
    options = {"symbols": [SYMBOL], **options}
    return {"archive": frames.archive(runs.archive, **options), "journal": frames.journal(runs.state_dir, **options)}


def rows_of(frame: Any) -> list[dict[str, Any]]:
    """Rows of either library, with times as ns and absent values as None."""
    if isinstance(frame, polars.DataFrame):
        times = [name for name, kind in frame.schema.items() if kind == polars.Datetime("ns", "UTC")]
        return frame.with_columns(polars.col(name).cast(polars.Int64) for name in times).to_dicts()
    found = frame.copy()
    for name in found.columns:
        if str(found[name].dtype) == "datetime64[ns, UTC]":
            found[name] = found[name].astype("int64")
    return [
        {key: None if value is pandas.NA else value for key, value in row.items()} for row in found.to_dict("records")
    ]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("where", ["archive", "journal"])
def test_trades_are_those_that_were_journalled(runs: Any, where: str, library: str) -> None:
    wanted = [
        (one.venue_time_ns, one.price, one.quantity, one.side.value, one.trade_id, header.published_ns, header.sequence)
        for header, event in ((e.header, e.event) for e in journalled(runs, "trade_summary"))
        if isinstance(event, TradeSummary) and event.update_type is UpdateType.INCREMENTAL
        for one in event.trades
    ]
    frame = frames.trades(sources(runs)[where], library=library)
    names = ("time", "price", "quantity", "side", "trade_id", "published", "sequence")
    found = [tuple(row[name] for name in names) for row in rows_of(frame)]
    assert len(found) > 10
    assert found == [(t, Decimal(p), Decimal(q), *rest) for t, p, q, *rest in wanted]
    text = frames.trades(sources(runs)[where], library=library, numbers="text")
    assert [row["price"] for row in rows_of(text)] == [one[1] for one in wanted]  # the venue's digits


@pytest.mark.parametrize("where", ["archive", "journal"])
def test_tops_tell_when_there_was_no_price(runs: Any, where: str) -> None:
    wanted = [e for e in journalled(runs, "top_of_book") if isinstance(e.event, TopOfBook)]
    found = rows_of(frames.tops(sources(runs)[where]))
    assert [row["time"] for row in found] == [e.header.published_ns for e in wanted]
    stale = [row for row in found if row["stale"]]
    assert stale
    assert all(row["bid_price"] is None for row in stale)
    assert [row["stale"] for row in stale] == [e.event.reason.value for e in wanted if e.event.reason]  # type: ignore[union-attr]


def books(events: list[Envelope]) -> Iterator[tuple[Header, OrderBook | None]]:
    """The book after each event, None while STALE: what `levels` must agree with."""
    book: OrderBook | None = None
    for envelope in events:
        event = envelope.event
        assert isinstance(event, MarketByPriceUpdate)
        if event.update_type is UpdateType.SNAPSHOT:
            book = OrderBook(event.symbol, rule_of(event))
        if event.update_type is UpdateType.STALE:
            book = None
        if book is not None:
            assert book.apply(event) is None
        yield envelope.header, book


@pytest.mark.parametrize("where", ["archive", "journal"])
def test_levels_are_the_books_after_each_change(runs: Any, where: str) -> None:
    wanted: list[tuple[Any, ...]] = []
    for header, book in books(journalled(runs, "market_by_price")):
        if book is None:
            wanted.append((header.sequence, None, None, None))
            continue
        for side, found in (("BID", book.bids(3)), ("ASK", book.asks(3))):
            wanted += [(header.sequence, side, n, Decimal(level.price)) for n, level in enumerate(found, 1)]
    frame = frames.levels(sources(runs)[where], levels=3, every_s=0)
    assert [(r["sequence"], r["side"], r["level"], r["price"]) for r in rows_of(frame)] == wanted


def test_a_span_begins_with_the_book_as_it_was_and_keeps_its_pace(runs: Any) -> None:
    states = [(header, book and book.best_bid) for header, book in books(journalled(runs, "market_by_price"))]
    middle = states[len(states) // 4][0].published_ns
    end = middle + 5 * 10**9
    for source in sources(runs, from_ns=middle, to_ns=end).values():
        found = rows_of(frames.levels(source, levels=1, every_s=1.0))
        times = sorted({row["time"] for row in found})
        assert middle <= times[0]
        assert times[-1] <= end
        assert 3 <= len(times) <= 6
        assert all(later - earlier >= 10**9 for earlier, later in pairwise(times))
        first = next(bid for header, bid in states if header.published_ns >= middle)
        assert first is not None
        assert found[0]["price"] == Decimal(first.price)
        trades = rows_of(frames.trades(source))
        assert all(middle <= row["published"] <= end for row in trades)


def test_more_rows_than_allowed_are_refused(runs: Any) -> None:
    with pytest.raises(TooManyRows, match=r"more than 5 rows: .* raise rows_max"):
        frames.trades(sources(runs)["archive"], rows_max=5)


def test_mistakes_are_one_sentence(runs: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"no folder .*nowhere \(give the state directory"):
        frames.journal(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"sinks/file"):
        frames.archive(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"'spark' \(polars or pandas\)"):
        frames.trades([], library="spark")
    with pytest.raises(ConfigError, match="decimal or text"):
        frames.trades([], numbers="float")
    for library in LIBRARIES:
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(ConfigError, match=r"pip install 'gwcore\[frames\]'"):
            frames.trades([], library=library)


def recorded(*events: Any) -> list[Envelope]:
    return [decode_envelope(record.payload) for record in SmallPort().publish(*events)]


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_rows_have_their_columns_too(library: str) -> None:
    frame = frames.levels([], library=library)
    assert len(frame) == 0
    assert list(frame.columns)[:3] == ["time", "symbol", "side"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_numbers_keep_all_their_digits(library: str) -> None:
    long = "12345678901234567890.123456789012345678"
    events = recorded(trade(price=long), trade(price="0.00000001"))
    assert [row["price"] for row in rows_of(frames.trades(events, library=library))] == [Decimal(long), Decimal("1e-8")]
    events = recorded(trade(price="1" * 30), trade(price="0." + "1" * 30))
    if library == "polars":
        with pytest.raises(ConfigError, match=r'a Decimal has 38 \(numbers="text"\)'):
            frames.trades(events)
    else:
        assert len(frames.trades(events, library="pandas")) == 2


def test_books_nobody_vouches_for_have_no_levels() -> None:
    bad = MarketByPriceUpdate(symbol="X/Y", update_type=UpdateType.SNAPSHOT, bids=levels(["1.0x1.00"]))
    too_precise = MarketByPriceUpdate(
        symbol="BTC/USD", update_type=UpdateType.INCREMENTAL, bids=(PriceLevel("1.23456", "1.00"),)
    )
    events = recorded(
        book_change(bids=["1.0x1.00"]),  # no snapshot
        book_change(bids=["1.0x1.00"]),  # told once
        book_snapshot(),
        too_precise,
        book_change(bids=["1.0x1.00"]),
        book_snapshot(),
        book_stale(reason=StaleReason.CROSSED),
        bad,
        top(),
    )
    found = rows_of(frames.levels(events, levels=1, every_s=0))
    assert [(row["symbol"], row["side"], row["stale"]) for row in found] == [
        ("BTC/USD", None, "NO_SNAPSHOT"),
        ("BTC/USD", "BID", None),
        ("BTC/USD", "ASK", None),
        ("BTC/USD", None, "PRECISION"),
        ("BTC/USD", "BID", None),
        ("BTC/USD", "ASK", None),
        ("BTC/USD", None, "CROSSED"),
        ("X/Y", None, "a snapshot without depth or decimals"),
    ]


def test_a_new_session_begins_without_a_book() -> None:
    port = SmallPort()
    records = port.publish(book_snapshot())
    port.restart("S2")
    records += port.publish(book_change(bids=["100.1x1.00"]), book_snapshot())
    found = rows_of(frames.levels([decode_envelope(one.payload) for one in records], levels=1, every_s=0))
    assert [row["stale"] for row in found] == [None, None, "SESSION", None, None]


def test_a_live_subscription_is_collected() -> None:
    async def main(loop: Any) -> None:
        port, transport = SmallPort(), MemoryTransport()
        transport.serve(port)
        client = Client(transport.dial, Session(monotonic_ns=loop.now_ns))
        await client.open()
        await client.subscribe()
        port.publish(trade(trade_id="1"), book_snapshot(), trade(trade_id="2"), trade(trade_id="3"))
        few = await frames.collect(client, events_max=3)
        rest = await frames.collect(client, seconds=2.0)
        assert [row["trade_id"] for row in rows_of(frames.trades(few))] == ["1", "2"]
        assert len(rest) == 1
        waiting = asyncio.create_task(frames.collect(client))
        await asyncio.sleep(1)
        await client.close()
        assert await waiting == []

    run(main)
