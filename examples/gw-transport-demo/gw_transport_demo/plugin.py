"""DemoTransport: the frames of `gwcore.wire` over TCP on this machine. Whoever can connect is a client: an example."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from gwcore import wire
from gwcore.errors import ProtocolError
from gwcore.hookspecs import hookimpl
from gwcore.model import Record
from gwcore.transport import ClientInfo, ClientPort, ClientSession, TransportContext, TransportSpec

#: Bytes that may wait in the system's buffers and ours until the core is told to pause.
HIGH_WATER_BYTES = 256 * 1024
LOOPBACK = "127.0.0.1"


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[transport.demo]`."""

    port: int = 0  # where clients come; 0: any free one
    close_s: float = 0.2  # how long a client that is cut has to read why


class DemoTransport:
    """The Transport of the contract."""

    def __init__(self, settings: DemoSettings, context: TransportContext) -> None:
        self.settings = settings
        self._ready = context.ready
        self.clients: set[DemoClient] = set()

    async def run(self, port: ClientPort) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: DemoClient(self, port), LOOPBACK, self.settings.port)
        try:
            self._ready(f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}")
            await loop.create_future()
        finally:
            server.close()
            for client in list(self.clients):
                client.close("the gateway stops")


class DemoClient(asyncio.Protocol):
    """One client: a protocol of asyncio, and the ClientWriter of the contract."""

    def __init__(self, owner: DemoTransport, port: ClientPort) -> None:
        self._owner = owner
        self._port = port
        self._parser = wire.FrameParser(wire.REQUEST_BYTES_MAX)
        self._session: ClientSession | None = None
        self._line: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came."""
        assert isinstance(transport, asyncio.Transport)
        self._line = transport
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._owner.clients.add(self)

    def data_received(self, data: bytes) -> None:
        """Whole frames are requests; whoever sends anything else is cut."""
        try:
            for kind, body in self._parser.feed(data):
                if self._line.is_closing():
                    return
                if kind != wire.TYPE_REQUEST:
                    raise ProtocolError("not a request")
                self._submit(wire.decode_request(body))
        except ProtocolError as error:
            self.close(str(error))

    def _submit(self, request: wire.ClientRequest) -> None:
        if self._session is None:
            if not isinstance(request, wire.Hello):
                raise ProtocolError("say hello first")
            who = ClientInfo(transport="demo", identity="tcp", name=request.name)
            self._session = self._port.open(who, self)
        self._session.submit(request)

    def pause_writing(self) -> None:
        """He reads too slowly."""
        if self._session is not None:
            self._session.pause()

    def resume_writing(self) -> None:
        """He has caught up."""
        if self._session is not None:
            self._session.resume()

    def connection_lost(self, error: Exception | None) -> None:
        """He is gone."""
        self._owner.clients.discard(self)
        session, self._session = self._session, None
        if session is not None:
            session.closed()

    def write_events(self, records: Sequence[Record]) -> None:
        """All events of a turn in one write."""
        self._write(wire.frame_events([record.payload for record in records]))

    def write_message(self, message: wire.ServerMessage) -> None:
        """A message of the core."""
        self._write(wire.frame_message(message))

    def close(self, reason: str) -> None:
        """Say why, and go; also from one who reads nothing."""
        self._write(wire.frame_message(wire.Goodbye(reason=reason)))
        self._line.close()
        asyncio.get_running_loop().call_later(self._owner.settings.close_s, self._line.abort)

    def _write(self, data: bytes) -> None:
        if not self._line.is_closing():
            self._line.write(data)


SPEC = TransportSpec(
    name="demo",
    api_version=1,
    settings=DemoSettings,
    create=DemoTransport,
    summary="An example: frames over TCP on this machine.",
)


@hookimpl
def gw_register_transports() -> Iterable[TransportSpec]:
    """The one transport of this plugin."""
    return [SPEC]
