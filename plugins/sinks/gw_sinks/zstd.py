"""The one place that knows where zstd comes from: the standard library from Python 3.14 on, its backport before."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

#: Block without content that is marked as the last one (RFC 8878, 3.1.1.2). Behind a flushed block it completes the
#: frame, without the compressor that began it.
LAST_BLOCK = b"\x01\x00\x00"


class FrameWriter:
    """One zstd frame, made piece by piece.

    A file holds one frame, because some readers (python-zstandard, and so pandas) stop after the first.
    """

    __slots__ = ("_compressor",)

    def __init__(self, level: int) -> None:
        self._compressor: Any = _zstd.ZstdCompressor(level=level)

    def block(self, data: bytes) -> bytes:
        """Compress `data` and flush: all given so far can be read back, and LAST_BLOCK may follow."""
        flushed: bytes = self._compressor.compress(data, _zstd.ZstdCompressor.FLUSH_BLOCK)
        return flushed

    def end(self, data: bytes = b"") -> bytes:
        """Compress `data` and end the frame."""
        last: bytes = self._compressor.compress(data, _zstd.ZstdCompressor.FLUSH_FRAME)
        return last


def decompress(data: bytes) -> bytes:
    """The content of whole frames."""
    content: bytes = _zstd.decompress(data)
    return content
