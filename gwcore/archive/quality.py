"""What an archive says of one day: how long each book could be trusted, why not, what was missing, and how late events were.

It streams: memory grows with symbols and sessions, not with lines. Times are `published_ns`. A book is LIVE from the event
that follows its absence or its STALE to its next STALE, or to the last sign of life of the session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gwcore.archive.lines import Line, decode_line, read_batches
from gwcore.archive.names import ArchiveFile
from gwcore.archive.reader import NS_PER_DAY, ArchiveReader, day_of, day_start_ns
from gwcore.errors import StorageError
from gwcore.histogram import LatencyHistogram
from gwcore.model import Gap, Origin, StreamStatus, UpdateType
from gwcore.ports import Storage
from gwcore.wire import decode_envelope

#: Kinds that are read. Books come last: by then it is known how long each session lived.
KINDS: Final = ("reference_data", "stream_status", "gap", "trade_summary", "market_by_price")
#: Kinds whose increments are timed: one event of the venue each, and no event that follows from another.
_TIMED: Final = frozenset({"trade_summary", "market_by_price"})
_BOOK: Final = "market_by_price"
_BOOK_CHANNEL: Final = "book"
#: How many days back it is looked for how a book stood when the day began.
LOOK_BACK_DAYS: Final = 7


class Span(NamedTuple):
    """A time, in ns since the epoch."""

    begin_ns: int
    end_ns: int


@dataclass(slots=True)
class SymbolQuality:
    """One symbol on the day."""

    live_ns: int = 0
    events: int = 0  # of its book
    trades: int = 0  # events of trades; one may hold several
    stale: Counter[str] = field(default_factory=Counter)  # times its book went STALE, by reason
    gaps: Counter[str] = field(default_factory=Counter)  # Gap events by state: OPEN, CLOSED, LOST
    resubscribes: int = 0
    publish: LatencyHistogram = field(default_factory=LatencyHistogram)  # receipt to publication
    venue: LatencyHistogram = field(
        default_factory=LatencyHistogram
    )  # the venue's time to receipt: with both clocks' offset


@dataclass(slots=True, kw_only=True)
class DayQuality:
    """One day of one archive."""

    day: str
    runs: list[Span]  # when a gateway ran, within the day
    symbols: dict[str, SymbolQuality]
    gaps: Counter[str]  # Gap events about no symbol, by state
    lines: int = 0  # read for this
    warnings: list[str] = field(default_factory=list)

    @property
    def ran_ns(self) -> int:
        """How long a gateway ran."""
        return sum(span.end_ns - span.begin_ns for span in self.runs)

    def live_share_of_run(self, symbol: str) -> float:
        """Share of the time a gateway ran in which the book was LIVE."""
        return self.symbols[symbol].live_ns / self.ran_ns if self.ran_ns else 0.0

    def live_share_of_day(self, symbol: str) -> float:
        """Share of the whole day in which the book was LIVE."""
        return self.symbols[symbol].live_ns / NS_PER_DAY


def day_quality(storage: Storage, day: str, *, on_read: Callable[[int], None] | None = None) -> DayQuality:
    """Judge one day (`2026-01-31`). Raises StorageError where there is nothing of that day, or a file is not whole."""
    return _Day(storage, day, on_read or (lambda count: None)).run()


def day_bytes(storage: Storage, day: str) -> int:
    """Compressed bytes that `day_quality` reads."""
    files = ArchiveReader(storage).files
    return sum(storage.size(file.name) for file in files if file.date == day and file.kind in KINDS)


@dataclass(slots=True)
class _Book:
    """How a symbol's book stands while its events are read."""

    session_id: str
    live_since_ns: int | None


