"""FrameSplitter: finds the plain messages in a WebSocket's bytes, so that the library need not see them. Pure.

Nearly all that a venue sends is one whole text or binary message in one unmasked frame. Those are cut out here, at an eighth
of the library's cost; every other frame (control, fragments, reserved bits, masks, too large ones) is handed on exactly as it
is, for the library to judge. So that the library never holds half a frame, what is not whole waits here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FIN: Final = 0x80
_MASK: Final = 0x80
#: FIN and the opcode of a text or binary message, no reserved bits.
_PLAIN: Final = (0x81, 0x82)
_DATA_OPCODES: Final = (0, 1, 2)
_HEAD_END: Final = b"\r\n\r\n"
#: A longer answer to the handshake goes to the library unfinished; it has limits of its own.
HEAD_BYTES_MAX: Final = 64 * 1024


class FrameSplitter:
    """Splits what one server sends: the head of its answer to the handshake, then frames.

    `bytes_max` is the largest message; a frame that announces more goes to the library as soon as it does.
    """

    __slots__ = ("_bytes_max", "_in_head", "_in_message", "_rest", "_wanted", "passes")

    def __init__(self, bytes_max: int) -> None:
        self.passes = False  # everything is the library's from now on; set it where the connection is no longer open
        self._bytes_max = bytes_max
        self._in_head = True
        self._in_message = False  # between the first and the last fragment of a message
        self._rest = bytearray()  # what is not whole yet
        self._wanted = 0  # how long it must be before looking at it is worth while

    def feed(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        """Pieces in order: (True, a whole message) or (False, bytes for the library). Read it to its end."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return iter(())
            data = bytes(self._rest)
            self._rest.clear()
        return self._split(data)

    def _split(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        start, end, bytes_max = 0, len(data), self._bytes_max
        self._wanted = 2
        if self._in_head and not self.passes:
            start = data.find(_HEAD_END) + len(_HEAD_END)
            if start < len(_HEAD_END):
                self._keep(data, HEAD_BYTES_MAX)
                start = 0 if self.passes else end
            else:
                self._in_head = False
                yield False, data[:start]
        while end - start >= 2 and not self.passes:
            size = data[start + 1]
            if size < 126:
                body = start + 2
                stop = body + size
            else:
                body, stop = _bounds(data, start)
            if stop > end:
                self._wanted = stop - start
                break
            if data[start] in _PLAIN and size < _MASK and stop - body <= bytes_max and not self._in_message:
                yield True, data[body:stop]
            else:
                self._note_fragment(data[start])
                yield False, data[start:stop]
            start = stop
        if start < end:
            self._keep(data[start:], bytes_max + 14)
            if self.passes:
                yield False, data[start:]

    def _keep(self, rest: bytes, bytes_max: int) -> None:
        if self._wanted > bytes_max or len(rest) > bytes_max:
            self.passes = True
        if not self.passes:
            self._rest += rest

    def _note_fragment(self, first: int) -> None:
        if first & 15 in _DATA_OPCODES:
            self._in_message = not first & _FIN


def _bounds(data: bytes, start: int) -> tuple[int, int]:
    """Where the body of a frame with a long or masked size begins and ends; behind the data where the size is not whole."""
    size, body = data[start + 1] & 127, start + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        body += width
        if body > len(data):
            return body, body
        size = int.from_bytes(data[body - width : body])
    if data[start + 1] & _MASK:
        body += 4
    return body, body + size
