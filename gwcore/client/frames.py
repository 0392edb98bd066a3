"""Data frames of trades, best prices and book levels: from a live subscription, an archive or a journal (extra `frames`).

    frames.trades(frames.archive("…/sinks/file", symbols=["BTC/USD"]))             # polars
    frames.levels(frames.journal("…/state"), levels=5, library="pandas")
    frames.tops(await frames.collect(client, seconds=60))

Numbers are exact decimals (or, `numbers="text"`, as the venue wrote them), times are in nanoseconds UTC. Memory is bounded
by `rows_max`: more rows raise TooManyRows, none is left out silently. An archive or a journal is only read, also beside a
gateway that is writing it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from gwcore.archive.reader import ArchiveReader
from gwcore.client.aio import Client
from gwcore.client.folder import ReadFolder
from gwcore.client.frame_build import build
from gwcore.client.frame_rows import LEVELS, TOPS, TRADES, LevelRows, Span, limited, top_rows, trade_rows
from gwcore.client.sync import SyncClient
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.model import KIND_OF_TYPE, Envelope, MarketByPriceUpdate, Record, TopOfBook, TradeSummary
from gwcore.wire import decode_envelope

#: Rows of one frame where nothing else is said: some hundred MB.
ROWS_MAX = 2_000_000
#: Events one `collect` keeps where nothing else is said.
EVENTS_MAX = 200_000
_CLASS = "md"


class Recorded(NamedTuple):
    """What was recorded of some symbols in some time; read anew for each frame. Made by `archive` and `journal`."""

    path: Path
    is_archive: bool
    symbols: tuple[str, ...]
    span: Span

    def events(self, kind: str) -> Iterator[Envelope]:
        """Events of one kind in order, with those before the time that a state follows from. Raises StorageError."""
        return (decode_envelope(record.payload) for record in self._records(kind))

    def _records(self, kind: str) -> Iterator[Record]:
        # Only what readers use is there; the rest of the protocol is for who writes.
        folder = cast("Any", ReadFolder(self.path, _WHAT[self.is_archive]))
        # A book within the time follows from what came before it.
        from_ns = None if kind == _BOOK else self.span.from_ns
        wanted = RecordFilter(from_ns=from_ns, to_ns=self.span.to_ns, symbols=self.symbols, kinds=(kind,))
        if not self.is_archive:
            return scan_class(folder, _CLASS, wanted)
        span = self.span
        reader = ArchiveReader(folder, from_ns=span.from_ns, to_ns=span.to_ns, wants=wanted.wants_topic)
        return filter(wanted.wants, reader.records(_CLASS))


#: Where events come from: recorded ones, or such as a client received.
Source: TypeAlias = Recorded | Iterable[Envelope]

_BOOK, _TOP, _TRADE = (KIND_OF_TYPE[kind] for kind in (MarketByPriceUpdate, TopOfBook, TradeSummary))
_WHAT = {True: "give the folder of the file sink: <state>/sinks/file", False: "give the state directory of a gateway"}


def archive(
    folder: str | Path, *, symbols: Sequence[str] = (), from_ns: int | None = None, to_ns: int | None = None
) -> Recorded:
    """What a file archive holds of symbols (globs), published from `from_ns` to `to_ns`, inclusive. Raises ConfigError."""
    return _recorded(Path(folder), True, symbols, Span(from_ns, to_ns))


def journal(
    state_dir: str | Path, *, symbols: Sequence[str] = (), from_ns: int | None = None, to_ns: int | None = None
) -> Recorded:
    """What the journal in a state directory holds, likewise. Raises ConfigError."""
    return _recorded(Path(state_dir), False, symbols, Span(from_ns, to_ns))


async def collect(client: Client, *, events_max: int = EVENTS_MAX, seconds: float | None = None) -> list[Envelope]:
    """What a client receives from now on: `events_max` events, or as many as come within `seconds`.

    Raises as `Client.batch`.
    """
    loop = asyncio.get_running_loop()
    end_s = None if seconds is None else loop.time() + seconds
    found: list[Envelope] = []
    while len(found) < events_max and (left_s := _left(end_s, loop.time())) != 0:
        batch = await client.batch(events_max - len(found), timeout_s=left_s)
        found += [delivery.envelope for delivery in batch]
        if not batch and left_s is None:
            break
    return found


def collect_sync(client: SyncClient, *, events_max: int = EVENTS_MAX, seconds: float | None = None) -> list[Envelope]:
    """As `collect`, for a SyncClient."""
    end_s = None if seconds is None else time.monotonic() + seconds
    found: list[Envelope] = []
    while len(found) < events_max and (left_s := _left(end_s, time.monotonic())) != 0:
        batch = client.batch(events_max - len(found), timeout_s=left_s)
        found += [delivery.envelope for delivery in batch]
        if not batch and left_s is None:
            break
    return found


def trades(source: Source, *, library: str = "polars", numbers: str = "decimal", rows_max: int = ROWS_MAX) -> Any:
    """One row a trade: time, symbol, price, quantity, side (the taker's), trade_id, origin, published, sequence.

    Raises TooManyRows, ConfigError, StorageError.
    """
    events, span = _events(source, _TRADE)
    return build(limited(trade_rows(events, span), rows_max), TRADES, library, numbers)


def tops(source: Source, *, library: str = "polars", numbers: str = "decimal", rows_max: int = ROWS_MAX) -> Any:
    """One row a change of the best prices: time, symbol, bid and ask with quantities, stale (why there are none), sequence.

    Raises as `trades`.
    """
    events, span = _events(source, _TOP)
    return build(limited(top_rows(events, span), rows_max), TOPS, library, numbers)


def levels(
    source: Source,
    *,
    levels: int = 10,
    every_s: float = 1.0,
    library: str = "polars",
    numbers: str = "decimal",
    rows_max: int = ROWS_MAX,
) -> Any:
    """One row a level of a book, for a symbol at most once in `every_s` (0: after each change): time, symbol, side, level,
    price, quantity, stale, sequence. Where a book turns STALE: one row with the reason and no price.

    Raises as `trades`.
    """
    events, span = _events(source, _BOOK)
    rows = LevelRows(span, levels=levels, every_s=every_s).rows(events)
    return build(limited(rows, rows_max), LEVELS, library, numbers)


def _recorded(path: Path, is_archive: bool, symbols: Sequence[str], span: Span) -> Recorded:
    ReadFolder(path, _WHAT[is_archive])  # a mistake in the path is told now
    chosen = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    return Recorded(path.absolute(), is_archive, chosen, span)


def _events(source: Source, kind: str) -> tuple[Iterable[Envelope], Span]:
    if isinstance(source, Recorded):
        return source.events(kind), source.span
    return source, Span()


def _left(end_s: float | None, now_s: float) -> float | None:
    return None if end_s is None else max(0.0, end_s - now_s)
