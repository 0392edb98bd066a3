"""FrameRing: the last frames of one connection, kept at the cost of two appends a frame, and the books they start from.

Time is cut into stretches. A new one notes how each live book stands before its first frame, so that the ring's oldest
stretch always begins with what is needed to follow it. The oldest one goes when the ring has more than its span, its
bytes or its count. Bytes and count are kept as one number: a frame weighs its bytes and its share of the count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gwcore.engine.market.subscription import Subscription
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.model import Instrument, MarketByPriceUpdate, StreamState
from gwcore.settings import CaptureSettings

#: Stretches of a full ring; all but the last are whole, so the ring spans at least its time and a third more at most.
STRETCHES = 4


class BookMark(NamedTuple):
    """One book as it stood: its snapshot, and what tells whether it has changed since."""

    updates: int
    venue_time_ns: int | None
    resubscribes: int
    snapshot: MarketByPriceUpdate


Marks = Mapping[str, BookMark]


def mark_books(books: Mapping[str, Subscription], last: Marks) -> dict[str, BookMark]:
    """How each live book stands now; one that has not changed since `last` costs no copy."""
    marks: dict[str, BookMark] = {}
    for symbol, subscription in books.items():
        book = subscription.book
        if book is None or subscription.state is not StreamState.LIVE or not book.has_snapshot:
            continue
        mark = last.get(symbol)
        if mark is None or mark[:3] != (book.updates, book.venue_time_ns, subscription.resubscribes):
            mark = BookMark(book.updates, book.venue_time_ns, subscription.resubscribes, book.snapshot())
        marks[symbol] = mark
    return marks


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some frames in a row: time, frame, time, frame, ...; the time of a frame that we sent is negative."""

    begin_ns: int
    books: Marks
    instruments: Mapping[str, Instrument]
    entries: list[int | bytes]


class FrozenRing(NamedTuple):
    """A ring as it was at one moment; other threads may read it."""

    begin_ns: int
    books: Marks
    instruments: Mapping[str, Instrument]
    entries: tuple[list[int | bytes], ...]


class FrameRing:
    """The ring of one connection. `mark` gives the books as they stand and the instruments, given the last marks."""

    __slots__ = (
        "_entries",
        "_mark",
        "_room",
        "_span_ns",
        "_stretches",
        "_turns",
        "_until_ns",
        "_weight",
        "_weight_max",
    )

    def __init__(
        self, settings: CaptureSettings, mark: Callable[[Marks], tuple[Marks, Mapping[str, Instrument]]]
    ) -> None:
        self._mark = mark
        self._span_ns = int(settings.ring_s * NANOSECONDS) // (STRETCHES - 1)
        self._weight = -(-settings.ring_bytes_max // settings.ring_frames_max)
        self._weight_max = settings.ring_bytes_max // STRETCHES
        self._stretches: deque[Stretch] = deque(maxlen=STRETCHES)
        self._entries: list[int | bytes] = []
        self._until_ns = -1  # the present stretch ends here; negative: there is none
        self._room = 0
        self._turns = 0

    @property
    def position(self) -> tuple[int, int]:
        """Where the ring stands: another one after every frame."""
        return self._turns, len(self._entries)

    def note(self, frame: bytes, time_ns: int) -> None:
        """A frame that came, before anything is done with it."""
        self._room = room = self._room - len(frame) - self._weight
        if time_ns >= self._until_ns or room < 0:
            self._turn(time_ns, len(frame))
        entries = self._entries
        entries.append(time_ns)
        entries.append(frame)

    def note_sent(self, frame: bytes, time_ns: int) -> None:
        """A frame that leaves. It never begins a stretch: books may be between two states when something is sent."""
        room = self._room - len(frame) - self._weight
        if room >= 0 and self._stretches:
            self._room = room
            self._entries.append(-time_ns)
            self._entries.append(frame)

    def _turn(self, time_ns: int, size: int) -> None:
        last = self._stretches[-1].books if self._stretches else {}
        books, instruments = self._mark(last)
        self._turns += 1
        self._entries = []
        self._stretches.append(Stretch(time_ns, books, dict(instruments), self._entries))
        self._until_ns = time_ns + self._span_ns
        self._room = self._weight_max - size - self._weight

    def frozen(self) -> FrozenRing | None:
        """The ring as it is now; None while it is empty. Whole stretches are shared, the present one is copied."""
        if not self._stretches:
            return None
        first = self._stretches[0]
        entries = [stretch.entries for stretch in self._stretches]
        entries[-1] = list(entries[-1])
        return FrozenRing(first.begin_ns, first.books, first.instruments, tuple(entries))

    def __len__(self) -> int:
        return sum(len(stretch.entries) for stretch in self._stretches) // 2
