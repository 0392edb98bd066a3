"""Opening a class after a stop of any kind: find the end of what was promised, cut the torn tail, refuse damage.

Only the last segment is read (the others were synced whole before it was made, and are as long as the next one says);
`verify` reads all. A broken block is a
torn tail only if nothing shows that it had been synced: a whole block behind it whose `synced_bytes` reaches past the
broken one's start is such a proof, and so is a sink's cursor beyond the end.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from gwcore.errors import StorageError
from gwcore.journal.blocks import BlockReader, block_meta, damaged
from gwcore.journal.files import SegmentFile, index_name, segment_name, segment_positions
from gwcore.journal.format import (
    BLOCK_HEADER_BYTES,
    BLOCK_MAGIC,
    FLAG_END,
    MODES,
    SEGMENT_HEADER_BYTES,
    FormatError,
    SegmentHeader,
    UnsupportedFormat,
    check_block_chain,
    decode_block_header,
    decode_topics,
    segment_chain,
)
from gwcore.journal.index import SegmentIndex, empty_index
from gwcore.journal.segment import Closed
from gwcore.ports import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRecovery:
    """What opening one class found and did."""

    journal_class: str
    first_position: int  # of the first record kept
    last_position: int
    segments: tuple[int, ...]
    before: Closed  # what the next segment is chained to
    index: SegmentIndex | None  # of the last segment
    cut_name: str = ""  # file that had a torn tail
    cut_offset: int = 0
    cut_bytes: int = 0
    cut_records: int = 0  # records of the cut part that whole block headers tell of
    clean: bool = True  # the class had been closed in good order


@dataclass(slots=True)
class _Scan:
    """State of reading one segment."""

    end: int = SEGMENT_HEADER_BYTES
    chain: bytes = b""
    clean: bool = False
    index: SegmentIndex = field(default_factory=lambda: empty_index(1))
    fault: FormatError | None = None


def recover(storage: Storage, journal_class: str, cursor: int = 0) -> ClassRecovery:
    """Open one class. `cursor`: the highest position that some sink has taken.

    Raises StorageError that names file and offset for what can't be a torn tail.
    """
    segments = segment_positions(storage, journal_class)
    cut_name, cut_bytes, last_position = "", 0, 0
    while segments:
        name = segment_name(journal_class, segments[-1])
        scan = _scan(storage, name, segments[-1])
        size = SegmentFile(storage, name).size()
        _refuse_damage(storage, name, scan, size)
        if scan.index.stretches:
            _check_links(storage, journal_class, segments)
            # More may be there: what a failed sync left, and what was to replace it is the torn segment cut above.
            if cut_name and scan.index.last_position < last_position:
                raise StorageError(
                    f"{name} ends at position {scan.index.last_position}, and {cut_name} follows: damaged"
                )
            return _finish(storage, journal_class, tuple(segments), scan, size, cursor, (cut_name, cut_bytes))
        # Not one whole block: the segment was being made when the process or the power went.
        cut_name, cut_bytes, last_position = name, size, segments.pop() - 1
        storage.remove(name)
    _refuse_lost(journal_class, last_position, cursor)
    return ClassRecovery(
        journal_class=journal_class,
        first_position=last_position + 1,
        last_position=last_position,
        segments=(),
        before=Closed(0, 0, bytes(32)),
        index=None,
        cut_name=cut_name,
        cut_bytes=cut_bytes,
        clean=not cut_bytes,
    )


def _finish(
    storage: Storage,
    journal_class: str,
    segments: tuple[int, ...],
    scan: _Scan,
    size: int,
    cursor: int,
    cut: tuple[str, int],
) -> ClassRecovery:
    name = segment_name(journal_class, segments[-1])
    _refuse_lost(journal_class, scan.index.last_position, cursor)
    cut_name, cut_bytes = cut
    cut_records = 0
    if size > scan.end:
        cut_name, cut_bytes = name, size - scan.end
        cut_records = _torn_records(SegmentFile(storage, name).read(scan.end))
        storage.truncate(name, scan.end)
    _store_index(storage, journal_class, scan.index)
    return ClassRecovery(
        journal_class=journal_class,
        first_position=segments[0],
        last_position=scan.index.last_position,
        segments=segments,
        before=Closed(segments[-1], scan.end, scan.chain),
        index=scan.index,
        cut_name=cut_name,
        cut_offset=scan.end if cut_name == name else 0,
        cut_bytes=cut_bytes,
        cut_records=cut_records,
        clean=scan.clean and not cut_bytes,
    )


def _scan(storage: Storage, name: str, first_position: int) -> _Scan:
    scan = _Scan(index=empty_index(first_position))
    reader = BlockReader(storage, name)
    try:
        header = reader.header()
    except UnsupportedFormat as error:
        raise StorageError(f"{name}: {error.cause}") from error
    except FormatError as error:
        scan.fault = error
        return scan
    try:
        check_segment_header(header, name, first_position)
    except FormatError as error:  # its CRC holds, so it is whole, and in the wrong place
        raise damaged(name, error) from error
    try:
        scan.chain = segment_chain(SegmentFile(storage, name).read(0, SEGMENT_HEADER_BYTES))
        while True:
            scan.end = reader.offset
            block = reader.next()
            if block is None:
                return scan
            block_header, data = block
            check_block_chain(block_header, data, scan.chain)
            if block_header.first_position != scan.index.last_position + 1:
                raise StorageError(f"{name} is damaged at offset {scan.end}: position {block_header.first_position}")
            meta = block_meta(block_header, data, scan.end)
            scan.index.add(scan.end, block_header, meta, decode_topics(block_header, data))
            scan.chain = block_header.chain
            scan.clean = bool(block_header.flags & FLAG_END)
    except FormatError as error:
        scan.fault = error
        return scan


def check_segment_header(header: SegmentHeader, name: str, first_position: int) -> None:
    """Raises FormatError where a segment's header does not agree with its name."""
    journal_class = name.split("/")[-2]
    if header.first_position != first_position or header.journal_class != journal_class:
        raise FormatError(f"the header is of {header.journal_class} from position {header.first_position}")


