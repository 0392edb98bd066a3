"""Checking a whole journal: every CRC, every hash, every position, every session's sequence. It changes nothing.

It may run beside a gateway that writes: a block that is cut short at the end of the last segment is a torn tail, told and
no fault. Anything else that is wrong is a fault with file and offset; the first of each class ends that class.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from gwcore.errors import StorageError
from gwcore.journal.blocks import BlockReader, TopicTable, block_meta, written_end
from gwcore.journal.files import DamagedFile, segment_name, segment_positions
from gwcore.journal.format import (
    BLOCK_HEADER_BYTES,
    CLASSES,
    FLAG_END,
    SEGMENT_HEADER_BYTES,
    BlockHeader,
    BlockMeta,
    FormatError,
    SegmentHeader,
    check_block_chain,
    segment_chain,
)
from gwcore.journal.recovery import check_segment_header
from gwcore.model import Record
from gwcore.ports import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The first thing wrong in a class."""

    journal_class: str
    file: str
    offset: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedGap:
    """Sequences that were not journalled, as the journal itself says. Inclusive bounds."""

    partition: str
    session_id: str
    first_sequence: int
    last_sequence: int


@dataclass(slots=True, kw_only=True)
class ClassReport:
    """What was found in one class, up to the fault if there is one."""

    journal_class: str
    segments: int = 0
    blocks: int = 0
    records: int = 0
    bytes: int = 0
    first_position: int = 0
    last_position: int = 0
    clean: bool = False  # closed in good order
    torn_file: str = ""
    torn_offset: int = 0
    torn_bytes: int = 0
    abandoned_bytes: int = 0  # behind the ends of segments that a failed sync ended: they count for nothing
    gaps: list[StatedGap] = field(default_factory=list)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """What was found in all classes."""

    classes: tuple[ClassReport, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The first fault of each class that has one."""
        return tuple(report.fault for report in self.classes if report.fault is not None)

    @property
    def ok(self) -> bool:
        """Whether all is as it was written."""
        return not self.faults


def verify(storage: Storage) -> JournalReport:
    """Check everything that is there."""
    return JournalReport(classes=tuple(_ClassCheck(storage, name).run() for name in CLASSES))


class _ClassCheck:
    """Goes through one class from its first segment to its last."""

    def __init__(self, storage: Storage, journal_class: str) -> None:
        self._storage = storage
        self._class = journal_class
        self._report = ClassReport(journal_class=journal_class)
        self._before: tuple[int, int, bytes] | None = None  # of the last segment: first position, size, chain
        self._seen: dict[tuple[str, str], int] = {}  # last sequence of each session
        self._name = ""

    def run(self) -> ClassReport:
        report = self._report
        try:
            segments = segment_positions(self._storage, self._class)
            self._leave_out_unborn(segments)
            for number, first_position in enumerate(segments):
                following = segments[number + 1] if number + 1 < len(segments) else None
                self._check_segment(first_position, following, is_first=number == 0)
        except FormatError as error:
            report.fault = Fault(journal_class=self._class, file=self._name, offset=error.offset, cause=error.cause)
        except DamagedFile as error:
            report.fault = Fault(journal_class=self._class, file=error.file, offset=error.offset, cause=error.cause)
        except StorageError as error:
            report.fault = Fault(journal_class=self._class, file=self._name, offset=0, cause=str(error))
        return report

    def _check_segment(self, first_position: int, following: int | None, *, is_first: bool) -> None:
        report, storage, is_last = self._report, self._storage, following is None
        name = self._name = segment_name(self._class, first_position)
        reader = BlockReader(storage, name, end=written_end(storage, self._class, following))
        try:
            head = reader.head()
        except FileNotFoundError:
            if not is_first or report.records:
                raise FormatError("the segment is missing") from None
            return  # retention took it since the list was made
        header = reader.header()
        check_segment_header(header, name, first_position)
        self._check_link(header, is_first=is_first)
        report.segments += 1
        if not report.first_position:
            report.first_position, report.last_position = first_position, first_position - 1
        if first_position != report.last_position + 1:
            raise FormatError(f"starts at position {first_position}, behind {report.last_position}")
        chain = self._check_blocks(reader, segment_chain(head))
        if left := reader.incomplete():
            if not is_last:
                raise FormatError("the last block is cut short", reader.offset)
            self._tear(name, reader.offset, left)
        report.abandoned_bytes += max(0, reader.size() - reader.end) if reader.end is not None else 0
        self._before = (first_position, reader.offset, chain)
        report.bytes += reader.offset

    def _leave_out_unborn(self, segments: list[int]) -> None:
        """A last segment without even a whole header was being made: the one before it is the last that counts."""
        if not segments:
            return
        name = self._name = segment_name(self._class, segments[-1])
        with suppress(FileNotFoundError):
            size = BlockReader(self._storage, name).size()
            if size < SEGMENT_HEADER_BYTES:
                segments.pop()
                self._tear(name, 0, size)

    def _tear(self, name: str, offset: int, size: int) -> None:
        report = self._report
        report.torn_file, report.torn_offset, report.clean = name, offset, False
        report.torn_bytes += size

    def _check_link(self, header: SegmentHeader, *, is_first: bool) -> None:
        if is_first or self._before is None:
            return  # those before are gone by retention, or there were none
        first_position, size, chain = self._before
        if header.previous_position != first_position:
            missing = segment_name(self._class, header.previous_position)
            raise FormatError(f"follows {missing}, which is missing")
        if header.previous_bytes != size:
            raise FormatError(f"says that the segment before has {header.previous_bytes} bytes; it has {size}")
        if header.previous_chain != chain:
            raise FormatError("is not chained to the segment before")

    def _check_blocks(self, reader: BlockReader, chain: bytes) -> bytes:
        report, table, ends = self._report, TopicTable(), _Streams()
        while True:
            start = reader.offset
            block = reader.next()
            if block is None:
                return chain
            header, data = block
            try:
                self._check_block(header, data, chain, table, ends)
            except FormatError as error:
                raise FormatError(error.cause, start + error.offset) from None
            chain = header.chain
            report.blocks += 1
            report.records += header.record_count
            report.last_position += header.record_count
            report.clean = bool(header.flags & FLAG_END)

    def _check_block(
        self, header: BlockHeader, data: memoryview, chain: bytes, table: TopicTable, streams: _Streams
    ) -> None:
        # Where the hash is wrong, the CRCs say which part of the block is: so they come first.
        meta = block_meta(header, data)
        table.add(meta)
        records = table.decode(header, data)
        check_block_chain(header, data, chain)
        if header.first_position != self._report.last_position + 1:
            raise FormatError(f"the block starts at position {header.first_position}")
        self._check_sequences(meta, records, streams, header.payload_offset)

    def _check_sequences(self, meta: BlockMeta, records: list[Record], streams: _Streams, offset: int) -> None:
        seen = self._seen
        for stream in meta.streams:
            key = (stream.partition, stream.session_id)
            self._check_stream(key, stream.first_sequence, stream.previous_sequence)
            streams.keys.append(key)
            seen[key] = stream.first_sequence - 1
        for record in records:
            key = (record.partition, record.session_id)
            if record.sequence != seen[key] + 1:
                raise FormatError(
                    f"record {record.position}: sequence {record.sequence} of session {record.session_id} "
                    f"({record.partition}) follows {seen[key]}",
                    offset,
                )
            seen[key] = record.sequence
            offset += len(record.payload)
        for number, sequence in meta.last_sequences:
            if not 0 <= number < len(streams.keys) or seen[streams.keys[number]] != sequence:
                raise FormatError("the block's meta does not agree with its records", BLOCK_HEADER_BYTES)

    def _check_stream(self, key: tuple[str, str], first: int, previous: int) -> None:
        seen = self._seen.get(key)
        if seen is not None and first != seen + 1 and (previous != seen or first <= seen):
            raise FormatError(
                f"sequence {first} of session {key[1]} ({key[0]}) follows {seen}, and {previous} should be before it",
                BLOCK_HEADER_BYTES,
            )
        last = previous if seen is None else seen
        if first > last + 1:
            self._report.gaps.append(
                StatedGap(partition=key[0], session_id=key[1], first_sequence=last + 1, last_sequence=first - 1)
            )


@dataclass(slots=True)
class _Streams:
    """Stream id -> (partition, session) of one segment."""

    keys: list[tuple[str, str]] = field(default_factory=list)
