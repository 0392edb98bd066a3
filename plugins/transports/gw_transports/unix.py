"""The Unix socket transport: length-prefixed frames of `gwcore.wire` on a socket that file permissions guard."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from gw_transports.connection import Connection, Tally
from gw_transports.settings import UnixSettings
from gw_transports.socket_file import SocketFile
from gwcore import API_VERSION, hookimpl
from gwcore.errors import ConfigError
from gwcore.transport import ClientPort, Transport, TransportContext, TransportCounters, TransportSpec


class UnixTransport:
    """Serves clients on one socket until cancelled."""

    def __init__(self, settings: UnixSettings, context: TransportContext) -> None:
        _check(settings)
        path = Path(settings.path).expanduser() if settings.path else context.state_dir / "run" / "gw.sock"
        self.path = Path(os.path.abspath(path))
        self._settings = settings
        self._context = context
        self._connections: set[Connection] = set()
        self._all_gone: asyncio.Future[None] | None = None  # made when we stop
        self.tally = Tally()
        self.refused = 0  # connections over the limit
        context.counters(self._counters)

    @property
    def connections(self) -> int:
        """Connections open now, those that have not said hello included."""
        return len(self._connections)

    def _counters(self) -> TransportCounters:
        return TransportCounters(self.connections, self.tally.bytes, self.refused + self.tally.cut)

    async def run(self, port: ClientPort) -> None:
        """Serve until cancelled. Raises ConfigError where the socket can't be had."""
        loop = asyncio.get_running_loop()
        file = SocketFile(self.path, self._settings.group)
        listener = file.open()
        try:
            # asyncio survives running out of file descriptors: it stops accepting for a second and tries again.
            server = await loop.create_unix_server(lambda: self._connection(port), sock=listener)
        except BaseException:
            listener.close()
            file.close()
            raise
        try:
            self._context.ready(f"unix://{self.path}")
            await loop.create_future()
        finally:
            server.close()
            file.close()
            await self._close_all()

    def _connection(self, port: ClientPort) -> Connection:
        return Connection(port, self._settings, self._context.clock, self._on_open, self._on_lost, self.tally)

    def _on_open(self, connection: Connection) -> str:
        # Those refused are counted too until they are gone: they hold a file descriptor as well.
        is_full = len(self._connections) >= self._settings.connections_max
        self._connections.add(connection)
        if not is_full:
            return ""
        self.refused += 1
        return f"{self._settings.connections_max} connections are open, which is the limit: try again later"

    def _on_lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    async def _close_all(self) -> None:
        # The core said goodbye to its clients before it cancels us; whoever is left gets to know now.
        for connection in list(self._connections):
            connection.close("the gateway stops")
        # Each of them is cut after `close_s` at the latest.
        if self._connections:
            self._all_gone = asyncio.get_running_loop().create_future()
            await self._all_gone


def _check(settings: UnixSettings) -> None:
    if not hasattr(socket, "SO_PEERCRED"):
        raise ConfigError(
            "this system does not say who connects to a Unix socket (SO_PEERCRED)",
            place="transport.unix",
            hint="run the gateway on Linux",
        )
    for name in ("connections_max", "hello_timeout_s", "high_water_bytes", "unsent_bytes_max", "close_s"):
        if getattr(settings, name) <= 0:
            raise ConfigError(
                "has to be above zero", place=f"transport.unix.{name}", hint="leave it out for the default"
            )
    if settings.unsent_bytes_max < settings.high_water_bytes:
        raise ConfigError(
            f"{settings.unsent_bytes_max} is below high_water_bytes ({settings.high_water_bytes})",
            place="transport.unix.unsent_bytes_max",
            hint="a client has to be held back before it is cut",
        )


def _create(settings: UnixSettings, context: TransportContext) -> Transport:
    return UnixTransport(settings, context)


SPEC = TransportSpec(
    name="unix",
    api_version=API_VERSION,
    settings=UnixSettings,
    create=_create,
    summary="Unix domain socket for clients on this machine",
)


@hookimpl
def gw_register_transports() -> Iterable[TransportSpec]:
    """The one transport of this module."""
    return [SPEC]
