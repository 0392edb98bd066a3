"""Recording: what a venue said on one connection, and over HTTP before it, with where it comes from.

In a folder, one recording is `NAME.frames.jsonl` (a line a frame: `at_ns` since the connection opened, `dir`, and the bytes
under `frame`, `text` or `base64`), `NAME.meta.toml` (origin, licence, sha256, topics), `NAME.http.jsonl` (a line an
exchange, for discovery) and, once somebody has read it, `NAME.golden.jsonl` (the messages it decodes to).
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from gwcore.model import Channel, Instrument
from gwcore.rest import HttpRequest
from gwcore.venue import Topic

FRAMES_SUFFIX = ".frames.jsonl"
META_SUFFIX = ".meta.toml"
HTTP_SUFFIX = ".http.jsonl"
GOLDEN_SUFFIX = ".golden.jsonl"
#: What a meta file says, and what is refused where it does not.
META_KEYS = ("origin", "licence", "recorded", "sha256", "topics")
#: Recordings are held in memory, and are meant to be small: one a trap.
RECORDING_BYTES_MAX = 256 * 1024 * 1024


class RecordedFrame(NamedTuple):
    """One frame. `at_ns` after the connection opened; `is_sent`: it was ours."""

    at_ns: int
    is_sent: bool
    data: bytes


class Exchange(NamedTuple):
    """One HTTP request (path and query alone: hosts differ) and its answer."""

    method: str
    target: str
    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recorded connection. `topics` in the order they were subscribed.

    `instruments`: what is traded, where `exchanges` do not let it be discovered.
    """

    name: str
    topics: tuple[Topic, ...]
    frames: tuple[RecordedFrame, ...]
    exchanges: tuple[Exchange, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    golden: Path | None = None  # the reviewed messages, where there is such a file


class RecordingFault(ValueError):
    """A recording that can't be used. The text names file and line."""


class _Line(msgspec.Struct):
    at_ns: int
    dir: str = "rx"
    frame: msgspec.Raw = msgspec.Raw()
    text: str | None = None
    base64: str | None = None


class _HttpLine(msgspec.Struct):
    target: str
    status: int
    method: str = "GET"
    body: msgspec.Raw = msgspec.Raw()
    text: str | None = None


_line_of = msgspec.json.Decoder(_Line).decode
_http_line_of = msgspec.json.Decoder(_HttpLine).decode


def target_of(request: HttpRequest) -> str:
    """Path and query of a request, without scheme and host."""
    parts = urlsplit(request.url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def load_recordings(folder: Path) -> list[Recording]:
    """All recordings of a folder, by name. Raises RecordingFault."""
    return [_load(path) for path in sorted(folder.glob(f"*{FRAMES_SUFFIX}"))]


def _load(path: Path) -> Recording:
    name = path.name.removesuffix(FRAMES_SUFFIX)
    if path.stat().st_size > RECORDING_BYTES_MAX:
        raise RecordingFault(f"{path}: larger than {RECORDING_BYTES_MAX} bytes; cut the recording")
    content = path.read_bytes()
    topics = _topics(path.with_name(name + META_SUFFIX), content)
    http, golden = path.with_name(name + HTTP_SUFFIX), path.with_name(name + GOLDEN_SUFFIX)
    return Recording(
        name=name,
        topics=topics,
        frames=tuple(_frame(line, f"{path}:{number}") for number, line in _lines(content)),
        exchanges=tuple(_exchange(line, f"{http}:{number}") for number, line in _lines(http.read_bytes()))
        if http.is_file()
        else (),
        golden=golden if golden.is_file() else None,
    )


def _lines(content: bytes) -> list[tuple[int, bytes]]:
    return [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]


def _topics(path: Path, content: bytes) -> tuple[Topic, ...]:
    if not path.is_file():
        raise RecordingFault(f"{path}: missing; a recording says where it is from and under which licence")
    try:
        meta = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecordingFault(f"{path}: {error}") from None
    missing = [key for key in META_KEYS if not meta.get(key)]
    if missing:
        raise RecordingFault(f"{path}: does not say {', '.join(missing)}")
    found = hashlib.sha256(content).hexdigest()
    if found != meta["sha256"]:
        raise RecordingFault(f"{path}: the frames are not those it describes: sha256 is {found}")
    try:
        return tuple(
            Topic(Channel(channel), symbol or None, parameter) for channel, symbol, parameter in meta["topics"]
        )
    except (ValueError, TypeError) as error:
        raise RecordingFault(f"{path}: topics are [channel, symbol, parameter]: {error}") from None


def _frame(line: bytes, where: str) -> RecordedFrame:
    try:
        found = _line_of(line)
        if bytes(found.frame):
            data = bytes(found.frame)
        elif found.text is not None:
            data = found.text.encode()
        else:
            data = base64.b64decode(found.base64 or "", validate=True)
    except (msgspec.MsgspecError, ValueError) as error:
        raise RecordingFault(f"{where}: {error}") from None
    if not data:
        raise RecordingFault(f"{where}: no frame: there has to be `frame`, `text` or `base64`")
    return RecordedFrame(found.at_ns, found.dir == "tx", data)


def _exchange(line: bytes, where: str) -> Exchange:
    try:
        found = _http_line_of(line)
    except (msgspec.MsgspecError, ValueError) as error:
        raise RecordingFault(f"{where}: {error}") from None
    body = bytes(found.body) or (found.text or "").encode()
    return Exchange(found.method, found.target, found.status, body)


def write_recording(folder: Path, recording: Recording, *, origin: str, licence: str, recorded: str) -> list[Path]:
    """Write a recording as a folder has it (golden messages apart); returns the files."""
    content = b"".join(_packed(frame) + b"\n" for frame in recording.frames)
    frames = folder / (recording.name + FRAMES_SUFFIX)
    meta = folder / (recording.name + META_SUFFIX)
    folder.mkdir(parents=True, exist_ok=True)
    frames.write_bytes(content)
    said = {"origin": origin, "licence": licence, "recorded": recorded, "sha256": hashlib.sha256(content).hexdigest()}
    topics = [[topic.channel.value, topic.symbol or "", topic.parameter] for topic in recording.topics]
    lines = [f"{key} = {_text(value)}" for key, value in said.items()]
    lines += ["topics = [", *(f"    {_text(topic)}," for topic in topics), "]"]
    meta.write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = [frames, meta]
    if recording.exchanges:
        files.append(folder / (recording.name + HTTP_SUFFIX))
        files[-1].write_bytes(b"".join(_packed_exchange(each) + b"\n" for each in recording.exchanges))
    return files


def _text(value: object) -> str:
    # A JSON text, number or array of them reads the same in TOML.
    return msgspec.json.encode(value).decode()


def _packed(frame: RecordedFrame) -> bytes:
    line: dict[str, Any] = {"at_ns": frame.at_ns, "dir": "tx" if frame.is_sent else "rx"}
    return msgspec.json.encode(line | _packed_bytes(frame.data, "frame"))


def _packed_exchange(exchange: Exchange) -> bytes:
    line: dict[str, Any] = {"method": exchange.method, "target": exchange.target, "status": exchange.status}
    return msgspec.json.encode(line | _packed_bytes(exchange.body, "body"))


def _packed_bytes(data: bytes, key: str) -> dict[str, Any]:
    """JSON as it stands, byte for byte; other text as text; the rest in base 64."""
    if data[:1] in (b"{", b"[") and b"\n" not in data and _is_json(data):
        return {key: msgspec.Raw(data)}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
