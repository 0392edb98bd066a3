"""MemoryTransport: clients of a `ClientPort` without sockets: for the seeded simulation, on virtual time or none.

`dial()` gives the asyncio client a connection whose other end is the core; `attach()` gives a bare `Session` one that moves
only when pumped. Both can be stalled, cut and made to arrive in small pieces: what real sockets do when they like.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gwcore.client.session import Item, Session
from gwcore.errors import ProtocolError
from gwcore.hookspecs import API_VERSION
from gwcore.model import Record
from gwcore.transport import ClientInfo, ClientPort, ClientSession, Transport, TransportContext, TransportSpec
from gwcore.wire import (
    REQUEST_BYTES_MAX,
    TYPE_REQUEST,
    FrameParser,
    Goodbye,
    Hello,
    ServerMessage,
    decode_request,
    frame_events,
    frame_message,
)

#: Unread bytes at which the core is told to hold back, as a socket's write buffer would.
HIGH_WATER_BYTES = 256 * 1024
#: Rounds of one pump; a wire that never falls silent is a fault.
_PUMP_ROUNDS_MAX = 10_000


class MemoryLink:
    """The core's end of one client. Implements `ClientWriter`. What it wrote waits until `take()`."""

    def __init__(self, port: ClientPort, identity: str = "uid:0", high_water_bytes: int = HIGH_WATER_BYTES) -> None:
        self.is_closed = False
        self.is_stalled = False  # set by `stall`: the client's end reads nothing
        self.wrote: Callable[[], None] = lambda: None  # called when there is something to take, or an end
        self._port = port
        self._identity = identity
        self._high = high_water_bytes
        self._session: ClientSession | None = None
        self._parser = FrameParser(REQUEST_BYTES_MAX)
        self._out: deque[bytes] = deque()
        self._out_bytes = 0
        self._is_paused = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes written and not taken."""
        return self._out_bytes

    # --- ClientWriter -------------------------------------------------------------------------------------------------

    def write_events(self, records: Sequence[Record]) -> None:
        """Send encoded envelopes."""
        if records:
            self._write(frame_events([record.payload for record in records]))

    def write_message(self, message: ServerMessage) -> None:
        """Send a control message."""
        self._write(frame_message(message))

    def close(self, reason: str) -> None:
        """Say goodbye and close."""
        if not self.is_closed:
            self._write(frame_message(Goodbye(reason=reason)))
            self._closed()

    def _write(self, data: bytes) -> None:
        if self.is_closed:
            return
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > self._high and not self._is_paused:
            self._is_paused = True
            if self._session is not None:
                self._session.pause()
        self.wrote()

    # --- the client's end ---------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Bytes of the client."""
        if self.is_closed:
            return
        try:
            for frame_type, body in self._parser.feed(data):
                if frame_type != TYPE_REQUEST:
                    raise ProtocolError(f"a frame of type {frame_type!r}")
                request = decode_request(body)
                if self._session is None:
                    if not isinstance(request, Hello):
                        raise ProtocolError("the first request has to be hello")
                    client = ClientInfo(transport="memory", identity=self._identity, name=request.name)
                    session = self._port.open(client, self)
                    if self.is_closed:
                        session.closed()
                        return
                    self._session = session
                    if self._is_paused:
                        session.pause()
                self._session.submit(request)
                if self.is_closed:
                    return
        except ProtocolError as error:
            self.close(f"protocol error: {error}")

    def take(self, bytes_max: int | None = None) -> bytes:
        """What the core wrote, at most `bytes_max`; empty when there is nothing."""
        if self.is_stalled:
            return b""
        taken: list[bytes] = []
        room = self._out_bytes if bytes_max is None else bytes_max
        while self._out and room > 0:
            piece = self._out.popleft()
            if len(piece) > room:
                self._out.appendleft(piece[room:])
                piece = piece[:room]
            room -= len(piece)
            self._out_bytes -= len(piece)
            taken.append(piece)
        if self._is_paused and self._out_bytes * 4 <= self._high:
            self._is_paused = False
            if self._session is not None and not self.is_closed:
                self._session.resume()
        return b"".join(taken)

    def stall(self, is_stalled: bool = True) -> None:
        """The client stops reading, or (False) reads again."""
        self.is_stalled = is_stalled
        self.wrote()

    def cut(self) -> None:
        """The wire breaks: what was not taken is lost."""
        self._out.clear()
        self._out_bytes = 0
        self._closed()

    def _closed(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        session, self._session = self._session, None
        if session is not None:
            session.closed()
        self.wrote()


class Wire:
    """A bare `Session` and a MemoryLink, moved by `pump()` alone: nothing happens between two calls."""

    def __init__(self, session: Session, link: MemoryLink) -> None:
        self.session = session
        self.link = link
        self.is_open = True
        session.on_open()

    def pump(self, chunk_bytes: int | None = None) -> list[Item]:
        """Move bytes both ways, in pieces of `chunk_bytes`, until nothing moves. Returns what the session made of them."""
        items: list[Item] = []
        for _ in range(_PUMP_ROUNDS_MAX):
            request = self.session.bytes_to_send() if self.is_open else b""
            if request:
                self.link.receive(request)
            data = self.link.take(chunk_bytes)
            if data:
                items += self.session.on_bytes(data)
                continue
            if self.link.is_closed or self.session.fault is not None:
                self.cut("the gateway closed")
            if not request:
                return items
        raise AssertionError(f"a wire that does not fall silent within {_PUMP_ROUNDS_MAX} rounds")

    def cut(self, cause: str = "cut") -> None:
        """Break the connection, in both directions at once."""
        if self.is_open:
            self.is_open = False
            self.link.cut()
            self.session.on_close(cause)


class MemoryTransport:
    """A transport whose clients live in the same process. Implements `Transport`; make clients once it runs."""

    def __init__(self, context: TransportContext | None = None) -> None:
        self.links: list[MemoryLink] = []  # of every connection there was
        self._context = context
        self._port: ClientPort | None = None

    async def run(self, port: ClientPort) -> None:
        """Serve until cancelled."""
        self.serve(port)
        if self._context is not None:
            self._context.ready("memory://")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for link in self.links:
                link.close("the gateway stops")
            self._port = None

    def serve(self, port: ClientPort) -> None:
        """Connect clients to this port from now on."""
        self._port = port

    def attach(self, session: Session) -> Wire:
        """A wire for a bare session. Raises ConnectionRefusedError while nothing is served."""
        return Wire(session, self._link())

    async def dial(self, protocol: Callable[[], asyncio.Protocol]) -> object:
        """For `Client(dial=...)`: a connection over the loop alone. Raises ConnectionRefusedError while nothing is served."""
        return MemorySocket(self._link(), protocol())

    def _link(self) -> MemoryLink:
        if self._port is None:
            raise ConnectionRefusedError(111, "Connection refused")
        link = MemoryLink(self._port)
        self.links.append(link)
        return link

    def spec(self) -> TransportSpec:
        """This very transport as a plugin would register it: for configurations made in tests."""

        def create(settings: Any, context: TransportContext) -> Transport:
            self._context = context
            return self

        return TransportSpec(
            name="memory", api_version=API_VERSION, settings=MemorySettings, create=create, summary="for tests"
        )


class MemorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No settings."""


class MemorySocket(asyncio.Transport):
    """The client's asyncio transport on a MemoryLink. Bytes travel in callbacks of the loop, one a turn and direction."""

    def __init__(self, link: MemoryLink, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.link = link
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._is_reading = True
        self._is_closing = False
        self._is_lost = False
        self._is_due = False
        self._sent: deque[bytes] = deque()
        link.wrote = self._soon
        protocol.connection_made(self)
        self._soon()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes to the core."""
        if not self._is_closing:
            self._sent.append(bytes(data))
            self._soon()

    def close(self) -> None:
        """Send what is written, then close."""
        self._is_closing = True
        self._soon()

    def abort(self) -> None:
        """Close at once."""
        self._sent.clear()
        self.close()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Take nothing from the core for now."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Take on."""
        self._is_reading = True
        self._soon()

    def _soon(self) -> None:
        if not self._is_due and not self._is_lost:
            self._is_due = True
            self._loop.call_soon(self._move)

    def _move(self) -> None:
        self._is_due = False
        if self._is_lost:
            return
        while self._sent:
            self.link.receive(self._sent.popleft())
        data = self.link.take() if self._is_reading and not self._is_closing else b""
        if data:
            self._protocol.data_received(data)
        if self._is_closing or (self.link.is_closed and not self.link.waiting_bytes):
            self._is_lost = self._is_closing = True
            self.link.cut()
            self._protocol.connection_lost(None)
