"""Recorder: every frame of every connection into JSON Lines, in parts of bounded size; each part replays by itself.

The loop appends to a list; lines are made and written aside. What can't be written in time is dropped, counted, and said in
the file. A disk that fails ends the recording, never the gateway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

import msgspec

from gwcore.capture import SUFFIX, CaptureHead, frame_line, head_line
from gwcore.errors import StorageError
from gwcore.ports import AppendFile, Storage

_log = logging.getLogger("gwcore.capture")

#: How often what came is written.
FLUSH_S: Final = 0.2
#: Frames that wait to be written; more are dropped and counted.
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024
#: Lines made and written in one go aside.
LINES_PER_STEP: Final = 500
#: What a frame weighs in its file beside its own bytes.
LINE_BYTES: Final = 70

_Entry = tuple[str, str, bytes, int]


def part_name(name: str, part: int) -> str:
    """`x.jsonl`, then `x.0002.jsonl`, ..."""
    suffix = SUFFIX if name.endswith(SUFFIX) else PurePath(name).suffix
    return name if part == 1 else f"{name.removesuffix(suffix)}.{part:04}{suffix}"


class Recorder:
    """One recording. `add` is called on the loop; `run` writes until cancelled, `finish` writes the rest."""

    def __init__(
        self,
        storage: Storage,
        name: str,
        *,
        head: CaptureHead,
        offload: Callable[..., Awaitable[Any]],
        part_bytes_max: int,
        parts_max: int,
        reserve_bytes: int = 0,
    ) -> None:
        self._storage = storage
        self._name = name
        self._head = head
        self._offload = offload
        self._part_bytes_max = part_bytes_max
        self._parts_max = parts_max
        self._reserve_bytes = reserve_bytes
        #: Lines that a new part begins with, asked for on the loop at the frame it begins with.
        self.opening: Callable[[], Iterable[bytes]] = tuple
        self.on_failed: Callable[[str], None] = lambda cause: None
        self._waiting: list[_Entry | Iterator[bytes]] = []
        self._waiting_bytes = 0
        self._part_bytes = 0
        self._part = 0
        self._file: AppendFile | None = None
        self._is_writing = asyncio.Lock()
        self.failed: str | None = None  # why the recording ended early
        self.frames = 0
        self.bytes = 0
        self.lost = 0  # frames that were not written
        self._told_lost = 0

    def add(self, connection: str, direction: str, frame: bytes, time_ns: int) -> None:
        """One frame, in order."""
        size = len(frame) + LINE_BYTES
        if self.failed is not None or self._waiting_bytes + size > WAITING_BYTES_MAX:
            self.lost += 1
            return
        if self._part_bytes + size > self._part_bytes_max and self._part_bytes:
            self._part_bytes = 0
            self._waiting.append(iter(self.opening()))
        self._part_bytes += size
        self._waiting_bytes += size
        self.frames += 1
        self._waiting.append((connection, direction, frame, time_ns))

    async def run(self) -> None:
        """Write what came, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def finish(self) -> None:
        """Write the rest and close."""
        await self.flush()
        file, self._file = self._file, None
        if file is not None:
            file.close()

    async def flush(self) -> None:
        """Write what waits."""
        async with self._is_writing:
            if self.failed is not None:
                return
            try:
                await self._write()
            except (StorageError, FileNotFoundError) as error:
                self.failed = str(error)
                self.on_failed(self.failed)
                self._waiting, self._waiting_bytes = [], 0
                _log.error("the recording ends: %s", error)

    async def _write(self) -> None:
        if self._file is None:
            await self._offload(self._next_part, iter(()))
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        entries = iter(waiting)
        while step := list(islice(entries, LINES_PER_STEP)):
            await self._offload(self._write_step, step)
        if self.lost > self._told_lost:
            line = msgspec.json.encode({"lost_frames": self.lost - self._told_lost}) + b"\n"
            self._told_lost = self.lost
            await self._offload(self._append, line)

    # --- aside ----------------------------------------------------------------------------------------------------

    def _write_step(self, step: list[_Entry | Iterator[bytes]]) -> None:
        lines: list[bytes] = []
        for entry in step:
            if isinstance(entry, tuple):
                connection, direction, frame, time_ns = entry
                lines.append(frame_line(time_ns, connection, direction, frame))
            else:
                self._append(b"".join(lines))
                lines = []
                self._next_part(entry)
        self._append(b"".join(lines))

    def _append(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self.bytes += len(data)

    def _next_part(self, opening: Iterator[bytes]) -> None:
        if self._reserve_bytes and self._storage.free_bytes() < self._reserve_bytes + self._part_bytes_max:
            raise StorageError(f"too little space is left for another part of {self._part_bytes_max} bytes")
        if self._file is not None:
            self._file.close()
        self._part += 1
        if self._part > self._parts_max:
            self._storage.remove(part_name(self._name, self._part - self._parts_max))
        self._file = self._storage.append(part_name(self._name, self._part))
        self._append(head_line(self._head))
        for line in opening:
            self._append(line)
