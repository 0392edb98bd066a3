"""SinkCase: a sink plugin as the cards see it: its spec, and a destination whose author can look into it and break it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gwcore.plugins import PluginEntry
from gwcore.ports import Storage
from gwcore.sink import SinkSpec
from gwcore.testing.conformance.card import Notes, require


class Destination(Protocol):
    """Where a sink takes records. Written by the sink's author; one for each card, empty at first."""

    @property
    def settings(self) -> Any:
        """The sink's settings for this destination."""
        ...

    @property
    def storage(self) -> Storage:
        """The sink's own directory."""
        ...

    async def event_ids(self) -> Sequence[str]:
        """Event ids (`session_id:sequence`) of all that arrived and is durable, in the order it is kept for each partition.

        Called after the sink was closed.
        """
        ...

    async def break_(self) -> None:
        """From now on nothing arrives: the server is killed, the disk is full. The sink is connected."""
        ...

    async def mend(self) -> None:
        """It works again, with what it had."""
        ...


@dataclass
class SinkCase:
    """A sink to be checked. `destination(state_dir)` makes one below an empty state directory and takes it down again."""

    spec: SinkSpec
    destination: Callable[[Path], AbstractAsyncContextManager[Destination]] | None = None
    entry: PluginEntry | None = None
    notes: Notes = field(default_factory=Notes)

    def open(self, state_dir: Path) -> AbstractAsyncContextManager[Destination]:
        """A new destination. Fails the card where the case has none: durability is claimed by every sink, so it is shown."""
        require(self.destination is not None, "there is no destination to look into: give SinkCase one")
        assert self.destination is not None
        return self.destination(state_dir)
