"""History: records that were played, as the journal of a playback: sessions catch up on it.

It holds the newest records in memory; what lies further back is scanned again from its source, in slices. Pure: the scan
is handed in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

from gwcore.model import Record

#: Newest records of a class kept in memory.
TAIL_RECORDS: Final = 20_000
#: Records looked at in one call of a reader that scans: others have their turn in between.
SCAN_RECORDS: Final = 4_000
#: One in so many records of a session is remembered by its place, so that a resume token is found.
MARK_EVERY: Final = 2_048

#: Journal class -> its records from the first on, their positions set; each call begins anew.
Scan = Callable[[str], Iterator[Record]]


class _Class:
    __slots__ = ("last_position", "tail", "trimmed")

    def __init__(self) -> None:
        self.tail: list[Record] = []
        self.trimmed = 0  # position of the newest record that is not in the tail any more
        self.last_position = 0


class History:
    """Implements `fanout.RecordSource`. `note` is called with each record, in order, as it is played."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._classes: dict[str, _Class] = {}
        self._marks: dict[str, list[tuple[int, int]]] = {}  # session -> (sequence, position), rising
        self._last_sequence: dict[str, int] = {}  # by session

    def note(self, record: Record) -> None:
        """One more was played."""
        one = self._of(record.journal_class)
        one.last_position = record.position
        one.tail.append(record)
        if len(one.tail) >= 2 * TAIL_RECORDS:
            one.trimmed = one.tail[TAIL_RECORDS - 1].position
            del one.tail[:TAIL_RECORDS]
        marks = self._marks.get(record.session_id)
        if marks is None:
            self._marks[record.session_id] = [(record.sequence, record.position)]
        elif record.sequence >= marks[-1][0] + MARK_EVERY:
            marks.append((record.sequence, record.position))
        self._last_sequence[record.session_id] = record.sequence

    def last_position(self, journal_class: str) -> int:
        """Position of the newest record played."""
        return self._of(journal_class).last_position

    def synced_position(self, journal_class: str) -> int:
        """All that is played is durable already."""
        return self.last_position(journal_class)

    def reader(self, journal_class: str, after: int) -> HistoryReader:
        """A reader that starts behind a position."""
        return HistoryReader(self._of(journal_class), after, lambda: self._scan(journal_class))

    def position_of(self, session_id: str, sequence: int) -> int | None:
        """A position at or before that of a record: who resumes leaves out what it had. None: it was not played."""
        marks = self._marks.get(session_id)
        if marks is None or not marks[0][0] <= sequence <= self._last_sequence[session_id]:
            return None
        return marks[bisect_right(marks, (sequence, 1 << 62)) - 1][1]

    def _of(self, journal_class: str) -> _Class:
        one = self._classes.get(journal_class)
        if one is None:
            one = self._classes[journal_class] = _Class()
        return one


class HistoryReader:
    """Implements `fanout.RecordReader`. A call may give nothing though there is more: it looks at so many at a time."""

    def __init__(self, one: _Class, after: int, scan: Callable[[], Iterator[Record]]) -> None:
        self.position = after
        self._class = one
        self._scan = scan
        self._scanning: Iterator[Record] | None = None

    def read(self, count_max: int, *, synced_only: bool = True) -> list[Record]:
        """The next records."""
        one = self._class
        if self.position >= one.trimmed:
            self._scanning = None
            start = bisect_right(one.tail, self.position, key=_position)
            records = one.tail[start : start + count_max]
        else:
            records = self._read_source(count_max)
        if records:
            self.position = records[-1].position
        return records

    def _read_source(self, count_max: int) -> list[Record]:
        if self._scanning is None:
            self._scanning = self._scan()
        records: list[Record] = []
        for _ in range(SCAN_RECORDS):
            record = next(self._scanning, None)
            if record is None:  # the source is shorter than it was: go on with what is in memory
                self.position = max(self.position, self._class.trimmed)
                break
            if record.position > self.position:
                records.append(record)
                if len(records) >= count_max or record.position >= self._class.trimmed:
                    break
        return records


def _position(record: Record) -> int:
    return record.position
