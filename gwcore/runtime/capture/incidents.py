"""IncidentWriter: what a connection's ring held becomes a file in `<state>/incidents` when a book goes bad.

The loop only hands over references; lines are made and written aside, some hundred at a time, so that neither the disk nor
the work is felt. Everything is bounded: what waits, files of a day, files of a symbol, bytes of all. A full disk costs the
incident and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

import gwcore
from gwcore.capture import RECEIVED, SENT, SUFFIX, CaptureHead, frame_line, head_line
from gwcore.engine.market.frame_ring import FrozenRing
from gwcore.errors import StorageError
from gwcore.ports import Storage
from gwcore.settings import CaptureSettings

_log = logging.getLogger("gwcore.capture")

#: Incidents that wait to be written; each holds its frames in memory. More are counted and dropped.
WAITING_MAX = 4
#: Lines made and written in one go aside: a few milliseconds of work.
LINES_PER_STEP = 500
#: Where the incidents of a state directory are.
FOLDER = "incidents"
_TEMPORARY = "incident.tmp"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")

#: Writes a venue's own frames for the opening (gwcore.venue.FrameWriter); None where the venue has none.
Writer = Any


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went bad, and the frames that led there."""

    head: CaptureHead
    ring: FrozenRing


def incident_name(head: CaptureHead) -> str:
    """`<time>-<symbol>-<reason>.frames.jsonl`; the time is UTC, so that names sort by it."""
    return f"{moment(head.time_ns)}-{_name(head)}-{head.reason}{SUFFIX}"


