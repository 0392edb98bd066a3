"""Connection: one client on the Unix socket: its frames, its heartbeats, its limits.

It must know nothing of markets, and whatever its client does harms this connection alone.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from gw_transports.settings import UnixSettings
from gwcore.errors import ProtocolError
from gwcore.model import Record
from gwcore.ports import Clock
from gwcore.transport import ClientInfo, ClientPort, ClientSession
from gwcore.wire import (
    PROTOCOL_VERSION,
    REQUEST_BYTES_MAX,
    TYPE_REQUEST,
    ClientRequest,
    FrameParser,
    Goodbye,
    Heartbeat,
    Hello,
    ServerMessage,
    Welcome,
    decode_request,
    frame_events,
    frame_message,
)

#: Beats of the client that may be missed in a row before it is cut.
MISSED_BEATS_MAX = 3
#: Bytes taken from one client in one turn of the loop: what bounds the work it can cause before others have theirs.
READ_BYTES_MAX = 16 * 1024

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


def peer_of(connection: socket.socket) -> Peer:
    """The process that connected. Raises OSError."""
    return Peer(*_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)))


@dataclass(slots=True)
class Tally:
    """Numbers of all connections of one transport together."""

    bytes: int = 0  # written
    cut: int = 0  # connections that were ended for what their client did or did not do


class Connection(asyncio.BufferedProtocol):
    """One client. Implements `ClientWriter`; called from the loop's thread alone."""

    def __init__(
        self,
        port: ClientPort,
        settings: UnixSettings,
        clock: Clock,
        on_open: Callable[[Connection], str],
        on_lost: Callable[[Connection], None],
        tally: Tally,
    ) -> None:
        self._port = port
        self._settings = settings
        self._clock = clock
        self._on_open = on_open
        self._on_lost = on_lost
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None  # None before it stands and after it is gone
        self._session: ClientSession | None = None
        self._peer: Peer | None = None
        self._buffer = memoryview(bytearray(READ_BYTES_MAX))
        self._parser = FrameParser(REQUEST_BYTES_MAX)
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._is_paused = False
        self._heard = False  # a whole frame since the last beat; half of one proves nothing
        self._wrote = False
        self._missed = 0
        self.close_reason = ""

    # --- called by asyncio --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        # Not checked by type: what uvloop makes is none of asyncio's, and does all that one does.
        self._transport = transport = cast(asyncio.Transport, transport)
        high = self._settings.high_water_bytes
        transport.set_write_buffer_limits(high=high, low=high // 4)
        refusal = self._on_open(self)
        if not refusal:
            try:
                self._peer = peer_of(transport.get_extra_info("socket"))
            except OSError as error:
                refusal = f"the system does not say who you are: {error.strerror or error}"
        if refusal:
            self.close(refusal)
        else:
            self._timer = self._loop.call_later(self._settings.hello_timeout_s, self._hello_is_late)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        """Bytes came."""
        if self._is_closing:
            return
        try:
            for frame_type, body in self._parser.feed(bytes(self._buffer[:count])):
                if frame_type != TYPE_REQUEST:
                    raise ProtocolError(f"a frame of type {frame_type!r}; a client sends {TYPE_REQUEST!r}")
                self._on_request(decode_request(body))
                if self._is_closing:
                    return
        except ProtocolError as error:
            self._cut(f"protocol error: {error}")

    def eof_received(self) -> bool:
        """The client closed its side: close ours."""
        return False

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        self._is_paused = True
        if self._session is not None:
            self._session.pause()

    def resume_writing(self) -> None:
        """It caught up."""
        self._is_paused = False
        if self._session is not None and not self._is_closing:
            self._session.resume()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        self._stop_timer()
        self._is_closing = True
        self._transport = None
        try:
            self._end_session()
        finally:
            self._on_lost(self)

    # --- ClientWriter -------------------------------------------------------------------------------------------------

    def write_events(self, records: Sequence[Record]) -> None:
        """Send encoded envelopes: one write for all of them."""
        if records:
            self._write(frame_events([record.payload for record in records]))

    def write_message(self, message: ServerMessage) -> None:
        """Send a control message, in order with the events."""
        if isinstance(message, Heartbeat) and self._is_paused:
            return  # what waits to be read already says that we live
        self._write(frame_message(message))
        if isinstance(message, Welcome) and not self._is_closing:
            self._stop_timer()
            if message.heartbeat_s > 0:
                self._timer = self._loop.call_later(message.heartbeat_s, self._beat, message.heartbeat_s)

    def close(self, reason: str) -> None:
        """Say goodbye with the reason and close; a client that does not read it is cut a little later."""
        if self._is_closing or self._transport is None:
            return
        self._write(frame_message(Goodbye(reason=reason)))
        self._end(reason)

    def abort(self, reason: str) -> None:
        """Cut at once."""
        if self._transport is not None:
            self._is_closing = True
            self.close_reason = self.close_reason or reason
            self._transport.abort()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _on_request(self, request: ClientRequest) -> None:
        self._heard = True
        if self._session is not None:
            if isinstance(request, Hello):
                raise ProtocolError("hello is said once")
            self._session.submit(request)
            return
        if not isinstance(request, Hello):
            raise ProtocolError("the first request has to be hello")
        if request.protocol != PROTOCOL_VERSION:
            raise ProtocolError(
                f"this gateway speaks client protocol {PROTOCOL_VERSION}, not {request.protocol}: install a client to match"
            )
        assert self._peer is not None
        info = ClientInfo(
            transport="unix",
            identity=f"uid:{self._peer.uid}",
            name=request.name,
            attributes={"pid": str(self._peer.pid), "gid": str(self._peer.gid)},
        )
        session = self._port.open(info, self)
        if self._transport is None or self._is_closing:
            session.closed()
            return
        self._session = session
        if self._is_paused:
            session.pause()
        session.submit(request)

    def _write(self, data: bytes) -> None:
        if self._is_closing or self._transport is None:
            return
        if self._is_paused and self._transport.get_write_buffer_size() > self._settings.unsent_bytes_max:
            self._tally.cut += 1
            self.abort("asked for more and read nothing")
            return
        self._wrote = True
        self._tally.bytes += len(data)
        # A view: of what a slow client leaves unsent asyncio cuts off what was sent, which would copy bytes each time.
        self._transport.write(memoryview(data))

    def _cut(self, reason: str) -> None:
        self._tally.cut += 1
        self.close(reason)

    def _end(self, reason: str) -> None:
        assert self._transport is not None
        self._is_closing = True
        self.close_reason = reason
        self._stop_timer()
        # Only our direction is closed: were the socket closed while the client writes, it would see a broken pipe and
        # never read the reason. It closes its side at our end of stream, or is cut.
        self._transport.write_eof()
        self._timer = self._loop.call_later(self._settings.close_s, self.abort, reason)
        self._end_session()

    def _end_session(self) -> None:
        # The core need not know how long a goodbye takes.
        session, self._session = self._session, None
        if session is not None:
            session.closed()

    def _hello_is_late(self) -> None:
        self._cut(f"no hello within {self._settings.hello_timeout_s:g} s")

    def _beat(self, interval_s: float) -> None:
        if self._is_closing:
            return
        self._missed = 0 if self._heard else self._missed + 1
        if self._missed >= MISSED_BEATS_MAX:
            self._cut(f"nothing heard for {MISSED_BEATS_MAX * interval_s:g} s: send a ping every {interval_s:g} s")
            return
        if not self._wrote and not self._is_paused:
            self._write(frame_message(Heartbeat(time_ns=self._clock.now_ns())))
        self._heard = self._wrote = False
        self._timer = self._loop.call_later(interval_s, self._beat, interval_s)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
