"""Captured frames as JSON Lines: one line a frame, with the keys of the recordings (`rx_ns`, `dir`, `frame`). Pure.

A frame that is one line of JSON stands in its line byte for byte, never encoded again. Any other stands as a JSON string
under the same key, or in base64 under `frame_base64` where it is no text at all: reading gives its bytes back either way.
`gw record`, `gw run --record` and incidents write this; `gw sim --replay` and `gw log explain` read it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from gwcore.redaction import redact_frame

#: Version of the lines; it stands in the first line of a file.
CAPTURE_FORMAT = 1
RECEIVED, SENT = "rx", "tx"
#: How capture files end.
SUFFIX = ".frames.jsonl"

#: What msgspec raises for bytes that are no such line; too deep nesting and text that is no UTF-8 are not its own errors.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.encode
_well_formed = msgspec.json.Decoder(msgspec.Raw).decode


class CapturedFrame(NamedTuple):
    """One frame of a capture. `line` counts from 1; `synthetic`: written by us, so that what follows can be read."""

    line: int
    time_ns: int
    connection: str
    direction: str
    synthetic: bool
    frame: bytes


class CaptureHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """First line of a capture: where it comes from and, for an incident, what happened."""

    format: int = CAPTURE_FORMAT
    version: str = ""  # of gwcore
    venue: str = ""
    environment: str = ""
    source: str = ""  # the gateway's name
    time_ns: int = 0
    connection: str | None = None  # an incident's
    symbols: tuple[str, ...] = ()
    reason: str | None = None
    detail: str | None = None
    session_id: str | None = None  # of the events that said so ...
    sequences: tuple[int, ...] = ()  # ... and their numbers


class _HeadLine(msgspec.Struct, frozen=True):
    capture: CaptureHead


class _Line(msgspec.Struct):
    rx_ns: int | None = None
    connection: str = ""
    dir: str = RECEIVED
    synthetic: bool = False
    frame: msgspec.Raw = msgspec.Raw()
    frame_base64: str | None = None
    capture: CaptureHead | None = None


_line_of = msgspec.json.Decoder(_Line).decode


def head_line(head: CaptureHead) -> bytes:
    """The first line of a file, with its end."""
    return _encode(_HeadLine(head)) + b"\n"


def frame_line(time_ns: int, connection: str, direction: str, frame: bytes, *, synthetic: bool = False) -> bytes:
    """One frame as a line, with its end; secrets in it are masked."""
    mark = b',"synthetic":true' if synthetic else b""
    body = _body(redact_frame(frame))
    return b'{"rx_ns":%d,"connection":%b,"dir":"%b"%b,%b}\n' % (
        time_ns,
        _encode(connection),
        direction.encode(),
        mark,
        body,
    )


def _body(frame: bytes) -> bytes:
    try:
        text = frame.decode()
    except UnicodeDecodeError:
        return b'"frame_base64":"%b"' % base64.b64encode(frame)
    # Blanks around the value would be lost: they are no part of it.
    if b"\n" not in frame and b"\r" not in frame and frame[:1] in (b"{", b"[") and frame[-1:] in (b"}", b"]"):
        try:
            _well_formed(frame)
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            return b'"frame":%b' % frame
    return b'"frame":%b' % _encode(text)


def read_head(line: bytes) -> CaptureHead | None:
    """What the first line of a capture says; None where it is none of ours."""
    try:
        return _line_of(line).capture
    except _UNREADABLE:
        return None


def read_frames(lines: Iterable[bytes], name: str) -> Iterator[CapturedFrame]:
    """All frames of a capture, in order. A last line that is cut short (its writer died) ends it.

    Raises ValueError naming file and line where another line can't be read.
    """
    number = 0
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = _line_of(text)
            frame = _frame_of(line)
        except (*_UNREADABLE, binascii.Error) as error:
            if not text.endswith(b"\n"):
                return
            raise ValueError(f"{name}:{number}: no line of a capture: {error}") from None
        if frame is not None:
            yield CapturedFrame(number, line.rx_ns or 0, line.connection, line.dir, line.synthetic, frame)


def _frame_of(line: _Line) -> bytes | None:
    if line.frame_base64 is not None:
        return base64.b64decode(line.frame_base64, validate=True)
    raw = bytes(line.frame)
    if raw.startswith(b'"'):
        text: Any = msgspec.json.decode(raw, type=str)
        return str(text).encode()
    return raw or None
