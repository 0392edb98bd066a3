"""A recording: JSON Lines, one raw frame a line or wrapped under `frame` or `message`. The bytes stay as they are.

Lines without a frame and those with `dir: tx` are skipped (a recorded subscribe still tells the depth). A capture of the
gateway (`connection` in its lines) is played as it came: also what can't be read is sent, to everybody.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from gw_sim_kraken.texts import SECOND_NS

#: A recording is held in memory.
RECORDING_BYTES_MAX = 1024**3
#: Data channels; a capture's frames of any other are sent to everybody.
CHANNELS = frozenset({"book", "trade", "ticker", "ohlc", "instrument", "status"})
#: `t` below this is in seconds, otherwise in nanoseconds.
_SECONDS_MAX = 10**12


class Frame(NamedTuple):
    """One frame to be sent. Times are nanoseconds after the first frame. Without a channel it is for everybody."""

    after_ns: int
    channel: str
    kind: str
    symbol: str
    data: Any  # rows as `Message` has them
    raw: bytes


@dataclass(slots=True)
class Recording:
    """What a file holds. `skipped` counts lines that are nothing to be replayed."""

    frames: list[Frame] = field(default_factory=list)
    depths: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    began_ns: int | None = None  # when the first frame came (epoch); None: no line and no frame tells it


class _Line(msgspec.Struct):
    rx_ns: int | None = None
    t: Any = None
    connection: str = ""
    dir: str = "rx"
    frame: msgspec.Raw = msgspec.Raw()
    frame_base64: str = ""
    message: msgspec.Raw = msgspec.Raw()
    channel: msgspec.Raw = msgspec.Raw()
    method: msgspec.Raw = msgspec.Raw()


class _Message(msgspec.Struct):
    """A frame of v2; numbers keep their text."""

    channel: str = ""
    type: str = "update"
    method: str = ""
    timestamp: str = ""
    data: Any = None
    result: Any = None
    params: Any = None


class _Timed(NamedTuple):
    received_ns: int | None
    stamped_ns: int | None
    message: _Message
    raw: bytes


_line_decoder = msgspec.json.Decoder(_Line)
_message_decoder = msgspec.json.Decoder(_Message, float_hook=str)


def read_recording(content: bytes, name: str, spacing_ns: int) -> Recording:
    """Parse a file. Raises ValueError naming the line where it is no JSON, or where nothing can be replayed."""
    if len(content) > RECORDING_BYTES_MAX:
        raise ValueError(f"{name}: larger than {RECORDING_BYTES_MAX} bytes; cut the recording")
    recording = Recording()
    timed = list(_parse(content, name, recording))
    recording.began_ns, times_ns = _times(timed, spacing_ns)
    for entry, after_ns in zip(timed, times_ns, strict=True):
        message = entry.message
        rows = message.data if isinstance(message.data, list) else []
        symbol = rows[0].get("symbol", "") if rows and isinstance(rows[0], dict) else ""
        recording.frames.append(Frame(after_ns, message.channel, message.type, symbol, message.data, entry.raw))
    if not any(frame.channel for frame in recording.frames):
        raise ValueError(f"{name}: no market data frame of WebSocket v2 in it")
    return recording


def _parse(content: bytes, name: str, recording: Recording) -> Iterator[_Timed]:
    seen_data = False
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found = _unwrap(line)
            message = _message_decoder.decode(found[1]) if found is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error) as error:
            captured = _captured(line)
            if captured is not None:
                yield captured
                continue
            if _is_json(line):
                recording.skipped += 1  # a frame of another API (v1 sends arrays)
                continue
            raise ValueError(f"{name}:{number}: not JSON ({error}); each line is one frame") from None
        if found is None or message is None:
            recording.skipped += 1
            continue
        _learn_depth(message, recording.depths)
        banner = message.channel == "status" and not seen_data
        if found[0].dir == "tx" or not message.channel or message.channel == "heartbeat" or message.method or banner:
            recording.skipped += 1
            continue
        seen_data = True
        if found[0].connection and not _is_sound(message):
            message = _Message()
        yield _Timed(_received_ns(found[0]), _stamped_ns(message), message, found[1])


def _unwrap(line: bytes) -> tuple[_Line, bytes] | None:
    """The line's own keys and the frame's text as it stands in the line."""
    outer = _line_decoder.decode(line)
    if outer.frame_base64:
        return outer, base64.b64decode(outer.frame_base64, validate=True)
    for raw in (bytes(outer.frame), bytes(outer.message)):
        if raw.startswith(b'"'):  # the frame's text as a JSON string
            return outer, msgspec.json.decode(raw, type=str).encode()
        if raw:
            return outer, raw
    if bytes(outer.channel) or bytes(outer.method):
        return outer, line.strip()
    return None


def _captured(line: bytes) -> _Timed | None:
    """A line of a capture whose frame can't be read: it is to be sent all the same."""
    try:
        found = _unwrap(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error):
        return None
    if found is None or not found[0].connection or found[0].dir == "tx":
        return None
    return _Timed(_received_ns(found[0]), None, _Message(), found[1])