def _refuse_damage(storage: Storage, name: str, scan: _Scan, size: int) -> None:
    """A whole block behind the end of the scan that was written after that end had been synced: damage, not a torn tail."""
    if size <= scan.end:
        return
    start = scan.end if scan.chain else 0
    cause = scan.fault or FormatError("a block is cut short", start)
    data = SegmentFile(storage, name).read(start)
    place = data.find(BLOCK_MAGIC, 0 if start == 0 else 1)
    while 0 <= place <= len(data) - BLOCK_HEADER_BYTES:
        try:
            header = decode_block_header(data, place)
        except FormatError:
            header = None
        if header is not None and header.synced_bytes > start:
            raise StorageError(
                f"{name} is damaged at offset {start}: {cause.cause}; whole blocks that were synced later follow, so "
                f"this is no torn tail; restore the file, or move the journal folder aside to start afresh"
            )
        place = data.find(BLOCK_MAGIC, place + 1)


def _refuse_lost(journal_class: str, last_position: int, cursor: int) -> None:
    if cursor > last_position:
        raise StorageError(
            f"journal class {journal_class} ends at position {last_position}, but a sink has taken up to {cursor}: synced "
            f"records are missing; restore the journal folder, or move journal and cursors aside together to start afresh"
        )


def _store_index(storage: Storage, journal_class: str, index: SegmentIndex) -> None:
    """The last segment will never grow again: keep its index, or none, but not one of before the cut."""
    name = index_name(journal_class, index.first_position)
    try:
        storage.replace(name, index.encode(), mode=MODES[journal_class])
    except StorageError:
        storage.remove(name)


def _check_links(storage: Storage, journal_class: str, segments: list[int]) -> None:
    """Each segment but the last must be as long as the next one says: it was synced before that was made.

    What a failed sync left behind that end is cut.
    """
    for first_position, following in pairwise(segments):
        try:
            header = BlockReader(storage, segment_name(journal_class, following)).header()
        except FormatError as error:
            raise damaged(segment_name(journal_class, following), error) from error
        if header.previous_position != first_position:
            missing = segment_name(journal_class, header.previous_position)
            raise StorageError(f"{missing} is missing; restore it, or move the journal folder aside to start afresh")
        name = segment_name(journal_class, first_position)
        size = SegmentFile(storage, name).size()
        if size > header.previous_bytes and storage.exists(name):
            storage.truncate(name, header.previous_bytes)
        elif size != header.previous_bytes:
            raise StorageError(
                f"{name} is damaged at offset {min(size, header.previous_bytes)}: it has {size} bytes where the next "
                f"segment says {header.previous_bytes}"
            )


def _torn_records(data: bytes) -> int:
    """Records that the readable block headers of a torn tail tell of."""
    count, place = 0, data.find(BLOCK_MAGIC)
    while 0 <= place <= len(data) - BLOCK_HEADER_BYTES:
        with suppress(FormatError):
            count += decode_block_header(data, place).record_count
        place = data.find(BLOCK_MAGIC, place + 1)
    return count
