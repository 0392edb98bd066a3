"""One WebSocket client connection: the `websockets` library's protocol (no I/O) inside an asyncio.Protocol.

The library does handshake, control frames, fragments, faults and closing; here is the way of bytes to it and of messages to
the listener, in one synchronous call per read. Whole messages take a shorter way past it: see `frames`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from gwcore.errors import AuthenticationError, VenueUnavailable
from gwcore.ports import Clock, ConnectionListener, Endpoint
from gwcore.runtime.venue.frames import FrameSplitter

#: A pong that is late by this much ends the connection.
PONG_TIMEOUT_S = 20.0
#: How long a closing handshake may take before the socket is cut.
CLOSE_TIMEOUT_S = 2.0


class WebSocket(asyncio.Protocol):
    """One connection. Implements `ports.Connection`; made by `connect`."""

    def __init__(self, endpoint: Endpoint, listener: ConnectionListener, clock: Clock) -> None:
        self._endpoint = endpoint
        self._listener = listener
        self._now_ns = clock.now_ns
        self._loop = asyncio.get_running_loop()
        uri = parse_uri(endpoint.url)
        self._protocol = ClientProtocol(uri, max_size=endpoint.frame_bytes_max)
        self._splitter = FrameSplitter(endpoint.frame_bytes_max)
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self._parts: list[bytes] = []
        self._cause: str | None = None
        self._cut_timer: asyncio.TimerHandle | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._pong_due: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP (and TLS) stands: ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's do what that does without being one
        request = self._protocol.connect()
        for name, value in self._endpoint.headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        self._write()

    def data_received(self, data: bytes) -> None:
        """Bytes came: hand over every whole message in them, then say that the burst is over."""
        received_ns = self._now_ns()
        on_frame = self._listener.on_frame
        for is_message, piece in self._splitter.feed(data):
            if is_message:
                on_frame(piece, received_ns)
            else:
                self._to_library(piece, received_ns)
        if self.opened.done() and not self.opened.cancelled() and self.opened.exception() is None:
            self._listener.on_burst_end()
        if self._protocol.close_expected():
            self._cut_later()

    def _to_library(self, data: bytes, received_ns: int) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._on_frame(event, received_ns)
            elif isinstance(event, Response):
                self._on_response()
        self._write()
        if self._protocol.state is not State.OPEN:
            self._splitter.passes = True

    def eof_received(self) -> bool:
        """The peer closed its side."""
        with contextlib.suppress(EOFError):
            self._protocol.receive_eof()
        self._write()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        for handle in (self._cut_timer, self._ping_timer, self._pong_due):
            if handle is not None:
                handle.cancel()
        if self._protocol.state is not State.CLOSED:
            with contextlib.suppress(EOFError):
                self._protocol.receive_eof()
        cause = self._cause or self._close_cause(error)
        if not self.opened.done():
            self.opened.set_exception(VenueUnavailable(f"{self._endpoint.url}: {cause}"))
        elif not self.opened.cancelled() and self.opened.exception() is None:
            self._listener.on_close(cause)

    def _close_cause(self, error: Exception | None) -> str:
        if error is not None:
            return f"connection lost: {error}"
        return close_text(self._protocol.close_code, self._protocol.close_reason)

    # --- messages -------------------------------------------------------------------------------------------------

    def _on_response(self) -> None:
        error = self._protocol.handshake_exc
        if error is None:
            self.opened.set_result(None)
            self._arm_ping()
            return
        if isinstance(error, InvalidStatus):
            status = error.response.status_code
            text = f"{self._endpoint.url}: HTTP {status} instead of a WebSocket"
            wrapped = AuthenticationError(text) if status == 401 else VenueUnavailable(text)
        else:
            wrapped = VenueUnavailable(f"{self._endpoint.url}: handshake failed: {error}")
        self.opened.set_exception(wrapped)
        if self._transport is not None:
            self._transport.abort()

    def _on_frame(self, frame: Frame, received_ns: int) -> None:
        opcode = frame.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            if frame.fin:
                self._listener.on_frame(bytes(frame.data), received_ns)
            else:
                self._parts = [bytes(frame.data)]
        elif opcode is Opcode.CONT:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                whole, self._parts = b"".join(self._parts), []
                self._listener.on_frame(whole, received_ns)
        elif opcode is Opcode.PONG and self._pong_due is not None:
            self._pong_due.cancel()
            self._pong_due = None

    def _write(self) -> None:
        transport = self._transport
        for data in self._protocol.data_to_send():
            if data:
                if transport is not None and not transport.is_closing():
                    transport.write(data)
            elif transport is not None and transport.can_write_eof():
                transport.write_eof()
            elif transport is not None:
                transport.close()

    # --- keep-alive -----------------------------------------------------------------------------------------------

    def _arm_ping(self) -> None:
        if self._endpoint.protocol_ping_s is not None:
            self._ping_timer = self._loop.call_later(self._endpoint.protocol_ping_s, self._ping)

    def _ping(self) -> None:
        if self._protocol.state is not State.OPEN:
            return
        self._protocol.send_ping(b"gw")
        self._write()
        if self._pong_due is None:
            self._pong_due = self._loop.call_later(PONG_TIMEOUT_S, self._pong_missing)
        self._arm_ping()

    def _pong_missing(self) -> None:
        self._cause = f"no pong for {PONG_TIMEOUT_S:g} s"
        if self._transport is not None:
            self._transport.abort()

    # --- ports.Connection -----------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Queue a frame; after closing it does nothing."""
        if self._protocol.state is not State.OPEN:
            return
        if self._endpoint.binary:
            self._protocol.send_binary(frame)
        else:
            self._protocol.send_text(frame)
        self._write()

    def close(self, reason: str) -> None:
        """Close with a closing handshake; cut after a while where the peer does not answer."""
        self._cause = self._cause or reason
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._write()
        self._cut_later()

    def abort(self) -> None:
        """Cut the socket at once."""
        if self._transport is not None:
            self._transport.abort()

    def _cut_later(self) -> None:
        if self._cut_timer is None and self._transport is not None:
            self._cut_timer = self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)


