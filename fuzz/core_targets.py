"""Fuzz targets of the core: client protocol, WebSocket frames, configuration, journal, archive, captures.

A target takes any bytes and raises where a property does not hold; errors that the contract names are caught in it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gw_sinks.zstd import FrameWriter
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from gwcore import plugins, wire
from gwcore.archive.lines import decode_line, read_records
from gwcore.capture import frame_line, read_frames, read_head
from gwcore.config import Sources, load_config
from gwcore.errors import ConfigError, PluginError, ProtocolError, StorageError
from gwcore.journal import Journal
from gwcore.journal.scan import RecordFilter, scan
from gwcore.journal.verify import verify
from gwcore.model import Envelope, Header, MarketByPriceUpdate, Record, UpdateType
from gwcore.redaction import redact_frame
from gwcore.runtime.venue.frames import FrameSplitter
from gwcore.settings import JournalSettings
from gwcore.testing.storage import MemoryStorage

PARSER_BYTES_MAX = 1000
WEBSOCKET_BYTES_MAX = 4000


def chunks(data: bytes) -> Iterator[bytes]:
    """Cut into pieces whose sizes follow from the first byte."""
    size, step, start = data[0] % 61 + 1 if data else 1, data[0] // 61 if data else 0, 1
    while start < len(data):
        yield data[start : start + size]
        start += size
        size = size * 3 % 97 + 1 if step else size


def client_protocol(data: bytes) -> None:
    """Any stream of a client, however it is cut: the same frames or a ProtocolError; any body: a message or ProtocolError."""

    def parse(pieces: Iterator[bytes]) -> tuple[list[tuple[bytes, bytes]], bool]:
        parser, found = wire.FrameParser(PARSER_BYTES_MAX), []
        try:
            for piece in pieces:
                found.extend(parser.feed(piece))
                assert parser.pending_bytes <= PARSER_BYTES_MAX + 4
        except ProtocolError:
            return found, False
        return found, True

    in_pieces, at_once = parse(chunks(data)), parse(iter([data[1:]]))
    assert in_pieces[1] == at_once[1]
    assert in_pieces[0] == at_once[0]
    for body in (data, *(body for _, body in at_once[0])):
        for decode in (wire.decode_request, wire.decode_envelope, wire.decode_message):
            with contextlib.suppress(ProtocolError):
                wire.encode(decode(body))


class _Peer:
    """A client of the library: the messages it got, and how it ended."""

    def __init__(self, *, with_splitter: bool) -> None:
        self.protocol = ClientProtocol(parse_uri("ws://venue/"), max_size=WEBSOCKET_BYTES_MAX)
        self.splitter = FrameSplitter(WEBSOCKET_BYTES_MAX) if with_splitter else None
        self.messages: list[bytes] = []
        self._parts = b""
        server = ServerProtocol()
        self.protocol.send_request(self.protocol.connect())
        server.receive_data(b"".join(self.protocol.data_to_send()))
        (request,) = server.events_received()
        server.send_response(server.accept(request))  # type: ignore[arg-type]
        self.hear(b"".join(server.data_to_send()))

    def hear(self, data: bytes) -> None:
        if self.splitter is None:
            self._to_library(data)
            return
        for is_message, piece in self.splitter.feed(data):
            if is_message:
                self.messages.append(piece)
            else:
                self._to_library(piece)
                self.splitter.passes |= self.protocol.state is not State.OPEN

    def _to_library(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts += event.data
                if event.fin:
                    self.messages.append(self._parts)
                    self._parts = b""

    def end(self) -> tuple[object, ...]:
        return self.messages, self.protocol.state, type(self.protocol.parser_exc)


def websocket_frames(data: bytes) -> None:
    """Any stream of a server, however it is cut: what the library alone makes of it all at once."""
    alone, split = _Peer(with_splitter=False), _Peer(with_splitter=True)
    for piece in chunks(data):
        split.hear(piece)
    assert split.splitter is not None
    # What is not whole waits in the splitter, where the library would judge it by its first bytes: the same, a little later.
    alone.hear(data[1 : len(data) - len(split.splitter._rest)])
    assert split.end() == alone.end()


# The installed plugins do not change while this runs, and finding them takes far longer than reading a file.
_installed = cache(plugins._points)
_FOLDER: tempfile.TemporaryDirectory[str] | None = None


def configuration(data: bytes) -> None:
    """Any file: a ConfigError or PluginError in words, or a configuration."""
    global _FOLDER
    if _FOLDER is None:
        _FOLDER = tempfile.TemporaryDirectory(prefix="gw-fuzz-")
    path = Path(_FOLDER.name, "gw.toml")
    path.write_bytes(data)
    said = "a configuration"
    looked_up, plugins._points = plugins._points, _installed  # type: ignore[assignment]
    try:
        load_config(Sources(files=(path,)))
    except (ConfigError, PluginError) as error:
        said = str(error)
    finally:
        plugins._points = looked_up
    assert said.strip()


_NOW_NS = 1_767_225_600_000_000_000


class _StillClock:
    def now_ns(self) -> int:
        return _NOW_NS

    def monotonic_ns(self) -> int:
        return 0


_JOURNAL = JournalSettings(segment_bytes=4096, memory_records=10, reserve_bytes=0, compress_level=1)


def _record(sequence: int) -> Record:
    kind = UpdateType.SNAPSHOT if sequence == 1 else UpdateType.INCREMENTAL
    event = MarketByPriceUpdate(symbol="BTC/USD", update_type=kind)
    header = Header(
        v=1,
        venue="toy",
        source="gw",
        partition="md.0",
        session_id="S",
        sequence=sequence,
        published_ns=_NOW_NS + sequence,
    )
    payload = wire.encode(Envelope(header=header, event=event))
    return Record("md.0", "S", sequence, "market_by_price", "BTC/USD", None, kind, header.published_ns, payload)


@cache
def journal_files() -> tuple[tuple[str, bytes], ...]:
    """A journal of three segments, as files."""
    storage = MemoryStorage()
    journal = Journal(storage, _StillClock(), _JOURNAL)
    for sequence in range(1, 61):
        journal.append(_record(sequence))
        if sequence % 4 == 0:
            journal.commit()
    journal.close()
    return tuple((name, storage.read(name)) for name in storage.list())


def journal(data: bytes) -> None:
    """A journal whose files were changed, cut or spliced: StorageError, or records that are the ones that were written.

    Four bytes a change: which file, where (two bytes), what.
    """
    files = {name: bytearray(content) for name, content in journal_files()}
    names = sorted(files)
    for start in range(0, min(len(data), 64) - 3, 4):
        content = files[names[data[start] % len(names)]]
        where, what = int.from_bytes(data[start + 1 : start + 3]) % (len(content) + 1), data[start + 3]
        if what < 8:
            del content[where:]
        elif what < 16:
            content[where:where] = data[start:]
        elif what < 24:
            del content[where : where + what]
        elif what < 32:
            content[where:] = files[names[what % len(names)]][where:]
        elif where < len(content):
            content[where] ^= what
    storage = MemoryStorage()
    for name, content in files.items():
        storage.replace(name, bytes(content))
    _check_journal(storage)


def journal_segment(data: bytes) -> None:
    """Any bytes as the only segment of a journal."""
    storage = MemoryStorage()
    storage.replace(f"journal/md/{1:020d}.gwj", data)
    _check_journal(storage)


def _check_journal(storage: MemoryStorage) -> None:
    verify(storage)
    with contextlib.suppress(StorageError):
        for record in scan(storage, RecordFilter()):
            assert record[:9] == _record(record.sequence)[:9]
    try:
        opened = Journal(storage, _StillClock(), _JOURNAL)
    except StorageError:
        return
    with contextlib.suppress(StorageError):
        reader, position = opened.reader("md", 0), 0
        while batch := reader.read(1000):
            for record in batch:
                position += 1
                assert record[:] == (*_record(position)[:9], position), (position, record)
    with contextlib.suppress(StorageError):
        opened.close()


def archive(data: bytes) -> None:
    """Any file of an archive: StorageError or records; any line: ValueError or a line."""
    with contextlib.suppress(ValueError):
        decode_line(data)
    storage = MemoryStorage()
    storage.replace("one.jsonl.zst", data)
    storage.replace("two.jsonl.zst", _compress(data))
    for name in ("one.jsonl.zst", "two.jsonl.zst"):
        with contextlib.suppress(StorageError):
            for record in read_records(storage, name):
                assert isinstance(record.payload, bytes)


def _compress(data: bytes) -> bytes:
    return FrameWriter(1).end(data)


def capture(data: bytes) -> None:
    """Any file of captured frames: ValueError, or frames. Any frame that is captured: it comes back, but for its secrets."""
    (back,) = read_frames([frame_line(1, "md.0", "rx", data)], "one.frames.jsonl") if data else (None,)
    assert back is None or back.frame == redact_frame(data)
    lines = data.splitlines(keepends=True)
    for line in lines[:1]:
        read_head(line)
    with contextlib.suppress(ValueError):
        for frame in read_frames(lines, "any.frames.jsonl"):
            assert isinstance(frame.frame, bytes)
