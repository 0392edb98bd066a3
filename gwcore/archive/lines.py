"""Reading the archive's files: zstd frames to lines, lines to records. Memory is bounded whatever the file holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from gwcore.errors import StorageError
from gwcore.model import TYPE_OF_KIND, Record, UpdateType
from gwcore.ports import Storage

if sys.version_info >= (3, 14):
    from compression import zstd as _zstd
else:
    from backports import zstd as _zstd

#: Compressed bytes read at once, and decompressed bytes held at once.
READ_BYTES: Final = 256 * 1024
TEXT_BYTES: Final = 1024 * 1024
#: A longer line is no event of ours: clients take no larger frame either.
LINE_BYTES_MAX: Final = 16 * 1024 * 1024

_ZstdDecompressor: Any = _zstd.ZstdDecompressor
_ZstdError: Any = _zstd.ZstdError


class LineHeader(msgspec.Struct, gc=False):
    """The part of an envelope's header that routing and counting need."""

    v: int
    partition: str
    session_id: str
    published_ns: int
    venue: str = ""
    source: str = ""
    sequence: int = 0
    received_ns: int | None = None


class LineEvent(msgspec.Struct, gc=False):
    """The part of an event that routing and counting need; its other fields are skipped, not decoded."""

    kind: str
    symbol: str | None = None
    account: str | None = None
    update_type: UpdateType | None = None
    reason: str | None = None
    origin: str | None = None
    venue_time_ns: int | None = None


class Line(msgspec.Struct, gc=False):
    """One line, decoded as far as needed."""

    header: LineHeader
    event: LineEvent


def _default_update_types() -> dict[str, UpdateType | None]:
    """kind -> the update type that is left out on the wire."""
    found: dict[str, UpdateType | None] = {}
    for kind, event_type in TYPE_OF_KIND.items():
        fields = {field.name: field for field in msgspec.structs.fields(event_type)}
        default = fields["update_type"].default if "update_type" in fields else None
        found[kind] = default if isinstance(default, UpdateType) else None
    return found


DEFAULT_UPDATE_TYPES: Final = _default_update_types()

_decoder = msgspec.json.Decoder(Line)
_new_record = tuple.__new__


def decode_line(payload: bytes) -> Line:
    """One line. Raises ValueError for what is no envelope of ours."""
    try:
        line = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no event: {error}") from error
    event = line.event
    if event.update_type is None:
        event.update_type = DEFAULT_UPDATE_TYPES.get(event.kind)
    return line


def record_of(payload: bytes, position: int = 0) -> Record:
    """One line as the record that the journal had. Raises ValueError."""
    line = decode_line(payload)
    header, event = line.header, line.event
    return _new_record(
        Record,
        (
            header.partition,
            header.session_id,
            header.sequence,
            event.kind,
            event.symbol,
            event.account,
            event.update_type,
            header.published_ns,
            payload,
            position,
        ),
    )


def read_chunks(
    storage: Storage, name: str, on_read: Callable[[bytes], None] | None = None, size: int | None = None
) -> Iterator[bytes]:
    """The text of one file in pieces of at most TEXT_BYTES. `on_read` is given the compressed bytes as they are read.
    `size`: so many bytes of a file that is still written, of which no end is asked.

    Raises StorageError that names the file where it is no whole zstd frame, FileNotFoundError where it is absent.
    """
    decompressor, offset = _ZstdDecompressor(), 0
    while True:
        wanted = READ_BYTES if size is None else min(READ_BYTES, size - offset)
        data = storage.read(name, offset, wanted) if wanted else b""
        if not data:
            break
        offset += len(data)
        if on_read is not None:
            on_read(data)
        if decompressor.eof:
            raise StorageError(f"{name}: bytes behind its end, {len(data)} or more; it is not as it was written")
        try:
            text = decompressor.decompress(data, TEXT_BYTES)
            while text or not (decompressor.needs_input or decompressor.eof):
                yield text
                if decompressor.eof:
                    break
                text = decompressor.decompress(b"", TEXT_BYTES)
        except _ZstdError as error:
            raise StorageError(f"{name}: damaged within its first {offset} bytes: {error}") from error
        if decompressor.eof and decompressor.unused_data:
            raise StorageError(f"{name}: {len(decompressor.unused_data)} bytes behind its end or more")
    if size is not None and offset < size:
        raise StorageError(f"{name}: has {offset} bytes of {size} that were durable")
    if size is None and not decompressor.eof:
        raise StorageError(f"{name}: cut short: it ends after {offset} bytes, within its zstd frame")


def read_batches(
    storage: Storage, name: str, on_read: Callable[[bytes], None] | None = None, size: int | None = None
) -> Iterator[list[bytes]]:
    """The lines of one file, without their ends, in lists of some hundred. Raises as `read_chunks` does."""
    rest = b""
    for text in read_chunks(storage, name, on_read, size):
        lines = (rest + text).split(b"\n") if rest else text.split(b"\n")
        rest = lines.pop()
        if len(rest) > LINE_BYTES_MAX:
            raise StorageError(f"{name}: a line of more than {LINE_BYTES_MAX} bytes: no archive of events")
        if lines:
            yield lines
    if rest:
        raise StorageError(f"{name}: the last line does not end: it is not as it was written")


def read_records(storage: Storage, name: str) -> Iterator[Record]:
    """The records of one file, in order; their positions are not known. Raises StorageError with file and line."""
    number = 0
    for lines in read_batches(storage, name):
        for payload in lines:
            number += 1
            try:
                record = record_of(payload)
            except ValueError as error:
                raise StorageError(f"{name}: line {number}: {error}") from error
            yield record
