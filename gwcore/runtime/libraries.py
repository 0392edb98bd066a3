"""Which WebSocket client and which event loop this process uses: what `[runtime]` asks for, among what is installed.

`auto` takes picows and uvloop (the extra `fast`) where they are. The engine can't tell them from the default ones.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import NamedTuple, Protocol

from gwcore.errors import ConfigError
from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint
from gwcore.runtime.venue import websocket


class Connect(Protocol):
    """Opens a WebSocket. Raises VenueUnavailable with the cause, AuthenticationError on 401."""

    async def __call__(self, endpoint: Endpoint, listener: ConnectionListener, clock: Clock) -> Connection:
        """An open connection; the listener hears of its frames and of its end, once."""
        ...


class WebSocketClient(NamedTuple):
    """A library and the way into it."""

    library: str
    connect: Connect


class EventLoop(NamedTuple):
    """A library and what makes its loops."""

    library: str
    factory: Callable[[], asyncio.AbstractEventLoop]


def find_client(wanted: str) -> WebSocketClient:
    """The client for `runtime.websocket`. Raises ConfigError where it names what is not installed."""
    if not _takes(wanted, "picows", "websocket"):
        return WebSocketClient("websockets", websocket.connect)
    from gwcore.runtime.venue import picows_websocket

    return WebSocketClient("picows", picows_websocket.connect)


def find_loop(wanted: str) -> EventLoop:
    """The loop for `runtime.loop`. Raises ConfigError where it names what is not installed."""
    if not _takes(wanted, "uvloop", "loop"):
        return EventLoop("asyncio", asyncio.new_event_loop)
    import uvloop

    return EventLoop("uvloop", uvloop.new_event_loop)


def _takes(wanted: str, library: str, key: str) -> bool:
    if wanted not in ("auto", library):
        return False
    if importlib.util.find_spec(library) is not None:
        return True
    if wanted == library:
        raise ConfigError(
            f'runtime.{key}: "{library}" is not installed', hint='pip install "gwcore[fast]", or leave it at "auto"'
        )
    return False
