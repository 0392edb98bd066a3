"""Reading a segment block by block, from any block on, without writing anything."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from gwcore.errors import StorageError
from gwcore.journal.files import SegmentFile, index_name, segment_name
from gwcore.journal.format import (
    BLOCK_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    BlockHeader,
    BlockMeta,
    FormatError,
    SegmentHeader,
    StreamDefinition,
    TopicDefinition,
    check_body,
    decode_block_header,
    decode_columns,
    decode_meta,
    decode_segment_header,
    decode_topics,
)
from gwcore.journal.index import SegmentIndex, decode_index, empty_index
from gwcore.model import Record, UpdateType
from gwcore.ports import Storage

#: How much of a file is read at once.
READ_BYTES: Final = 1024 * 1024
#: Largest block that is believed; a longer one means that its header is wrong.
BLOCK_BYTES_LIMIT: Final = 256 * 1024 * 1024

_new_record = tuple.__new__


class BlockReader:
    """A cursor over the blocks of one segment. A block that is not wholly there (yet) ends it quietly: see `incomplete`.

    `end`: what lies behind it counts for nothing.
    """

    def __init__(
        self, storage: Storage, name: str, offset: int = SEGMENT_HEADER_BYTES, *, end: int | None = None
    ) -> None:
        self._file = SegmentFile(storage, name)
        self.name = name
        self.end = end
        self.offset = offset  # of the next block
        self._buffer = b""
        self._start = offset  # file offset of the buffer

    def head(self) -> bytes:
        """The bytes of the segment's header, as many as there are. Raises FileNotFoundError."""
        return self._file.read(0, SEGMENT_HEADER_BYTES)

    def header(self) -> SegmentHeader:
        """The segment's header. Raises FormatError, FileNotFoundError."""
        return decode_segment_header(self.head())

    def next(self) -> tuple[BlockHeader, memoryview] | None:
        """The next block's header and all its bytes, None where no further whole block is. Raises FormatError."""
        head = self._at(self.offset, BLOCK_HEADER_BYTES)
        if head is None or (self.end is not None and self.offset >= self.end):
            return None
        try:
            header = decode_block_header(head)
        except FormatError as error:
            raise FormatError(error.cause, self.offset) from None
        if header.size > BLOCK_BYTES_LIMIT:
            raise FormatError(f"a block of {header.size} bytes", self.offset)
        data = self._at(self.offset, header.size)
        if data is None:
            return None
        self.offset += header.size
        return header, data

    def incomplete(self) -> int:
        """Bytes behind the last whole block, up to the end."""
        size = self.size()
        return max(0, (size if self.end is None else min(size, self.end)) - self.offset)

    def size(self) -> int:
        """Bytes of the segment."""
        return self._file.size()

    def _at(self, offset: int, size: int) -> memoryview | None:
        if not (self._start <= offset and offset + size <= self._start + len(self._buffer)):
            self._buffer = self._file.read(offset, max(size, READ_BYTES))
            self._start = offset
            if len(self._buffer) < size:
                return None
        begin = offset - self._start
        return memoryview(self._buffer)[begin : begin + size]


class TopicTable:
    """Topic id -> routing fields of the records, as a segment's blocks define them."""

    __slots__ = ("_rows", "_streams")

    def __init__(self) -> None:
        self._streams: list[StreamDefinition] = []
        self._rows: list[tuple[str, str, str, str | None, str | None, UpdateType | None]] = []

    def add(self, meta: BlockMeta) -> None:
        """Take in what a block defines. Raises FormatError."""
        self.extend(list(meta.streams), list(meta.topics))

    def extend(self, streams: list[StreamDefinition], topics: list[TopicDefinition]) -> None:
        """Take in definitions. Raises FormatError."""
        self._streams.extend(streams)
        for topic in topics:
            if not 0 <= topic.stream < len(self._streams):
                raise FormatError(f"topic of an unknown stream {topic.stream}")
            stream = self._streams[topic.stream]
            try:
                update_type = None if topic.update_type is None else UpdateType(topic.update_type)
            except ValueError:
                raise FormatError(f"unknown update type {topic.update_type!r}") from None
            row = (stream.partition, stream.session_id, topic.kind, topic.symbol, topic.account, update_type)
            self._rows.append(row)

    def decode(self, header: BlockHeader, data: memoryview) -> list[Record]:
        """All records of a block, each checked against its CRC. Raises FormatError with the record's offset in it."""
        check_body(header, data)
        rows, body, position, offset = self._rows, bytes(data), header.first_position, header.payload_offset
        crc32, known = zlib.crc32, len(self._rows)
        records: list[Record] = []
        for length, crc, topic, sequence, published_ns in decode_columns(header, data):
            payload = body[offset : offset + length]
            if topic >= known or len(payload) != length:
                raise FormatError(f"record {position} does not fit its block", offset)
            if crc32(payload, position) != crc:
                raise FormatError(f"record {position} has a wrong CRC", offset)
            partition, session_id, kind, symbol, account, update_type = rows[topic]
            fields = (
                partition, session_id, sequence, kind, symbol, account, update_type, published_ns, payload, position,
            )  # fmt: skip
            records.append(_new_record(Record, fields))
            offset += length
            position += 1
        if offset != header.size:
            raise FormatError("bytes behind the last record of a block", offset)
        return records