class _Day:
    def __init__(self, storage: Storage, day: str, on_read: Callable[[int], None]) -> None:
        self._storage = storage
        self._on_read = on_read
        self._begin_ns = day_start_ns(day)
        self._end_ns = self._begin_ns + NS_PER_DAY
        self._reader = ArchiveReader(storage)
        self._files = [file for file in self._reader.files if file.date == day]
        self._sessions: dict[tuple[str, str], list[int]] = {}  # (partition, session) -> first and last ns
        self._books: dict[str, _Book] = {}
        self._left_live: list[tuple[str, str, int]] = []  # symbol, session, since: live when the session's events end
        self._resubscribed: dict[tuple[str, str], tuple[int, int]] = {}  # (session, symbol) -> lowest, highest
        self.found = DayQuality(day=day, runs=[], symbols={}, gaps=Counter())

    def run(self) -> DayQuality:
        found = self.found
        if not self._files:
            days = sorted({file.date for file in self._reader.files})
            told = f"it has {days[0]} to {days[-1]}" if days else "no file is finished yet, which is every 15 minutes"
            raise StorageError(f"the archive has nothing of {found.day}: {told}")
        self._note_sessions()
        handlers = {"stream_status": self._on_stream_status, "gap": self._on_gap, "trade_summary": self._on_trade}
        for kind in KINDS:
            handler = handlers.get(kind, self._on_symbol)
            for file in self._files:
                if file.kind == kind:
                    for payload, line in self._lines(file):
                        (self._on_book if kind == _BOOK else handler)(payload, line)
        found.runs = self._runs()
        self._close_books()
        for (_, symbol), (lowest, highest) in self._resubscribed.items():
            self._symbol(symbol).resubscribes += highest - lowest
        found.warnings = self._reader.warnings
        return found

    # --- reading ------------------------------------------------------------------------------------------------------

    def _lines(self, file: ArchiveFile) -> Iterator[tuple[bytes, Line]]:
        number = 0
        for lines in read_batches(self._storage, file.name, lambda data: self._on_read(len(data))):
            for payload in lines:
                number += 1
                try:
                    line = decode_line(payload)
                except ValueError as error:
                    raise StorageError(f"{file.name}: line {number}: {error}") from error
                header = line.header
                self._see(header.partition, header.session_id, header.published_ns, header.published_ns)
                yield payload, line
        self.found.lines += number

    def _symbol(self, symbol: str) -> SymbolQuality:
        known = self.found.symbols.get(symbol)
        if known is None:
            known = self.found.symbols[symbol] = SymbolQuality()
        return known

    def _on_symbol(self, payload: bytes, line: Line) -> None:
        if line.event.symbol is not None:
            self._symbol(line.event.symbol)

    def _on_stream_status(self, payload: bytes, line: Line) -> None:
        event = decode_envelope(payload).event
        if not isinstance(event, StreamStatus) or event.channel != _BOOK_CHANNEL or event.symbol is None:
            return
        self._symbol(event.symbol)
        if event.resubscribes is not None:
            key = (line.header.session_id, event.symbol)
            # The count is the session's own. Of one that began on an earlier day, what it had by then is not today's.
            start = event.resubscribes if self._began_before(line) else 0
            lowest, highest = self._resubscribed.get(key, (start, start))
            self._resubscribed[key] = (lowest, max(highest, event.resubscribes))

    def _on_gap(self, payload: bytes, line: Line) -> None:
        event = decode_envelope(payload).event
        if isinstance(event, Gap):
            (self.found.gaps if event.symbol is None else self._symbol(event.symbol).gaps)[event.state.value] += 1

    def _on_trade(self, payload: bytes, line: Line) -> None:
        if line.event.symbol is not None:
            quality = self._symbol(line.event.symbol)
            quality.trades += 1
            self._time(quality, line)

    def _on_book(self, payload: bytes, line: Line) -> None:
        header, event = line.header, line.event
        symbol, update_type = event.symbol, event.update_type
        if symbol is None:
            return
        quality = self._symbol(symbol)
        quality.events += 1
        book = self._books.get(symbol)
        if book is None or book.session_id != header.session_id:
            self._end(symbol, book)
            book = self._books[symbol] = _Book(header.session_id, None)
            # What is changed or ended now was live before: it was when the day began.
            if update_type is not UpdateType.SNAPSHOT and self._began_before(line):
                book.live_since_ns = self._begin_ns
        if update_type is UpdateType.STALE:
            quality.stale[event.reason or "UNKNOWN"] += 1
            if book.live_since_ns is not None:
                quality.live_ns += max(0, header.published_ns - book.live_since_ns)
                book.live_since_ns = None
            return
        if book.live_since_ns is None:
            book.live_since_ns = header.published_ns
        if update_type is UpdateType.INCREMENTAL:
            self._time(quality, line)

    def _time(self, quality: SymbolQuality, line: Line) -> None:
        header, event = line.header, line.event
        if header.received_ns is None or event.update_type is not UpdateType.INCREMENTAL:
            return
        if event.origin in (None, Origin.VENUE.value):
            quality.publish.observe(header.published_ns - header.received_ns)
            if event.venue_time_ns is not None:
                quality.venue.observe(header.received_ns - event.venue_time_ns)

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _see(self, partition: str, session_id: str, first_ns: int, last_ns: int) -> None:
        known = self._sessions.get((partition, session_id))
        if known is None:
            self._sessions[partition, session_id] = [first_ns, last_ns]
            return
        if first_ns < known[0]:
            known[0] = first_ns
        if last_ns > known[1]:
            known[1] = last_ns

    def _note_sessions(self) -> None:
        """Sessions of the day, and how far they reach into the days before and after."""
        beside = {day_of(self._begin_ns - 1), day_of(self._end_ns)}
        today = self._ranges(lambda file: file.date == self.found.day)
        for key, span in today.items():
            self._see(*key, *span)
        for key, span in self._ranges(lambda file: file.date in beside).items():
            if key in today:
                self._see(*key, *span)

    def _ranges(self, wanted: Callable[[ArchiveFile], bool]) -> dict[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        for file in self._reader.files:
            manifest = self._reader.manifest(file) if wanted(file) else None
            for one in manifest.sessions if manifest is not None else ():
                known = found.setdefault((one.partition, one.session_id), [one.first_ns, one.last_ns])
                known[:] = [min(known[0], one.first_ns), max(known[1], one.last_ns)]
        return found

    def _began_before(self, line: Line) -> bool:
        return self._sessions[line.header.partition, line.header.session_id][0] < self._begin_ns

    def _runs(self) -> list[Span]:
        """When a gateway ran: the sessions of its partitions, joined where they overlap, within the day."""
        runs: list[Span] = []
        for first_ns, last_ns in sorted(self._sessions.values()):
            begin_ns, end_ns = max(first_ns, self._begin_ns), min(last_ns, self._end_ns)
            if runs and begin_ns <= runs[-1].end_ns:
                runs[-1] = Span(runs[-1].begin_ns, max(runs[-1].end_ns, end_ns))
            elif begin_ns < end_ns:
                runs.append(Span(begin_ns, end_ns))
        return runs

    def _run_end_ns(self, session_id: str) -> int:
        """When the gateway that a session belongs to was last heard of, within the day."""
        last_ns = max(span[1] for (_, one), span in self._sessions.items() if one == session_id)
        last_ns = min(last_ns, self._end_ns)
        return next((run.end_ns for run in self.found.runs if run.begin_ns <= last_ns <= run.end_ns), last_ns)

    # --- how books stood ----------------------------------------------------------------------------------------------

    def _end(self, symbol: str, book: _Book | None) -> None:
        if book is not None and book.live_since_ns is not None:
            self._left_live.append((symbol, book.session_id, book.live_since_ns))

    def _close_books(self) -> None:
        """A book that was not told to be STALE was live as long as its gateway was heard of."""
        for symbol, book in self._books.items():
            self._end(symbol, book)
        for symbol, session_id in self._live_before().items():
            if symbol not in self._books:
                self._end(symbol, _Book(session_id, self._begin_ns))
        for symbol, session_id, since_ns in self._left_live:
            self._symbol(symbol).live_ns += max(0, self._run_end_ns(session_id) - since_ns)

    def _live_before(self) -> dict[str, str]:
        """Books without an event on the day that were LIVE when it began, by symbol; with their session."""
        earliest = day_of(self._begin_ns - LOOK_BACK_DAYS * NS_PER_DAY)
        judged: dict[str, str | None] = {}
        for file in reversed(self._reader.files):
            if file.kind != _BOOK or not earliest <= file.date < self.found.day:
                continue
            manifest = self._reader.manifest(file)
            if manifest is None:
                continue
            session_id = manifest.sessions[-1].session_id
            # Of a file with an earlier run in it, it is not known which of them a symbol was last heard of in.
            is_on = all((one.partition, one.session_id) in self._sessions for one in manifest.sessions)
            for symbol in manifest.symbols:
                intervals = manifest.stale.get(symbol, ())
                is_live = is_on and not (intervals and intervals[-1].to_ns is None)
                judged.setdefault(symbol, session_id if is_live else None)
        return {symbol: session_id for symbol, session_id in judged.items() if symbol and session_id is not None}


def as_json(found: DayQuality) -> dict[str, Any]:
    """A day as plain values: shares from 0 to 1, times in ns; a latency that was never measured is None."""
    return {
        "day": found.day,
        "ran_ns": found.ran_ns,
        "runs": [{"begin_ns": span.begin_ns, "end_ns": span.end_ns} for span in found.runs],
        "lines": found.lines,
        "gaps": dict(found.gaps),
        "warnings": found.warnings,
        "symbols": {
            symbol: {
                "live_share_of_run": round(found.live_share_of_run(symbol), 6),
                "live_share_of_day": round(found.live_share_of_day(symbol), 6),
                "live_ns": quality.live_ns,
                "events": quality.events,
                "trades": quality.trades,
                "stale": dict(quality.stale),
                "gaps": dict(quality.gaps),
                "resubscribes": quality.resubscribes,
                "publish_ns": {"p50": quality.publish.quantile_ns(0.5), "p99": quality.publish.quantile_ns(0.99)},
                "venue_ns": {"p50": quality.venue.quantile_ns(0.5), "p99": quality.venue.quantile_ns(0.99)},
            }
            for symbol, quality in sorted(found.symbols.items())
        },
    }
