"""How far a sink is behind the journal. Reads a few records, so it is for scrapes and status pages, never per message."""

from __future__ import annotations

from typing import NamedTuple

from gwcore.errors import StorageError
from gwcore.journal import Journal, JournalGap
from gwcore.model import Record

#: Records looked at. A backlog of no more is measured, a larger one estimated from their mean size.
_SAMPLE_RECORDS = 64


class Backlog(NamedTuple):
    """What a sink has not made durable of one class."""

    events: int
    bytes: int  # of payloads
    seconds: float  # age of the oldest


def measure_backlog(journal: Journal, journal_class: str, after: int, now_ns: int) -> Backlog:
    """The backlog behind position `after`; bytes and seconds are 0 where the journal can't be read there."""
    events = max(0, journal.last_position(journal_class) - after)
    records = _read_first(journal, journal_class, after) if events else []
    if not records:
        return Backlog(events, 0, 0.0)
    size = sum(len(record.payload) for record in records) / len(records)
    return Backlog(events, round(size * events), max(0, now_ns - records[0].published_ns) / 1e9)


def _read_first(journal: Journal, journal_class: str, after: int) -> list[Record]:
    try:
        reader = journal.reader(journal_class, after)
        try:
            return reader.read(_SAMPLE_RECORDS, synced_only=False)
        except JournalGap:
            return reader.read(_SAMPLE_RECORDS, synced_only=False)  # the reader stands behind the gap
    except StorageError:
        return []
