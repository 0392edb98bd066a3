"""CorePort: the gateway's own fan-out and journal as a `ClientPort` on an event loop, driven like a `SmallPort`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from gwcore.engine.clients.access import Access
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.session import Session
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.publisher import Publisher
from gwcore.journal import Journal
from gwcore.model import Event, Record
from gwcore.runtime.clock import SystemClock
from gwcore.settings import ClientSettings, JournalSettings
from gwcore.testing.storage import MemoryStorage
from gwcore.transport import ClientInfo, ClientWriter


class Ids:
    def __init__(self, first: int) -> None:
        self._numbers = count(first)

    def session_id(self) -> str:
        return f"S{next(self._numbers)}"


class CorePort:
    """Called from the loop alone, `open` included. `restart` is a new gateway on the same journal."""

    def __init__(self, *, access: Access | None = None, **settings: Any) -> None:
        self._access = access
        self._clock = SystemClock()
        self._storage = MemoryStorage()
        self._settings = ClientSettings(**settings)
        self._journal: Journal | None = None
        self.desk: Any = None
        self._begin(1)

    @property
    def sessions(self) -> Sequence[Session]:
        return self.fanout.sessions

    def open(self, client: ClientInfo, writer: ClientWriter) -> Session:
        return self.fanout.open(client, writer)

    def publish(self, *events: Event, partition: str = "md.0") -> list[Record]:
        self._published: list[Record] = []
        for event in events:
            self.publisher.publish(self.publisher.partition(partition), event)
        assert self._journal is not None
        self._journal.commit()
        self.fanout.release()
        return self._published

    def equip(self, access: Access, make_desk: Callable[[Callable[..., Any]], Any]) -> None:
        """Users, and somebody who takes orders."""
        self.fanout.access = access
        self.fanout.orders = self.desk = make_desk(self.publish)

    def restart(self, reason: str = "") -> None:
        """A new session of every partition; with a reason clients are said goodbye."""
        if reason:
            self.fanout.close(reason)
        self._begin(100)

    def _begin(self, first_id: int) -> None:
        if self._journal is not None:
            self._journal.close()
        self._journal = Journal(self._storage, self._clock, JournalSettings())
        self.publisher = Publisher(
            venue="toy",
            source="toy",
            clock=self._clock,
            ids=Ids(first_id),
            journal=self._journal,
            on_record=self._on_record,
        )
        self.fanout = Fanout(
            identity=Identity(version="0", venue="toy", environment="test", source="toy"),
            publisher=self.publisher,
            state=CurrentState(),
            journal=self._journal,
            settings=self._settings,
            clock=self._clock,
            wake=self._wake,
            access=self._access,
        )

    def _on_record(self, record: Record, event: Event, partition: Any) -> None:
        self._published.append(record)
        self.fanout.on_record(record, event, partition)

    def _wake(self) -> None:
        asyncio.get_running_loop().call_soon(self.fanout.flush)