def close_text(code: int | None, reason: str | None) -> str:
    """Why a connection ended, by what the peer's closing frame says; without one, `code` is None or 1006."""
    if code is None or code == 1006:
        return "connection lost without a closing frame"
    return f"closed by the peer: {code} {reason or ''}".rstrip()


def split_url(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether TLS is wanted. Raises VenueUnavailable for what is no WebSocket address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or parts.scheme not in ("ws", "wss"):
        raise VenueUnavailable(f"{url!r} is no WebSocket address: it starts with wss:// or ws://")
    is_secure = parts.scheme == "wss"
    return host, port or (443 if is_secure else 80), is_secure


async def connect(endpoint: Endpoint, listener: ConnectionListener, clock: Clock) -> WebSocket:
    """Open a WebSocket. Raises VenueUnavailable with the cause, AuthenticationError on 401."""
    host, port, is_secure = split_url(endpoint.url)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(endpoint.connect_timeout_s):
            _, websocket = await loop.create_connection(
                lambda: WebSocket(endpoint, listener, clock),
                host,
                port,
                ssl=ssl.create_default_context() if is_secure else None,
                # Kraken refuses handshakes without SNI (spot API sheet §1).
                server_hostname=host if is_secure else None,
            )
            try:
                await websocket.opened
            except asyncio.CancelledError:
                websocket.abort()
                raise
            return websocket
    except TimeoutError:
        raise VenueUnavailable(f"{endpoint.url}: no connection within {endpoint.connect_timeout_s:g} s") from None
    except (OSError, InvalidURI, InvalidHandshake) as error:
        raise VenueUnavailable(f"{endpoint.url}: {error}") from error