def moment(time_ns: int) -> str:
    """Nanoseconds since the epoch as it stands in names of files: `20260816T233702.871589Z`."""
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{rest_ns // 1000:06}Z"


def _name(head: CaptureHead) -> str:
    return _NOT_IN_NAMES.sub("_", head.symbols[0] if head.symbols else head.connection or "all").strip("-.") or "x"


def opening(ring: FrozenRing, connection: str, writer: Writer) -> Iterator[bytes]:
    """Lines that a reader needs before a ring's first frame: the instruments, and the books as they stood."""
    if writer is None:
        return
    frames = [writer.instrument_frame(tuple(ring.instruments.values()))] if ring.instruments else []
    for mark in ring.books.values():
        frames.extend(writer.snapshot_frames(mark.snapshot))
    for frame in frames:
        yield frame_line(ring.begin_ns, connection, RECEIVED, frame, synthetic=True)


def incident_lines(incident: Incident, writer: Writer) -> Iterator[bytes]:
    """All lines of an incident's file."""
    connection = incident.head.connection or ""
    yield head_line(incident.head)
    yield from opening(incident.ring, connection, writer)
    for entries in incident.ring.entries:
        pairs = iter(entries)
        for time_ns, frame in zip(pairs, pairs, strict=True):
            assert isinstance(time_ns, int)
            assert isinstance(frame, bytes)
            yield frame_line(abs(time_ns), connection, SENT if time_ns < 0 else RECEIVED, frame)


class IncidentWriter:
    """All incidents of one gateway. `report` is called on the loop; `run` writes until cancelled."""

    def __init__(
        self,
        settings: CaptureSettings,
        storage: Storage,
        *,
        head: CaptureHead,
        writer: Writer,
        offload: Callable[..., Awaitable[Any]],
        reserve_bytes: int,
    ) -> None:
        self._settings = settings
        self._storage = storage.child(FOLDER)
        self._head = head
        self._writer = writer
        self._offload = offload
        self._reserve_bytes = reserve_bytes
        self._waiting: deque[Incident] = deque()
        self._is_called = asyncio.Event()
        self.outcomes: Counter[str] = Counter()  # written, dropped, failed: read at scrape time

    def report(self, head: CaptureHead, ring: FrozenRing) -> None:
        """Write this one, when there is time. Never blocks, never fails."""
        if self._waiting and self._waiting[-1].ring is ring:
            self._waiting[-1] = _merged(self._waiting[-1], head)  # one frame spoiled several books: one file
            return
        if len(self._waiting) >= WAITING_MAX:
            self.outcomes["dropped"] += 1
            return
        self._waiting.append(Incident(_complete(head, self._head), ring))
        self._is_called.set()

    async def run(self) -> None:
        """Write what was reported, until cancelled."""
        while True:
            await self._is_called.wait()
            await self.drain()

    async def drain(self) -> None:
        """Write all that waits."""
        self._is_called.clear()
        while self._waiting:
            incident = self._waiting[0]  # until it is written: a stop in the middle begins it again
            try:
                name = await self._write(incident)
            except (StorageError, FileNotFoundError) as error:
                self.outcomes["failed"] += 1
                _log.warning("incident of %s is not kept: %s", _name(incident.head), error)
            except Exception:  # the venue's writer is a plugin's; an incident must not end the gateway
                self.outcomes["failed"] += 1
                _log.exception("incident of %s is not kept", _name(incident.head))
            else:
                self.outcomes["written" if name else "dropped"] += 1
                if name:
                    _log.warning("the frames before it are in %s/%s", FOLDER, name)
            self._waiting.popleft()

    async def _write(self, incident: Incident) -> str | None:
        """The file's name; None where a limit forbids it."""
        name = incident_name(incident.head)
        if not await self._offload(self._make_room, name, incident):
            return None
        lines = incident_lines(incident, self._writer)
        await self._offload(self._storage.remove, _TEMPORARY)
        file = await self._offload(self._storage.append, _TEMPORARY)
        try:
            while part := await self._offload(_some, lines):
                await self._offload(file.write, part)
            await self._offload(file.sync)
        except BaseException:
            file.close()
            await self._offload(self._storage.remove, _TEMPORARY)
            raise
        file.close()
        await self._offload(self._storage.rename, _TEMPORARY, name)
        return name

    def _make_room(self, name: str, incident: Incident) -> bool:
        """Keep the limits: remove the oldest files, or say no."""
        settings = self._settings
        names = [one for one in self._storage.list() if one.endswith(SUFFIX)]
        today = [one for one in names if one[:8] == name[:8]]
        symbol = f"-{_name(incident.head)}-"
        if len(today) >= settings.incidents_per_day_max or name in names:
            return False
        if sum(symbol in one for one in today) >= settings.incidents_per_symbol_max:
            return False
        need = size_bound(incident)
        sizes = {one: self._storage.size(one) for one in names}
        while names and sum(sizes[one] for one in names) + need > settings.incidents_bytes_max:
            self._storage.remove(names.pop(0))
        if self._storage.free_bytes() < self._reserve_bytes + need:
            raise StorageError(
                f"less than {self._reserve_bytes + need} bytes are free, and the journal has its reserve"
            )
        return need <= settings.incidents_bytes_max


def size_bound(incident: Incident) -> int:
    """About how many bytes the file will have; rather more."""
    books = sum(64 * (len(mark.snapshot.bids) + len(mark.snapshot.asks)) + 300 for mark in incident.ring.books.values())
    frames = sum(
        len(frame) + 90 for entries in incident.ring.entries for frame in entries[1::2] if isinstance(frame, bytes)
    )
    return books + frames + 500 * len(incident.ring.instruments) + 1000


def _merged(incident: Incident, other: CaptureHead) -> Incident:
    head = incident.head
    symbols = dict.fromkeys((*head.symbols, *other.symbols))
    return Incident(
        msgspec.structs.replace(head, symbols=tuple(symbols), sequences=head.sequences + other.sequences), incident.ring
    )


def _complete(head: CaptureHead, base: CaptureHead) -> CaptureHead:
    return msgspec.structs.replace(
        head, version=gwcore.__version__, venue=base.venue, environment=base.environment, source=base.source
    )


def _some(lines: Iterator[bytes]) -> bytes:
    return b"".join(islice(lines, LINES_PER_STEP))
