"""Manifest: what one file of the archive holds, in a small JSON file beside it; and the builder that counts it.

Writers feed the builder as they write; whoever finds a file without a manifest feeds it the file's own lines. Both give
the same manifest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import msgspec

from gwcore.archive.lines import decode_line, read_batches, record_of
from gwcore.archive.names import ArchiveFile
from gwcore.errors import ProtocolError, StorageError
from gwcore.model import KIND_OF_TYPE, SCHEMA_VERSION, Gap, Record, UpdateType
from gwcore.ports import Storage
from gwcore.wire import decode_envelope

#: Version of the manifest's own form. Fields are only ever appended.
MANIFEST_VERSION: Final = 1
#: What a manifest lists at most of each; the rest is counted. A file of a venue that flaps must not get a larger manifest.
STALE_INTERVALS_MAX: Final = 10_000
GAPS_MAX: Final = 1_000

_GAP_KIND: Final = KIND_OF_TYPE[Gap]
_CURRENT: Final = b'{"header":{"v":%d,' % SCHEMA_VERSION


class SessionRange(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds of one session of a partition. Sequences and times (`published_ns`) are inclusive bounds."""

    partition: str
    session_id: str
    first_sequence: int
    last_sequence: int
    lines: int
    first_ns: int
    last_ns: int


class StaleInterval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A time in which a symbol was STALE in the events of this file. Without `to_ns` it still was at its end."""

    from_ns: int
    to_ns: int | None = None
    reason: str | None = None


class GapNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A Gap event of the file: when it was published, and the event's own fields that say what is missing."""

    at_ns: int
    state: str
    cause: str
    partition: str | None = None
    session_id: str | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    symbol: str | None = None
    channel: str | None = None
    first_trade_id: str | None = None
    last_trade_id: str | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What one file holds. Times are `published_ns`; all bounds are inclusive."""

    manifest_version: int = MANIFEST_VERSION
    file: str  # its name within its folder
    venue: str
    environment: str
    source: str
    journal_class: str
    kind: str
    date: str
    schema_versions: tuple[int, ...]  # of its events; 0: a line that is none
    first_position: int
    last_position: int
    lines: int
    bytes_raw: int
    bytes_compressed: int
    sha256: str
    first_ns: int
    last_ns: int
    sessions: tuple[SessionRange, ...]  # in the order they begin
    update_types: dict[str, int]  # counts of its kind by update type; events without one: ""
    symbols: dict[str, int]  # lines by symbol; events without one: ""
    stale: dict[str, tuple[StaleInterval, ...]] = {}
    stale_left_out: int = 0  # intervals above the limit of the list
    gaps: tuple[GapNote, ...] = ()
    gaps_left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose events these are: what the lines themselves do not say in one place."""

    venue: str
    environment: str
    source: str


@dataclass(slots=True)
class _Session:
    first_sequence: int
    last_sequence: int
    lines: int
    first_ns: int
    last_ns: int


