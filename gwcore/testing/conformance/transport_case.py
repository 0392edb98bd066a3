"""TransportCase: a client transport as the cards see it: its spec, and how a client reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from gwcore.client.address import socket_path
from gwcore.plugins import PluginEntry
from gwcore.testing.conformance.card import Notes
from gwcore.transport import TransportSpec

#: A byte stream to the address that `TransportContext.ready` was called with.
Dial: TypeAlias = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def dial_unix(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To `unix:///path`. Raises ConfigError for another address: then the case needs a `dial` of its own."""
    return await asyncio.open_unix_connection(str(socket_path(address)))


@dataclass
class TransportCase:
    """A transport to be checked: one that carries the frames of `gwcore.wire` on a byte stream."""

    spec: TransportSpec
    settings: Mapping[str, Any] = field(default_factory=dict)
    dial: Dial = dial_unix
    slow_bytes_max: int = 64 * 1024 * 1024  # written to a client that reads nothing, until it is held back or cut
    entry: PluginEntry | None = None
    notes: Notes = field(default_factory=Notes)

    def settings_object(self) -> Any:
        """The plugin's settings. Raises msgspec.ValidationError."""
        return msgspec.convert(dict(self.settings), self.spec.settings)
