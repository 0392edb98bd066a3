"""Cuts one way of a TCP connection into the units that faults strike: WebSocket frames after an upgrade, else what was read.

A head (request or answer, up to its empty line) and control frames are passed on and never damaged: a fault that is meant for
messages would else mostly break the connection before there are any. Pure. Bytes come out as they went in, in order.
"""

from __future__ import annotations

from typing import NamedTuple

#: A longer head, and a longer frame, is passed on as it is read, unit by unit of what was read.
HEAD_BYTES_MAX = 64 * 1024
FRAME_BYTES_MAX = 16 * 1024 * 1024
_HEAD_END = b"\r\n\r\n"
_HEAD_STARTS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"HTTP/1.1 ")
_CONTROL = 0x08
_MASK = 0x80


class Unit(NamedTuple):
    """One unit: a frame's header and its body, or bytes without a header. `is_message`: it may be damaged."""

    header: bytes
    body: bytes
    is_message: bool

    def joined(self) -> bytes:
        """As it goes over the wire."""
        return self.header + self.body

    def shortened(self, size: int) -> Unit:
        """Only the first `size` bytes of the body, with a header that says so: a truncated message, not a torn stream."""
        if not self.header:
            return self._replace(body=self.body[:size])
        first, second = self.header[0], self.header[1]
        mask = self.header[-4:] if second & _MASK else b""
        return self._replace(header=_header(first, second & _MASK, size) + mask, body=self.body[:size])


class UnitSplitter:
    """Feed it what was read; it gives whole units. At most one frame or head waits here."""

    def __init__(self) -> None:
        self.is_websocket = False
        self._in_head = True
        self._is_raw = False  # too long to be waited for: from now on what is read is a unit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Unit]:
        """Add bytes; gives each unit that is whole."""
        self._rest += data
        units: list[Unit] = []
        if self._in_head:
            self._take_head(units)
        if not self._in_head and self.is_websocket and not self._is_raw:
            while (unit := self._take_frame()) is not None:
                units.append(unit)
        if (not self._in_head and not self.is_websocket) or self._is_raw:
            units += self.flush()
        return units

    def flush(self) -> list[Unit]:
        """What is left, whole or not: the stream ends here."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [Unit(b"", rest, is_message=not self.is_websocket)] if rest else []

    def _take_head(self, units: list[Unit]) -> None:
        end = self._rest.find(_HEAD_END)
        if end < 0:
            self._is_raw = self._is_raw or len(self._rest) > HEAD_BYTES_MAX or not _may_be_http(self._rest)
            self._in_head = not self._is_raw
            return
        head = bytes(self._rest[: end + len(_HEAD_END)])
        del self._rest[: len(head)]
        lower = head.lower()
        self.is_websocket = lower.startswith(b"http/1.1 101") or b"upgrade: websocket" in lower
        self._in_head = False
        units.append(Unit(b"", head, is_message=False))

    def _take_frame(self) -> Unit | None:
        rest = self._rest
        if len(rest) < 2:
            return None
        size, start = rest[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            start += width
            if len(rest) < start:
                return None
            size = int.from_bytes(rest[2:start])
        if rest[1] & _MASK:
            start += 4
        if size > FRAME_BYTES_MAX:
            self._is_raw = True
            return None
        if len(rest) < start + size:
            return None
        header, body = bytes(rest[:start]), bytes(rest[start : start + size])
        del rest[: start + size]
        return Unit(header, body, is_message=not header[0] & _CONTROL)


def _may_be_http(data: bytearray) -> bool:
    """Whether this is, or may become, the start of a head. Other protocols are never waited for."""
    return any(data.startswith(start) or start.startswith(bytes(data)) for start in _HEAD_STARTS)


def _header(first: int, mask_bit: int, size: int) -> bytes:
    if size < 126:
        return bytes([first, mask_bit | size])
    if size < 1 << 16:
        return bytes([first, mask_bit | 126]) + size.to_bytes(2)
    return bytes([first, mask_bit | 127]) + size.to_bytes(8)
