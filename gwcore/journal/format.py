"""The on-disk format of the journal, version 1. Pure: bytes in, values out; it must not touch files.

All integers are little endian. A class (`md`, `ex`, `st`) is a chain of segment files, named by their first position:

    segment   84 bytes header, then blocks
      magic 8 · version u16 · reserved u16 · class 4 (padded with zeros) · created_ns u64 · first_position u64 ·
      previous segment's first_position u64 · its size in bytes u64 · its last chain hash 32 · CRC32 of all that u32
    block     what one commit wrote (at most about 1 MiB; a longer commit is several blocks)
      magic 4 · flags u32 · meta_bytes u32 · count u32 · payload_bytes u32 · body_crc u32 · first_position u64 ·
      synced_bytes u64 · chain 32 · CRC32 of all that u32 · meta · columns · payloads
    meta      msgpack arrays, see `BlockMeta`: streams and topics named for the first time in this segment, the last
              sequence of each stream in this block, lowest and highest `published_ns`
    columns   for the block's records, one array after the other: payload length u32, payload CRC32 u32, topic u32,
              sequence u64, published_ns i64 (28 bytes a record)
    payloads  the encoded envelopes, unchanged, one after the other

A record is thus its row of the columns and its payload; `body_crc` covers meta and columns. The CRC of a payload starts
from the record's position, so a payload in the wrong place is noticed and a bad one is named within its block.
`chain` is SHA-256 of the chain hash before (of the segment's header for the first block), the block's header up to
`chain`, meta, columns and payloads: nothing can be changed, removed or put in without breaking every hash after it.
`synced_bytes` is how much of the file was durable when the block was written: a whole block behind a broken one thereby
says whether the broken one had ever been promised (see `recovery`).
The magics hold a byte that UTF-8 never contains, so no JSON payload looks like a block.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

#: Journal classes in the order in which a commit writes them: what others wait for comes first.
CLASSES: Final = ("ex", "st", "md")
#: File mode per class: execution records are for the gateway's own user alone.
MODES: Final = {"ex": 0o600, "st": 0o640, "md": 0o640}

FORMAT_VERSION: Final = 1
SEGMENT_MAGIC: Final = b"\xf7GWJSEG\n"
BLOCK_MAGIC: Final = b"\xf7GWB"
#: The class was closed in good order; the block holds no record.
FLAG_END: Final = 1

_SEGMENT = struct.Struct("<8sHH4sQQQQ32s")
_BLOCK = struct.Struct("<4sIIIIIQQ")
_BLOCK_TAIL = struct.Struct("<32sI")
_CRC = struct.Struct("<I")
CRC_BYTES: Final = 4
#: Bytes of the columns for one record.
ROW_BYTES: Final = 28
SEGMENT_HEADER_BYTES: Final = _SEGMENT.size + CRC_BYTES
BLOCK_HEADER_BYTES: Final = _BLOCK.size + _BLOCK_TAIL.size

NO_CHAIN: Final = bytes(32)


class Columns(NamedTuple):
    """What of some records goes into a block: one sequence a field, all of one length."""

    topics: Sequence[int] = ()
    sequences: Sequence[int] = ()
    times: Sequence[int] = ()  # published_ns
    payloads: Sequence[bytes] = ()


class FormatError(Exception):
    """Bytes that are not what the format says. `offset` is relative to what was being read."""

    def __init__(self, cause: str, offset: int = 0) -> None:
        self.cause = cause
        self.offset = offset
        super().__init__(cause)


class UnsupportedFormat(FormatError):
    """A whole segment of another format version."""


class SegmentHeader(NamedTuple):
    """First bytes of a segment."""

    journal_class: str
    created_ns: int
    first_position: int
    previous_position: int  # first position of the segment before; 0: there was none
    previous_bytes: int
    previous_chain: bytes


class BlockHeader(NamedTuple):
    """First bytes of a block."""

    flags: int
    meta_bytes: int
    record_count: int
    payload_bytes: int
    body_crc: int
    first_position: int
    synced_bytes: int
    chain: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole block."""
        return self.payload_offset + self.payload_bytes

    @property
    def payload_offset(self) -> int:
        """Where the first payload begins in the block."""
        return BLOCK_HEADER_BYTES + self.meta_bytes + self.record_count * ROW_BYTES


class StreamDefinition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session of one partition, as it first appears in a segment; its id is its ordinal there.

    `previous_sequence` is the last one journalled before (0: none). Where `first_sequence` is not one more, the records
    between were not journalled, and the journal knew it: a stated gap.
    """

    partition: str
    session_id: str
    first_sequence: int
    previous_sequence: int


class TopicDefinition(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The routing fields that many records share; its id is its ordinal in the segment."""

    stream: int
    kind: str
    symbol: str | None
    account: str | None
    update_type: str | None