def block_meta(header: BlockHeader, data: memoryview, start: int = 0) -> BlockMeta:
    """The meta of the block at offset `start` of its file. Raises FormatError."""
    try:
        check_body(header, data)
        return decode_meta(data[BLOCK_HEADER_BYTES : BLOCK_HEADER_BYTES + header.meta_bytes])
    except FormatError as error:
        raise FormatError(error.cause, start + error.offset) from None


def read_records(
    storage: Storage, journal_class: str, index: SegmentIndex, offset: int, end: int | None = None
) -> Iterator[list[Record]]:
    """The records from the block at `offset` on, a block at a time, up to `end` or as far as the index knows now.

    Raises StorageError that names file and offset for damage, FileNotFoundError where retention took the file.
    """
    # Another thread may be adding to the index: what the blocks up to `end` need is in it before `end` is.
    if end is None:
        end = index.stretches[-1].end
    position: int | None = None
    topics = list(index.topics)
    streams = list(index.streams)
    name = segment_name(journal_class, index.first_position)
    reader, table = BlockReader(storage, name, offset), TopicTable()
    try:
        table.extend(streams, topics)
        while reader.offset < end:
            start = reader.offset
            block = reader.next()
            if block is None:
                return
            check_position(block[0], start, position, index.last_position)
            position = block[0].first_position + block[0].record_count
            yield decode_block(table, *block, start)
    except FormatError as error:
        raise damaged(name, error) from error


def check_position(header: BlockHeader, start: int, expected: int | None, last: int | None = None) -> None:
    """Raises FormatError, with the offset in the file, for a block that is whole but has its place elsewhere: each holds its
    own CRCs, so those of another segment would pass. `expected`: its first position, None where it is not known; `last`: the
    highest position that the segment has."""
    is_out = header.record_count and last is not None and header.first_position + header.record_count - 1 > last
    if is_out or (expected is not None and header.first_position != expected):
        raise FormatError(f"a block of position {header.first_position} does not belong here", start)


def decode_block(table: TopicTable, header: BlockHeader, data: memoryview, start: int) -> list[Record]:
    """The records of the block at offset `start` of its file. Raises FormatError with the offset in the file."""
    try:
        return table.decode(header, data)
    except FormatError as error:
        raise FormatError(error.cause, start + error.offset) from None


def written_end(storage: Storage, journal_class: str, following: int | None) -> int | None:
    """Where the segment before `following` ends, as that one says: what a failed sync left behind it does not count."""
    if following is None:
        return None
    try:
        return BlockReader(storage, segment_name(journal_class, following)).header().previous_bytes
    except (FormatError, StorageError, FileNotFoundError):
        return None


def load_index(storage: Storage, journal_class: str, first_position: int, following: int | None = None) -> SegmentIndex:
    """The index of a segment: the stored one, else made from the blocks. Raises StorageError, FileNotFoundError.

    `following`: first position of the segment behind it.
    """
    try:
        stored = decode_index(storage.read(index_name(journal_class, first_position)))
    except FileNotFoundError:
        stored = None
    if stored is not None and stored.first_position == first_position:
        return stored
    name = segment_name(journal_class, first_position)
    reader = BlockReader(storage, name, end=written_end(storage, journal_class, following))
    index = empty_index(first_position)
    try:
        while True:
            start = reader.offset
            block = reader.next()
            if block is None:
                return index
            index.add(start, block[0], block_meta(*block, start), decode_topics(*block))
    except FormatError as error:
        raise damaged(name, error) from error


def damaged(name: str, error: FormatError) -> StorageError:
    """The error for bytes that can't be trusted."""
    return StorageError(f"{name} is damaged at offset {error.offset}: {error.cause}")