def _is_sound(message: _Message) -> bool:
    """Whether the simulator can follow a frame: a known channel, and rows that are what they should be."""
    if message.channel not in CHANNELS or message.type not in ("snapshot", "update"):
        return False
    if message.channel in ("instrument", "status"):
        return True
    rows = message.data
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return False
    sides = [row.get(side, []) for row in rows for side in ("bids", "asks")]
    levels = [level for side in sides if isinstance(side, list) for level in side]
    return (
        all(isinstance(row.get("symbol"), str) for row in rows)
        and all(isinstance(side, list) for side in sides)
        and all(
            isinstance(level, dict) and _is_number(level.get("price")) and _is_number(level.get("qty"))
            for level in levels
        )
        and all(
            _is_number(row.get("price")) and _is_number(row.get("qty")) for row in rows if message.channel == "trade"
        )
    )


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and isinstance(value, str | int) and Decimal(value).is_finite()
    except ArithmeticError:
        return False


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _learn_depth(message: _Message, depths: dict[str, int]) -> None:
    """From a recorded ack or subscribe of a book."""
    for source in (message.result, message.params):
        if isinstance(source, dict) and source.get("channel") == "book" and isinstance(source.get("depth"), int):
            symbols = source.get("symbol")
            for symbol in symbols if isinstance(symbols, list) else [symbols]:
                if isinstance(symbol, str):
                    depths[symbol] = source["depth"]


def _received_ns(line: _Line) -> int | None:
    if line.rx_ns is not None:
        return line.rx_ns
    if isinstance(line.t, int | float) and not isinstance(line.t, bool):
        exact = Decimal(str(line.t))
        return int(exact * SECOND_NS) if exact < _SECONDS_MAX else int(exact)
    return None


def _stamped_ns(message: _Message) -> int | None:
    rows = message.data if isinstance(message.data, list) else []
    texts = [rows[-1].get("timestamp") if rows and isinstance(rows[-1], dict) else None, message.timestamp]
    for text in texts if message.channel != "ohlc" else texts[::-1]:
        if isinstance(text, str) and text:
            try:
                return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1_000_000) * 1000
            except ValueError:
                continue
    return None


def _times(timed: list[_Timed], spacing_ns: int) -> tuple[int | None, list[int]]:
    """When the first frame came, and how long after it each. By receive time, else by time stamp, else evenly (and None
    for the first); never backwards."""
    received = [entry.received_ns for entry in timed]
    stamped = [entry.stamped_ns for entry in timed]
    chosen = received if any(time is not None for time in received) else stamped
    known = [time for time in chosen if time is not None]
    if not known:
        return None, [number * spacing_ns for number in range(len(timed))]
    first = current = known[0]
    times = []
    for time in chosen:
        current = max(current, time if time is not None else current)
        times.append(current - first)
    return first, times