class BlockMeta(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a block says about itself, so that an index needs no look at the records."""

    streams: tuple[StreamDefinition, ...] = ()
    topics: tuple[TopicDefinition, ...] = ()
    last_sequences: tuple[tuple[int, int], ...] = ()  # (stream, sequence)
    lowest_ns: int = 0
    highest_ns: int = 0


_meta_encoder = msgspec.msgpack.Encoder()
_meta_decoder = msgspec.msgpack.Decoder(BlockMeta)


def encode_segment_header(header: SegmentHeader) -> bytes:
    """Header bytes of a new segment."""
    fixed = _SEGMENT.pack(
        SEGMENT_MAGIC,
        FORMAT_VERSION,
        0,
        header.journal_class.encode(),
        header.created_ns,
        header.first_position,
        header.previous_position,
        header.previous_bytes,
        header.previous_chain,
    )
    return fixed + _CRC.pack(zlib.crc32(fixed))


def decode_segment_header(data: bytes) -> SegmentHeader:
    """The header at the start of `data`. Raises FormatError."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise FormatError("the segment header is cut short")
    fixed = data[: _SEGMENT.size]
    magic, version, reserved, name, created_ns, first, previous, previous_bytes, chain = _SEGMENT.unpack(fixed)
    if magic != SEGMENT_MAGIC:
        raise FormatError("not a journal segment")
    if _CRC.unpack_from(data, _SEGMENT.size)[0] != zlib.crc32(fixed):
        raise FormatError("the segment header has a wrong CRC")
    if version != FORMAT_VERSION or reserved:
        raise UnsupportedFormat(f"journal format {version}; this gateway reads format {FORMAT_VERSION}")
    return SegmentHeader(
        name.rstrip(b"\0").decode("ascii", "replace"), created_ns, first, previous, previous_bytes, chain
    )


def segment_chain(header_bytes: bytes) -> bytes:
    """The hash that the first block of a segment is chained to."""
    return hashlib.sha256(header_bytes).digest()


def encode_block(
    previous_chain: bytes, meta: BlockMeta, columns: Columns, first_position: int, synced_bytes: int, flags: int = 0
) -> tuple[bytes, BlockHeader]:
    """A whole block, and its header. Raises struct.error for a number that does not fit its column."""
    topics, sequences, times, payloads = columns
    crc32, count = zlib.crc32, len(payloads)
    # zlib takes the low 32 bits of the position as the CRC's start.
    crcs = map(crc32, payloads, range(first_position, first_position + count))
    packed = _columns(count).pack(*map(len, payloads), *crcs, *topics, *sequences, *times)
    meta_bytes, payload = _meta_encoder.encode(meta), b"".join(payloads)
    body_crc = crc32(packed, crc32(meta_bytes))
    fixed = _BLOCK.pack(
        BLOCK_MAGIC, flags, len(meta_bytes), count, len(payload), body_crc, first_position, synced_bytes
    )
    chain = _hash(previous_chain, fixed, meta_bytes, packed, payload)
    crc = _CRC.pack(crc32(chain, crc32(fixed)))
    header = BlockHeader(flags, len(meta_bytes), count, len(payload), body_crc, first_position, synced_bytes, chain)
    return b"".join((fixed, chain, crc, meta_bytes, packed, payload)), header


def decode_block_header(data: bytes | memoryview, offset: int = 0) -> BlockHeader:
    """The block header at `offset`, where that many bytes must be. Raises FormatError."""
    magic, *fields = _BLOCK.unpack_from(data, offset)
    chain, crc = _BLOCK_TAIL.unpack_from(data, offset + _BLOCK.size)
    if magic != BLOCK_MAGIC:
        raise FormatError("no block starts here")
    if zlib.crc32(data[offset : offset + BLOCK_HEADER_BYTES - CRC_BYTES]) != crc:
        raise FormatError("the block header has a wrong CRC")
    return BlockHeader._make((*fields, chain))


def check_block_chain(header: BlockHeader, block: bytes | memoryview, previous_chain: bytes) -> None:
    """Raises FormatError unless a whole block follows `previous_chain`."""
    view = memoryview(block)
    if _hash(previous_chain, view[: _BLOCK.size], view[BLOCK_HEADER_BYTES : header.size]) != header.chain:
        raise FormatError("the block does not match its hash")


def check_body(header: BlockHeader, block: bytes | memoryview) -> None:
    """Raises FormatError unless meta and columns of a whole block are as they were written."""
    if zlib.crc32(block[BLOCK_HEADER_BYTES : header.payload_offset]) != header.body_crc:
        raise FormatError("the block's columns have a wrong CRC", BLOCK_HEADER_BYTES)


def decode_columns(header: BlockHeader, block: bytes | memoryview) -> Iterator[tuple[int, int, int, int, int]]:
    """(length, CRC, topic, sequence, published_ns) of each record of a whole block."""
    count = header.record_count
    values = _columns(count).unpack_from(block, BLOCK_HEADER_BYTES + header.meta_bytes)
    columns = [values[column * count : (column + 1) * count] for column in range(5)]
    return zip(*columns, strict=True)


def decode_topics(header: BlockHeader, block: bytes | memoryview) -> set[int]:
    """Topics of the records of a whole block."""
    count = header.record_count
    return set(struct.unpack_from(f"<{count}I", block, BLOCK_HEADER_BYTES + header.meta_bytes + 8 * count))


def _columns(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I{count}I{count}I{count}Q{count}q")


def _hash(previous_chain: bytes, *parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(previous_chain)
    for part in parts:
        digest.update(part)
    return digest.digest()


def decode_meta(data: bytes | memoryview) -> BlockMeta:
    """A block's meta. Raises FormatError."""
    try:
        return _meta_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"the block's meta can't be read: {error}", BLOCK_HEADER_BYTES) from error
