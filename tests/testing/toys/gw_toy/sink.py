"""A toy sink into memory, with a server that can be cut off. `bug` names the card that a planted bug should fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from gwcore import API_VERSION
from gwcore.errors import NotConnected
from gwcore.model import Record
from gwcore.sink import SinkContext, SinkSpec


class ToySinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[sink.toy]`."""

    size: int = 10  # of nothing in particular


class BareSinkSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Says too little."""

    size: int = 10


class Server:
    """Where records arrive. Is its own destination for the cards."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_up = True
        self.settings = ToySinkSettings()
        self.storage: Any = None

    async def event_ids(self) -> Sequence[str]:
        return [record.event_id for record in self.records]

    async def break_(self) -> None:
        self.is_up = False

    async def mend(self) -> None:
        self.is_up = True


class ToySink:
    def __init__(self, server: Server, context: SinkContext, bug: str) -> None:
        self._server = server
        self._context = context
        self._bug = bug
        self._is_open = False
        self._is_closed = False
        self._pending: list[Record] = []
        self._waiting: dict[str, int] = {}  # written, and not reported yet

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        if not self._server.is_up:
            raise NotConnected("down")
        self._is_open, self._is_closed = True, False
        self._waiting.clear()
        stored = dict.fromkeys(cursors, 0)
        for record in self._server.records:
            stored[record.journal_class] = record.position
        if self._bug == "K20":
            # Sends again what failed, though the core will too.
            self._server.records += self._pending
            self._pending = []
        return stored

    async def write(self, batch: Sequence[Record]) -> None:
        if not batch:
            return
        if not self._is_open or not self._server.is_up:
            self._pending = list(batch)
            if self._bug == "K20 silent":
                return
            raise NotConnected("down")
        self._server.records += batch
        self._waiting[batch[0].journal_class] = batch[-1].position

    async def flush(self) -> None:
        if not self._server.is_up and self._bug != "K20 silent":
            raise NotConnected("down")
        for name, position in self._waiting.items():
            self._context.progress(name, position)
        self._waiting.clear()

    async def close(self) -> None:
        if self._is_closed and self._bug == "K10":
            raise RuntimeError("closed already")
        self._is_open, self._is_closed = False, True


def make(bug: str = "") -> tuple[SinkSpec, Callable[[Path], AbstractAsyncContextManager[Server]]]:
    """Spec and destination, with one bug planted, named after the card that has to find it."""
    servers: list[Server] = []

    @asynccontextmanager
    async def destination(state_dir: Path) -> AsyncIterator[Server]:
        servers.append(Server())
        yield servers[-1]

    spec = SinkSpec(
        name="toy",
        api_version=API_VERSION,
        settings=BareSinkSettings if bug == "P30" else ToySinkSettings,
        create=lambda settings, context: ToySink(servers[-1], context, bug),
        batch_max=16,
        linger_ms=1.0,
        summary="a toy",
    )
    return spec, destination
