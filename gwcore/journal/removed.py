"""What retention took away, remembered: so that a reader that comes too late is told sequences and not just positions.

One small JSON file per class beside its segments. It is a help: where it is absent a gap is told without sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeAlias

import msgspec

from gwcore.errors import MissingSequences, StorageError
from gwcore.journal.files import FOLDER
from gwcore.journal.format import MODES
from gwcore.ports import Storage

#: Segments remembered; of older ones only positions are known.
SEGMENTS_MAX: Final = 256

Stream: TypeAlias = tuple[str, str]  # partition, session


class StreamRange(msgspec.Struct, frozen=True, array_like=True):
    """The records of one session in a removed segment; inclusive."""

    partition: str
    session_id: str
    first_sequence: int
    last_sequence: int


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What a reader whose cursor lay inside a removed segment had had of it: the last sequence of each stream."""

    position: int
    streams: tuple[tuple[str, str, int], ...]


class RemovedSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment that is gone."""

    first_position: int
    last_position: int
    streams: tuple[StreamRange, ...]
    marks: tuple[Mark, ...] = ()


class RemovedSegments:
    """All remembered ones of a class. `add` is called by one thread; the tuple is replaced, never changed."""

    def __init__(self, storage: Storage, journal_class: str) -> None:
        self._storage = storage
        self._name = f"{FOLDER}/{journal_class}/removed.json"
        self._mode = MODES[journal_class]
        self._segments: tuple[RemovedSegment, ...] = ()
        with suppress(FileNotFoundError, StorageError, msgspec.MsgspecError):
            self._segments = msgspec.json.decode(storage.read(self._name), type=tuple[RemovedSegment, ...])

    def add(self, removed: list[RemovedSegment]) -> None:
        """Remember these too."""
        self._segments = (*self._segments, *removed)[-SEGMENTS_MAX:]
        with suppress(StorageError):
            self._storage.replace(self._name, msgspec.json.encode(self._segments), mode=self._mode)

    def sequences(
        self, first_missing: int, last_missing: int, had: Mapping[str, tuple[str, int]], since: int | None
    ) -> tuple[MissingSequences, ...]:
        """Which sequences stood at the missing positions.

        `had`: partition -> (session, sequence) the reader had last of what it read behind position `since`.
        """
        found: dict[Stream, tuple[int | None, int]] = {}
        for segment in self._segments:
            if segment.last_position < first_missing or segment.first_position > last_missing:
                continue
            for stream in segment.streams:
                key = (stream.partition, stream.session_id)
                first = self._first_missing(segment, stream, first_missing, had, since)
                if first is not None and first > stream.last_sequence:
                    continue
                known = found.get(key)
                found[key] = (first if known is None else known[0], stream.last_sequence)
        return tuple(MissingSequences(*key, first, last) for key, (first, last) in found.items())

    @staticmethod
    def _first_missing(
        segment: RemovedSegment,
        stream: StreamRange,
        first_missing: int,
        had: Mapping[str, tuple[str, int]],
        since: int | None,
    ) -> int | None:
        """The first sequence of a stream that the reader lacks of this segment; None: not known."""
        if segment.first_position >= first_missing:
            return stream.first_sequence
        last = had.get(stream.partition)
        if last is not None:
            return max(stream.first_sequence, last[1] + 1) if last[0] == stream.session_id else stream.first_sequence
        if since is not None and since < segment.first_position:
            return stream.first_sequence  # it read the segment from its beginning, and had none of this
        mark = next((mark for mark in segment.marks if mark.position == first_missing - 1), None)
        if mark is None:
            return None
        key = (stream.partition, stream.session_id)
        sequences = {(partition, session_id): sequence for partition, session_id, sequence in mark.streams}
        return sequences[key] + 1 if key in sequences else stream.first_sequence
