"""Recordings: what a gateway once said, read from its journal or from a file archive, class by class and in order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Protocol

from gwcore.archive.lines import decode_line
from gwcore.archive.reader import ArchiveReader
from gwcore.errors import StorageError
from gwcore.journal.format import CLASSES
from gwcore.journal.scan import RecordFilter, scan_class
from gwcore.model import Record
from gwcore.ports import Storage


class Recording(Protocol):
    """Something that can be played, and played again: each call of `records` begins anew and gives the same."""

    @property
    def classes(self) -> Sequence[str]:
        """Journal classes there may be records of."""
        ...

    def records(self, journal_class: str) -> Iterator[Record]:
        """Records of one class in order, with positions that rise. Raises StorageError for damage."""
        ...


class JournalRecording:
    """The journal in a state directory; a gateway may be writing it. `topics` chooses kinds and symbols, not times."""

    def __init__(self, storage: Storage, topics: RecordFilter) -> None:
        self.classes: Sequence[str] = CLASSES
        self._storage = storage
        self._topics = topics

    def records(self, journal_class: str) -> Iterator[Record]:
        """See Recording."""
        return scan_class(self._storage, journal_class, self._topics)


class ArchiveRecording:
    """A file archive. The times are those of a replay: what the state at `from_ns` follows from is in it."""

    def __init__(self, storage: Storage, topics: RecordFilter, *, from_ns: int | None, to_ns: int | None) -> None:
        self.reader = ArchiveReader(storage, from_ns=from_ns, to_ns=to_ns, wants=topics.wants_topic)
        self.classes: Sequence[str] = self.reader.classes

    def records(self, journal_class: str) -> Iterator[Record]:
        """See Recording."""
        return self.reader.records(journal_class)


def merged(recording: Recording) -> Iterator[Record]:
    """All records by `published_ns`; those of one class in their own order, whatever a clock said."""
    return heapq.merge(*(recording.records(name) for name in recording.classes), key=_published_ns)


def recorded_names(recording: Recording) -> tuple[str, str]:
    """Venue and name of the gateway that was recorded, from the first record. Raises StorageError where there is none."""
    for journal_class in recording.classes:
        for record in recording.records(journal_class):
            try:
                header = decode_line(record.payload).header
            except ValueError as error:
                raise StorageError(
                    f"the first record of class {journal_class} is no event of this gateway: {error}"
                ) from error
            return header.venue, header.source
    raise StorageError("there is nothing to replay: no event of these kinds and symbols was recorded")


def _published_ns(record: Record) -> int:
    return record.published_ns
