"""The sink demo as the cards see it: files on a disk that can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gw_sink_demo.plugin import SPEC, DemoSettings

from gwcore import wire
from gwcore.errors import StorageError
from gwcore.testing.conformance import Destination, SinkCase
from gwcore.testing.storage import MemoryStorage


class Disk:
    """Where the files are."""

    def __init__(self) -> None:
        self.settings = DemoSettings()
        self.storage = MemoryStorage()

    async def event_ids(self) -> Sequence[str]:
        lines = [line for name in self.storage.list() for line in self.storage.read(name).splitlines()]
        headers = [wire.decode_envelope(line.partition(b" ")[2]).header for line in lines]
        return [f"{header.session_id}:{header.sequence}" for header in headers]

    async def break_(self) -> None:
        self.storage.on_operation = self._fail

    async def mend(self) -> None:
        self.storage.on_operation = None

    @staticmethod
    def _fail(operation: str, name: str) -> None:
        raise StorageError(f"{name}: {operation} failed: input/output error")


@asynccontextmanager
async def disk(state_dir: Path) -> AsyncIterator[Destination]:
    yield Disk()


def case_for(kind: str, name: str) -> SinkCase | None:
    """The case of the sink demo."""
    return SinkCase(SPEC, disk) if (kind, name) == ("sink", "demo") else None