class ManifestBuilder:
    """Counts one file while it is written, or read. `add` does many records at once, at about 0.5 us each."""

    def __init__(self) -> None:
        self.lines = 0
        self._bytes_raw = 0
        self._bytes_compressed = 0
        self._sha256 = hashlib.sha256()
        self._older: dict[int, int] = {}  # other schema versions than the present one -> lines
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._update_types: Counter[UpdateType | None] = Counter()
        self._symbols: Counter[str | None] = Counter()
        self._stale: dict[str, list[StaleInterval]] = {}
        self._stale_count = 0
        self._stale_left_out = 0
        self._now_stale: dict[str, tuple[int, str | None]] = {}  # symbol -> since, reason
        self._gaps: list[GapNote] = []
        self._gaps_left_out = 0

    def add(self, records: Sequence[Record]) -> None:
        """Records of the file's next lines, in order."""
        if not records:
            return
        partitions, session_ids, sequences, kinds, symbols, _, update_types, times, payloads, _ = zip(
            *records, strict=True
        )
        self.lines += len(records)
        self._bytes_raw += sum(map(len, payloads)) + len(records)
        self._update_types.update(update_types)
        self._symbols.update(symbols)
        self._note_sessions(zip(partitions, session_ids, strict=True), sequences, times)
        for payload in payloads:
            if not payload.startswith(_CURRENT):
                version = _line_version(payload)
                self._older[version] = self._older.get(version, 0) + 1
        if UpdateType.STALE in update_types or self._now_stale:
            for record in records:
                self._follow_stale(record)
        if _GAP_KIND in kinds:
            for record in records:
                if record.kind == _GAP_KIND:
                    self._note_gap(record)

    def _note_sessions(self, keys: Iterable[tuple[str, str]], sequences: Sequence[int], times: Sequence[int]) -> None:
        begin = 0
        for key, run in groupby(keys):
            end = begin + len(list(run))
            first_ns, last_ns = min(times[begin:end]), max(times[begin:end])
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = _Session(sequences[begin], 0, 0, first_ns, last_ns)
            session.last_sequence = sequences[end - 1]
            session.lines += end - begin
            session.first_ns, session.last_ns = min(session.first_ns, first_ns), max(session.last_ns, last_ns)
            begin = end

    def compressed(self, data: bytes) -> None:
        """The file's next bytes, as they are on the disk."""
        self._bytes_compressed += len(data)
        self._sha256.update(data)

    def build(self, file: ArchiveFile, origin: Origin) -> Manifest:
        """The manifest of all that was added. At least one record was."""
        stale = {symbol: tuple(intervals) for symbol, intervals in self._stale.items()}
        for symbol, (since_ns, reason) in self._now_stale.items():
            stale[symbol] = (*stale.get(symbol, ()), StaleInterval(from_ns=since_ns, reason=reason))
        sessions = self._sessions.items()
        versions = {*self._older, *((SCHEMA_VERSION,) if sum(self._older.values()) < self.lines else ())}
        return Manifest(
            file=file.name.rpartition("/")[2],
            venue=origin.venue,
            environment=origin.environment,
            source=origin.source,
            journal_class=file.journal_class,
            kind=file.kind,
            date=file.date,
            schema_versions=tuple(sorted(versions)),
            first_position=file.first,
            last_position=file.last,
            lines=self.lines,
            bytes_raw=self._bytes_raw,
            bytes_compressed=self._bytes_compressed,
            sha256=self._sha256.hexdigest(),
            first_ns=min(session.first_ns for _, session in sessions),
            last_ns=max(session.last_ns for _, session in sessions),
            sessions=tuple(_range(key, session) for key, session in sessions),
            update_types={kind.value if kind else "": count for kind, count in self._update_types.items()},
            symbols={symbol or "": count for symbol, count in sorted(self._symbols.items(), key=_by_symbol)},
            stale=dict(sorted(stale.items())),
            stale_left_out=self._stale_left_out,
            gaps=tuple(self._gaps),
            gaps_left_out=self._gaps_left_out,
        )

    def _follow_stale(self, record: Record) -> None:
        symbol = record.symbol
        if symbol is None:
            return
        since = self._now_stale.get(symbol)
        if record.update_type is UpdateType.STALE:
            if since is None:
                self._now_stale[symbol] = (record.published_ns, _line_reason(record.payload))
            return
        if since is None:
            return
        del self._now_stale[symbol]
        if self._stale_count >= STALE_INTERVALS_MAX:
            self._stale_left_out += 1
            return
        self._stale_count += 1
        interval = StaleInterval(from_ns=since[0], to_ns=record.published_ns, reason=since[1])
        self._stale.setdefault(symbol, []).append(interval)

    def _note_gap(self, record: Record) -> None:
        if len(self._gaps) >= GAPS_MAX:
            self._gaps_left_out += 1
            return
        try:
            gap = decode_envelope(record.payload).event
        except ProtocolError:  # what the archive is given it keeps; verify says what is wrong with it
            return
        if not isinstance(gap, Gap):
            return
        self._gaps.append(
            GapNote(
                at_ns=record.published_ns,
                state=gap.state.value,
                cause=gap.cause,
                partition=gap.partition,
                session_id=gap.session_id,
                first_sequence=gap.first_sequence,
                last_sequence=gap.last_sequence,
                symbol=gap.symbol,
                channel=gap.channel,
                first_trade_id=gap.first_trade_id,
                last_trade_id=gap.last_trade_id,
            )
        )


def _line_version(payload: bytes) -> int:
    """Schema version of a line; 0 for what can't be read."""
    try:
        return decode_line(payload).header.v
    except ValueError:
        return 0


def _line_reason(payload: bytes) -> str | None:
    try:
        return decode_line(payload).event.reason
    except ValueError:
        return None


def _by_symbol(item: tuple[str | None, int]) -> str:
    return item[0] or ""


def _range(key: tuple[str, str], session: _Session) -> SessionRange:
    return SessionRange(
        partition=key[0],
        session_id=key[1],
        first_sequence=session.first_sequence,
        last_sequence=session.last_sequence,
        lines=session.lines,
        first_ns=session.first_ns,
        last_ns=session.last_ns,
    )


def describe(storage: Storage, file: ArchiveFile, origin: Origin, *, read_from: str = "") -> Manifest:
    """The manifest of a whole file, from its own lines. `read_from`: where it lies now, if not under its name.

    Raises StorageError with the place where the file is not what an archive's file is.
    """
    builder, name = ManifestBuilder(), read_from or file.name
    number = 0
    for lines in read_batches(storage, name, builder.compressed):
        try:
            builder.add(list(_records(lines)))
        except (ValueError, ProtocolError) as error:
            raise StorageError(f"{name}: within lines {number + 1} to {number + len(lines)}: {error}") from error
        number += len(lines)
    if not builder.lines:
        raise StorageError(f"{name}: holds no line")
    return builder.build(file, origin)


def _records(lines: Iterable[bytes]) -> Iterable[Record]:
    return (record_of(line) for line in lines)


def encode_manifest(manifest: Manifest) -> bytes:
    """A manifest as the text of its file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def load_manifest(storage: Storage, file: ArchiveFile) -> Manifest:
    """The manifest of a file. Raises StorageError where it is missing or not one."""
    try:
        return msgspec.json.decode(storage.read(file.manifest), type=Manifest)
    except FileNotFoundError:
        raise StorageError(
            f"{file.name}: its manifest is missing; `gw archive verify --write-missing` makes one from the file as it is now"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StorageError(f"{file.manifest}: no manifest of an archive: {error}") from error
