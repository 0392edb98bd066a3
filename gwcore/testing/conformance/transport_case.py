"""TransportCase: a client transport as the cards see it: its spec, and how a client reaches it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from gwcore.client.address import socket_path
from gwcore.plugins import PluginEntry
from gwcore.testing.conformance.card import Notes
from gwcore.transport import TransportSpec

#: A byte stream to the address that `TransportContext.ready` was called with.
Dial: TypeAlias = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
#: What has to run beside the transport while a card does, in a folder; gives settings that lead there.
Beside: TypeAlias = Callable[[Path], contextlib.AbstractContextManager[Mapping[str, Any]]]


@contextlib.contextmanager
def nothing_beside(folder: Path) -> Iterator[Mapping[str, Any]]:
    """A transport that stands alone."""
    yield {}


async def dial_unix(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To `unix:///path`. Raises ConfigError for another address: then the case needs a `dial` of its own."""
    return await asyncio.open_unix_connection(str(socket_path(address)))


@dataclass
class TransportCase:
    """A transport to be checked: one that carries the frames of `gwcore.wire` on a byte stream.

    Where a broker stands between, `dial` is a client of the broker that speaks frames to the card; `shared_sessions` are the
    sessions of the core that carry events to all clients at once, and whoever is slow is the broker's to cut.
    """

    spec: TransportSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    dial: Dial = dial_unix
    slow_bytes_max: int = 64 * 1024 * 1024  # written to a client that reads nothing, until it is held back or cut
    beside: Beside = nothing_beside
    shared_sessions: int = 0
    entry: PluginEntry | None = None
    notes: Notes = field(default_factory=Notes)

    def settings_object(self, more: Mapping[str, Any] | None = None) -> Any:
        """The plugin's settings, with those that `beside` gave. Raises msgspec.ValidationError."""
        return msgspec.convert({**self.settings, **(more or {})}, self.spec.settings)
