"""ConnectionCapture: the tap on one connection: every frame into its ring (and the recording), the ring into an incident.

An incident is a book gone bad by what the venue sent, or a frame that can't be decoded. A lost connection and a market
that stands still are none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from gwcore.capture import RECEIVED, SENT, CaptureHead
from gwcore.engine.market.books import BookKeeper
from gwcore.engine.market.frame_ring import FrameRing, FrozenRing, Marks, mark_books
from gwcore.engine.publisher import Partition
from gwcore.model import Instrument, StaleReason, StreamState, StreamStatus
from gwcore.ports import Clock
from gwcore.settings import CaptureSettings

#: Reasons that frames explain.
DETECTED = frozenset(StaleReason) - {
    StaleReason.DISCONNECT,
    StaleReason.VENUE_STATUS,
    StaleReason.REJECTED,
    StaleReason.UNSUBSCRIBED,
}
#: What makes a snapshot bad from the beginning: then nothing was ever STALE, and the frames are worth as much.
BAD_SNAPSHOT = DETECTED - {StaleReason.NO_SNAPSHOT, StaleReason.SILENCE}
_RETRIED = frozenset({StreamState.RESYNC, StreamState.QUARANTINED})


class FrameTap(Protocol):
    """Who is given every frame (a recording)."""

    def add(self, connection: str, direction: str, frame: bytes, time_ns: int) -> None:
        """One frame, in order."""
        ...


#: Takes an incident.
Report = Callable[[CaptureHead, FrozenRing], None]


class ConnectionCapture:
    """What is captured of one connection. `note` is called for every frame and costs a tenth of a microsecond."""

    def __init__(
        self,
        settings: CaptureSettings,
        partition: Partition,
        clock: Clock,
        *,
        report: Report | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        self.name = partition.name
        self._partition = partition
        self._clock = clock
        self._report = report
        self._tap = tap
        self._books: BookKeeper | None = None
        self._instruments: Mapping[str, Instrument] = {}
        self._last: tuple[tuple[int, int], set[str], FrozenRing] | None = None  # where, of whom, and what, the last one
        self.ring = FrameRing(settings, self._mark)
        self.note: Callable[[bytes, int], None] = self.ring.note if tap is None else self._note_and_record

    def bind(self, books: BookKeeper, instruments: Mapping[str, Instrument]) -> None:
        """The books and instruments of this connection: live views."""
        self._books, self._instruments = books, instruments

    def _mark(self, last: Marks) -> tuple[Marks, Mapping[str, Instrument]]:
        return (mark_books(self._books.of_symbol, last) if self._books is not None else {}), self._instruments

    def marks(self) -> tuple[Marks, Mapping[str, Instrument]]:
        """How the books stand now, and the instruments."""
        return self._mark({})

    def _note_and_record(self, frame: bytes, received_ns: int) -> None:
        self.ring.note(frame, received_ns)
        assert self._tap is not None
        self._tap.add(self.name, RECEIVED, frame, received_ns)

    def note_sent(self, frame: bytes) -> None:
        """A frame that leaves."""
        now_ns = self._clock.now_ns()
        self.ring.note_sent(frame, now_ns)
        if self._tap is not None:
            self._tap.add(self.name, SENT, frame, now_ns)

    # --- incidents ------------------------------------------------------------------------------------------------

    def on_status(self, status: StreamStatus) -> None:
        """A subscription changed its state: is it an incident?"""
        if status.reason is None:
            return
        sequence = self._partition.sequence
        if status.state is StreamState.STALE and status.reason in DETECTED:
            # A book that goes STALE says so in two events, just now: the book's and its top's.
            self._incident(status.symbol, status.reason, status.detail, (sequence - 1, sequence))
        elif status.state in _RETRIED and status.reason in BAD_SNAPSHOT:
            self._incident(status.symbol, status.reason, status.detail, ())

    def on_undecodable(self, detail: str) -> None:
        """A frame could not be read."""
        self._incident(None, StaleReason.DECODE, detail, ())

    def _incident(
        self, symbol: str | None, reason: StaleReason, detail: str | None, sequences: tuple[int, ...]
    ) -> None:
        if self._report is None:
            return
        position, who = self.ring.position, symbol or ""
        if self._last is None or self._last[0] != position:
            ring = self.ring.frozen()
            if ring is None:
                return
            self._last = (position, set(), ring)
        elif who in self._last[1]:
            return  # the same frame, told again: STALE is followed by RESYNC
        self._last[1].add(who)
        head = CaptureHead(
            time_ns=self._clock.now_ns(),
            connection=self.name,
            symbols=(symbol,) if symbol is not None else (),
            reason=reason.value,
            detail=detail,
            session_id=self._partition.session_id,
            sequences=sequences,
        )
        self._report(head, self._last[2])
