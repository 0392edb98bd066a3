"""A closed segment compressed: zstd frames of a fixed length of content each, and a table of them at the end.

It is the "seekable format" of zstd's own contrib folder, so `zstd -d` on such a file gives back the segment byte for byte,
and any part of it can be read without the parts before. Pure: bytes in, bytes out.

    frame     one for each FRAME_BYTES of the segment, with a content checksum
    table     a skippable frame: for each frame its compressed and its decompressed size (u32 each), then the number of
              frames u32, a descriptor byte 0, and the magic 0x8F92EAB1
"""

from __future__ import annotations

import struct
import sys
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

from gwcore.journal.format import FormatError

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

#: Content of one frame; the last one is shorter.
FRAME_BYTES: Final = 1024 * 1024
_SKIPPABLE_MAGIC: Final = 0x184D2A5E
_SEEKABLE_MAGIC: Final = 0x8F92EAB1
_SKIPPABLE = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
FOOTER_BYTES: Final = _FOOTER.size


def compress_frame(data: bytes, level: int) -> bytes:
    """One frame. `data` is at most FRAME_BYTES."""
    options: dict[Any, int] = {
        _zstd.CompressionParameter.compression_level: level,
        _zstd.CompressionParameter.checksum_flag: 1,
    }
    frame: bytes = _zstd.compress(data, options=options)
    return frame


def encode_table(sizes: list[tuple[int, int]]) -> bytes:
    """The table behind frames of these (compressed, decompressed) sizes."""
    entries = b"".join(_ENTRY.pack(*size) for size in sizes)
    body = entries + _FOOTER.pack(len(sizes), 0, _SEEKABLE_MAGIC)
    return _SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(body)) + body


def table_bytes(footer: bytes, file_bytes: int) -> int:
    """Size of the table whose last FOOTER_BYTES these are. Raises FormatError."""
    if len(footer) == FOOTER_BYTES:
        count, descriptor, magic = _FOOTER.unpack(footer)
        size: int = _SKIPPABLE.size + count * _ENTRY.size + FOOTER_BYTES
        if magic == _SEEKABLE_MAGIC and descriptor == 0 and size <= file_bytes:
            return size
    raise FormatError("no table of frames at the end: cut short, or no compressed segment", file_bytes)


class FrameTable:
    """Where each frame lies, in the file and in the segment."""

    def __init__(self, table: bytes, file_bytes: int) -> None:
        """From the table's bytes. Raises FormatError where they do not agree with themselves or the file."""
        start = file_bytes - len(table)
        magic, size = _SKIPPABLE.unpack_from(table)
        if magic != _SKIPPABLE_MAGIC or size != len(table) - _SKIPPABLE.size:
            raise FormatError("the table of frames is damaged", start)
        self._starts: list[int] = [0]  # offsets of the frames in the file, and their end
        self._content_starts: list[int] = [0]
        for compressed, content in _ENTRY.iter_unpack(table[_SKIPPABLE.size : -FOOTER_BYTES]):
            self._starts.append(self._starts[-1] + compressed)
            self._content_starts.append(self._content_starts[-1] + content)
        sizes = [end - begin for begin, end in zip(self._content_starts, self._content_starts[1:], strict=False)]
        full = all(content == FRAME_BYTES for content in sizes[:-1])
        if self._starts[-1] != start or not full or any(not 0 < content <= FRAME_BYTES for content in sizes):
            raise FormatError("the table of frames does not agree with the file", start)

    @property
    def content_bytes(self) -> int:
        """Size of the segment."""
        return self._content_starts[-1]

    def frames(self, offset: int, size: int) -> Iterator[int]:
        """Numbers of the frames that hold a part of the segment."""
        end = min(offset + size, self.content_bytes)
        if offset < end:
            first = bisect_right(self._content_starts, offset) - 1
            yield from range(first, bisect_right(self._content_starts, end - 1))

    def place(self, number: int) -> tuple[int, int]:
        """(offset, size) of a frame in the file."""
        return self._starts[number], self._starts[number + 1] - self._starts[number]

    def content_start(self, number: int) -> int:
        """Where a frame's content begins in the segment."""
        return self._content_starts[number]

    def decompress(self, number: int, frame: bytes) -> bytes:
        """A frame's content. Raises FormatError with the frame's offset in the file."""
        offset, _ = self.place(number)
        try:
            content: bytes = _zstd.decompress(frame)
        except _zstd.ZstdError as error:
            raise FormatError(f"a compressed frame can't be read: {error}", offset) from None
        if len(content) != self._content_starts[number + 1] - self._content_starts[number]:
            raise FormatError("a compressed frame holds more or less than the table says", offset)
        return content
