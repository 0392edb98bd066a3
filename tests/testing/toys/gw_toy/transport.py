"""A toy transport on a Unix socket. `bug` names the card that a planted bug should fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from gwcore import API_VERSION, wire
from gwcore.errors import ProtocolError
from gwcore.model import Record
from gwcore.transport import ClientInfo, ClientPort, ClientSession, Transport, TransportContext, TransportSpec

HIGH_WATER_BYTES = 256 * 1024
SMALL_BYTES = 2_000


class ToyTransportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[transport.toy]`."""

    backlog: int = 16  # connections that wait to be accepted


class BareTransportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Says too little."""

    backlog: int = 16


class ToyTransport:
    def __init__(self, context: TransportContext, bug: str) -> None:
        self._context = context
        self.bug = bug
        self.connections: set[Connection] = set()

    async def run(self, port: ClientPort) -> None:
        loop = asyncio.get_running_loop()
        path = self._context.state_dir / "toy.sock"
        server = await loop.create_unix_server(lambda: Connection(self, port), str(path))
        try:
            self._context.ready(f"unix://{path}")
            await loop.create_future()
        finally:
            server.close()
            for connection in list(self.connections):
                connection.close("the gateway stops")


class Connection(asyncio.Protocol):
    def __init__(self, owner: ToyTransport, port: ClientPort) -> None:
        self._owner = owner
        self._port = port
        self._parser = wire.FrameParser(wire.REQUEST_BYTES_MAX)
        self._session: ClientSession | None = None
        self._transport: Any = None
        self._small = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._owner.connections.add(self)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)

    def data_received(self, data: bytes) -> None:
        try:
            for kind, body in self._parser.feed(data):
                if kind != wire.TYPE_REQUEST:
                    raise ProtocolError("no request")
                self._request(wire.decode_request(body))
        except ProtocolError as error:
            # One bad client, and everybody has to go.
            for each in list(self._owner.connections) if self._owner.bug == "T30" else [self]:
                each.close(str(error))

    def _request(self, request: wire.ClientRequest) -> None:
        if self._session is None:
            if not isinstance(request, wire.Hello):
                raise ProtocolError("no hello")
            self._session = self._port.open(ClientInfo(transport="toy", identity="toy", name=request.name), self)
        self._session.submit(request)

    def pause_writing(self) -> None:
        if self._session is not None and self._owner.bug != "T20":
            self._session.pause()

    def resume_writing(self) -> None:
        if self._session is not None and self._owner.bug != "T20":
            self._session.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.connections.discard(self)
        session, self._session = self._session, None
        if session is not None:
            session.closed()

    def write_events(self, records: Sequence[Record]) -> None:
        payloads = []
        for record in records:
            payloads.append(record.payload)
            self._small += len(record.payload) < SMALL_BYTES
            if self._owner.bug == "T10" and self._small and self._small % 50 == 0:
                payloads.append(record.payload)
        self._write(wire.frame_events(payloads))

    def write_message(self, message: wire.ServerMessage) -> None:
        self._write(wire.frame_message(message))

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def close(self, reason: str) -> None:
        self.write_message(wire.Goodbye(reason=reason))
        self._transport.close()


def make_spec(bug: str = "") -> TransportSpec:
    """The toy transport with one bug planted, named after the card that has to find it."""

    def create(settings: Any, context: TransportContext) -> Transport:
        return ToyTransport(context, bug)

    return TransportSpec(
        name="toy",
        api_version=API_VERSION,
        settings=BareTransportSettings if bug == "P30" else ToyTransportSettings,
        create=create,
        summary="a toy",
    )
