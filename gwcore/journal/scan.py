"""Reading a journal that may belong to another, running process: nothing is locked, written or cut.

What a commit is writing at this moment looks like a torn tail and ends the scan quietly; a segment that retention takes
away meanwhile is left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import zip_longest

from gwcore.errors import StorageError
from gwcore.journal.blocks import (
    BlockReader,
    TopicTable,
    block_meta,
    check_position,
    damaged,
    decode_block,
    read_records,
    written_end,
)
from gwcore.journal.files import index_name, segment_name, segment_positions
from gwcore.journal.format import CLASSES, SEGMENT_HEADER_BYTES, FormatError
from gwcore.journal.index import SegmentIndex, decode_index
from gwcore.journal.recovery import check_segment_header
from gwcore.model import Record
from gwcore.ports import Storage


class RecordFilter:
    """Which records are wanted: times are inclusive bounds of `published_ns`, empty symbols (globs) and kinds mean all.

    Records without a symbol pass the globs, as they do for clients.
    """

    def __init__(
        self,
        *,
        from_ns: int | None = None,
        to_ns: int | None = None,
        symbols: Sequence[str] = (),
        kinds: Sequence[str] = (),
    ) -> None:
        self.from_ns = from_ns
        self.to_ns = to_ns
        self._symbols = tuple(symbols)
        self._kinds = frozenset(kinds)
        self._memo: dict[tuple[str, str | None], bool] = {}

    def wants_time(self, lowest_ns: int, highest_ns: int) -> bool:
        """Whether some time of a span is wanted."""
        return (self.from_ns is None or highest_ns >= self.from_ns) and (self.to_ns is None or lowest_ns <= self.to_ns)

    def wants_topic(self, kind: str, symbol: str | None) -> bool:
        """Whether kind and symbol are wanted."""
        key = (kind, symbol)
        answer = self._memo.get(key)
        if answer is None:
            answer = self._memo[key] = (not self._kinds or kind in self._kinds) and (
                not self._symbols or symbol is None or any(fnmatchcase(symbol, glob) for glob in self._symbols)
            )
        return answer

    def wants(self, record: Record) -> bool:
        """Whether a record is wanted."""
        return self.wants_topic(record.kind, record.symbol) and self.wants_time(
            record.published_ns, record.published_ns
        )

    def stretches(self, index: SegmentIndex) -> Iterator[tuple[int, int]]:
        """(offset, end) of the parts of a segment that may hold something that is wanted, neighbours as one."""
        topics = {number for number, topic in enumerate(index.topics) if self.wants_topic(topic.kind, topic.symbol)}
        begin = end = 0
        for stretch in index.stretches:
            if topics.isdisjoint(stretch.topics) or not self.wants_time(stretch.lowest_ns, stretch.highest_ns):
                continue
            if stretch.offset != end:
                if end:
                    yield begin, end
                begin = stretch.offset
            end = stretch.end
        if end:
            yield begin, end


def scan(storage: Storage, wanted: RecordFilter, classes: Sequence[str] = CLASSES) -> Iterator[Record]:
    """Wanted records of several classes, merged by `published_ns`; within a class in journal order.

    Raises StorageError that names file and offset when it comes to a damaged place.
    """
    streams = [scan_class(storage, journal_class, wanted) for journal_class in classes]
    return heapq.merge(*streams, key=_published_ns)


def scan_class(storage: Storage, journal_class: str, wanted: RecordFilter) -> Iterator[Record]:
    """Wanted records of one class, in order. Where an index says that a part holds none, that part is not read."""
    segments = segment_positions(storage, journal_class)
    for first_position, following in zip_longest(segments, segments[1:]):
        try:
            index = _stored_index(storage, journal_class, first_position)
            if index is None:
                yield from _scan_segment(storage, journal_class, first_position, following, wanted)
                continue
            for offset, end in wanted.stretches(index):
                for records in read_records(storage, journal_class, index, offset, end):
                    yield from filter(wanted.wants, records)
        except FileNotFoundError:
            continue


def _stored_index(storage: Storage, journal_class: str, first_position: int) -> SegmentIndex | None:
    try:
        index = decode_index(storage.read(index_name(journal_class, first_position)))
    except (FileNotFoundError, StorageError):
        return None
    return index if index is not None and index.first_position == first_position else None


def _scan_segment(
    storage: Storage, journal_class: str, first_position: int, following: int | None, wanted: RecordFilter
) -> Iterator[Record]:
    name = segment_name(journal_class, first_position)
    reader = BlockReader(storage, name, end=written_end(storage, journal_class, following))
    table = TopicTable()
    if reader.size() < SEGMENT_HEADER_BYTES:  # being made at this moment
        return
    try:
        check_segment_header(reader.header(), name, first_position)
        position = first_position
        while True:
            start = reader.offset
            block = reader.next()
            if block is None:
                return
            check_position(block[0], start, position)
            position += block[0].record_count
            meta = block_meta(*block, start)
            table.add(meta)
            if block[0].record_count and wanted.wants_time(meta.lowest_ns, meta.highest_ns):
                for record in decode_block(table, *block, start):
                    if wanted.wants(record):
                        yield record
    except FormatError as error:
        raise damaged(name, error) from error


def _published_ns(record: Record) -> int:
    return record.published_ns
