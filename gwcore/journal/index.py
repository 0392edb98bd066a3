"""The sparse index of one segment: where stretches of blocks begin, and what they hold.

Kept in memory for the live segment, stored beside a closed one as `.idx`, and rebuilt from the blocks' headers and metas
wherever it is absent or unreadable: it is a help, never the truth.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from typing import Final

import msgspec

from gwcore.journal.format import BlockHeader, BlockMeta, StreamDefinition, TopicDefinition

#: Blocks are gathered into one entry until this many bytes.
STRETCH_BYTES: Final = 256 * 1024
_MAGIC: Final = b"\xf7GWJIDX2"


class Stretch(msgspec.Struct, array_like=True):
    """Some blocks in a row."""

    offset: int
    first_position: int
    end: int  # offset behind the last block
    lowest_ns: int
    highest_ns: int
    last_sequences: dict[int, int]  # stream -> last sequence so far in the stretch
    topics: set[int]  # of its records


class SegmentIndex(msgspec.Struct, array_like=True):
    """All a reader needs to begin anywhere in a segment."""

    first_position: int
    last_position: int
    streams: list[StreamDefinition]
    topics: list[TopicDefinition]
    stretches: list[Stretch]

    def add(self, offset: int, header: BlockHeader, meta: BlockMeta, topics: set[int]) -> None:
        """Take in the next block. Readers on another thread find the definitions before the stretch that needs them."""
        self.streams.extend(meta.streams)
        self.topics.extend(meta.topics)
        if header.record_count == 0:
            return
        end = offset + header.size
        stretch = self.stretches[-1] if self.stretches else None
        if stretch is None or end - stretch.offset > STRETCH_BYTES:
            last = dict(meta.last_sequences)
            self.stretches.append(
                Stretch(offset, header.first_position, end, meta.lowest_ns, meta.highest_ns, last, set(topics)),
            )
        else:
            stretch.end = end
            stretch.lowest_ns = min(stretch.lowest_ns, meta.lowest_ns)
            stretch.highest_ns = max(stretch.highest_ns, meta.highest_ns)
            stretch.last_sequences.update(meta.last_sequences)
            stretch.topics |= topics
        self.last_position = header.first_position + header.record_count - 1

    def stretch_of(self, position: int) -> Stretch | None:
        """The stretch that holds a position, or the last one before it."""
        stretches = self.stretches
        place = bisect_right(stretches, position, key=_first_position) - 1
        return stretches[place] if place >= 0 else None

    def streams_of(self, session_id: str) -> list[int]:
        """Ids of a session's streams."""
        return [number for number, stream in enumerate(self.streams) if stream.session_id == session_id]

    def last_by_stream(self) -> dict[tuple[str, str], int]:
        """(partition, session) -> its last sequence in the segment."""
        last: dict[tuple[str, str], int] = {}
        for stretch in self.stretches:
            for number, sequence in stretch.last_sequences.items():
                stream = self.streams[number]
                last[stream.partition, stream.session_id] = sequence
        return last

    def encode(self) -> bytes:
        """Bytes of the `.idx` file."""
        body = _encoder.encode(self)
        return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def empty_index(first_position: int) -> SegmentIndex:
    """The index of a segment without blocks."""
    return SegmentIndex(first_position, first_position - 1, [], [], [])


def decode_index(data: bytes) -> SegmentIndex | None:
    """The index from an `.idx` file, or None where it can't be trusted: then it is rebuilt."""
    start = len(_MAGIC) + 4
    if data[: len(_MAGIC)] != _MAGIC or zlib.crc32(data[start:]).to_bytes(4, "little") != data[len(_MAGIC) : start]:
        return None
    try:
        return _decoder.decode(data[start:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _first_position(stretch: Stretch) -> int:
    return stretch.first_position


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SegmentIndex)
