"""The same connection as `websocket.WebSocket`, over picows: its compiled parser does the frames. Extra `fast`.

picows does handshake, masks and frame faults; keep-alive, fragments and closing are here, by the same rules and limits as
there. Nothing else imports picows.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import cast

from picows import (
    WSError,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)
from picows.picows import WSCloseCode
from picows.url import WSParsedURL

from gwcore.errors import AuthenticationError, VenueUnavailable
from gwcore.ports import Clock, ConnectionListener, Endpoint
from gwcore.runtime.venue.websocket import CLOSE_TIMEOUT_S, PONG_TIMEOUT_S, close_text, split_url

# Members by name: looking one up in its class costs as much as reading a frame.
_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PING, _PONG, _CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
_NO_CODE = 1005


class PicowsWebSocket(WSListener):
    """One connection. Implements `ports.Connection`; made by `connect`."""

    def __init__(self, endpoint: Endpoint, listener: ConnectionListener, clock: Clock) -> None:
        self._endpoint = endpoint
        self._on_message = listener.on_frame
        self._on_burst_end = listener.on_burst_end
        self._on_close = listener.on_close
        self._now_ns = clock.now_ns
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._received_ns = 0  # of the read under way; 0 between two
        self._parts: list[bytes] | None = None  # fragments of a message that is not whole
        self._parts_bytes = 0
        self._is_closing = False  # a closing frame was sent or came: nothing is sent any more
        self._is_broken = False  # nothing is heard any more
        self._cause: str | None = None
        self._cut_timer: asyncio.TimerHandle | None = None
        self._ping_timer: asyncio.TimerHandle | None = None
        self._pong_due: asyncio.TimerHandle | None = None
        self._farewell: asyncio.Task[None] | None = None

    # --- picows' listener -----------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        self._arm_ping()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame; `last_in_buffer` is the burst's end."""
        received_ns = self._received_ns
        if not received_ns:
            received_ns = self._received_ns = self._now_ns()
        try:
            kind = frame.msg_type
            if (kind is _TEXT or kind is _BINARY) and frame.fin and self._parts is None and not frame.rsv1:
                self._on_message(frame.get_payload_as_bytes(), received_ns)
            elif not self._is_broken:
                self._on_other(transport, frame, received_ns)
            if frame.last_in_buffer:
                self._received_ns = 0
                self._on_burst_end()
        except WSProtocolError as error:
            self._cause = self._cause or f"the peer broke the protocol: {error.args[1]}"
            self._hear_no_more()
            raise
        except Exception as error:
            # As asyncio does it for a protocol of its own: told with its traceback, and the connection is over.
            self._loop.call_exception_handler({"message": "a WebSocket's listener failed", "exception": error})
            self._cause = self._cause or f"connection lost: {error}"
            self._hear_no_more()
            self.abort()

    def _hear_no_more(self) -> None:
        # picows goes on with what else is in its buffer.
        self._is_closing = self._is_broken = True
        self._on_message, self._on_burst_end = _ignore_message, _ignore_burst_end

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone."""
        for handle in (self._cut_timer, self._ping_timer, self._pong_due):
            if handle is not None:
                handle.cancel()
        self._is_closing = True
        self._farewell = self._loop.create_task(_forget_error(transport))
        self._on_close(self._cause or self._close_cause(transport))

    def pause_writing(self) -> None:
        """What we send is a few requests: the transport's buffer holds them."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    @staticmethod
    def _close_cause(transport: WSTransport) -> str:
        handshake = transport.close_handshake
        if handshake is None:
            return close_text(None, None)
        if handshake.recv is not None:
            return close_text(int(cast(int, handshake.recv.code)) or _NO_CODE, handshake.recv.reason)
        # picows found the fault, said it to the peer and hung up.
        return f"the peer broke the protocol: {handshake.sent.reason}" if handshake.sent else close_text(None, None)

    def _on_other(self, transport: WSTransport, frame: WSFrame, received_ns: int) -> None:
        """Everything that is not a whole message: control frames, fragments, reserved bits."""
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "reserved bits must be 0")
        if kind is _PING:
            if not self._is_closing:
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind is _PONG:
            if self._pong_due is not None:
                self._pong_due.cancel()
                self._pong_due = None
        elif kind is _CLOSE:
            self._on_close_frame(transport)
        else:
            self._on_fragment(frame, received_ns)

    def _on_fragment(self, frame: WSFrame, received_ns: int) -> None:
        if (frame.msg_type is _CONTINUATION) is (self._parts is None):
            raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, "a fragment out of its order")
        parts = [] if self._parts is None else self._parts
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > self._endpoint.frame_bytes_max:
            raise WSProtocolError(
                WSCloseCode.MESSAGE_TOO_BIG, f"a message over {self._endpoint.frame_bytes_max} bytes in fragments"
            )
        parts.append(frame.get_payload_as_bytes())
        self._parts = parts
        if frame.fin:
            self._parts, self._parts_bytes = None, 0
            self._on_message(b"".join(parts), received_ns)

    def _on_close_frame(self, transport: WSTransport) -> None:
        """Answer in kind; the server hangs up."""
        if not transport.is_close_frame_sent:
            transport.send_close(WSCloseCode.OK)
        self._is_closing = True
        self._cut_later()

    # --- keep-alive -----------------------------------------------------------------------------------------------

    def _arm_ping(self) -> None:
        if self._endpoint.protocol_ping_s is not None:
            self._ping_timer = self._loop.call_later(self._endpoint.protocol_ping_s, self._ping)

    def _ping(self) -> None:
        if self._is_closing or self._transport is None:
            return
        self._transport.send_ping(b"gw")
        if self._pong_due is None:
            self._pong_due = self._loop.call_later(PONG_TIMEOUT_S, self._pong_missing)
        self._arm_ping()

    def _pong_missing(self) -> None:
        self._cause = f"no pong for {PONG_TIMEOUT_S:g} s"
        self.abort()

    # --- ports.Connection -----------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Queue a frame; after closing it does nothing."""
        if not self._is_closing and self._transport is not None:
            self._transport.send(_BINARY if self._endpoint.binary else _TEXT, frame)

    def close(self, reason: str) -> None:
        """Close with a closing handshake; cut after a while where the peer does not answer."""
        self._cause = self._cause or reason
        if not self._is_closing and self._transport is not None:
            self._is_closing = True
            self._transport.send_close(WSCloseCode.OK)
        self._cut_later()

    def abort(self) -> None:
        """Cut the socket at once."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _cut_later(self) -> None:
        if self._cut_timer is None and self._transport is not None:
            self._cut_timer = self._loop.call_later(CLOSE_TIMEOUT_S, self.abort)


def _ignore_message(frame: bytes, received_ns: int) -> None:
    pass


def _ignore_burst_end() -> None:
    pass


async def _forget_error(transport: WSTransport) -> None:
    # picows logged what it found and keeps it in a future, which asyncio reports as lost unless somebody asks for it.
    with contextlib.suppress(Exception):
        await transport.wait_disconnected()


class _Dialer:
    """Connects the TCP socket, so that a try that is given up can be ended: `ws_connect` would leave it open."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    async def dial(self, url: WSParsedURL) -> socket.socket:
        """A connected socket to the first address that answers. Raises OSError, the last address' one."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        failed: OSError = OSError(f"no address for {url.host}")
        for family, kind, protocol, _, address in found:
            attempt = socket.socket(family, kind, protocol)
            try:
                attempt.setblocking(False)
                await loop.sock_connect(attempt, address)
            except OSError as error:
                attempt.close()
                failed = error
            except BaseException:
                attempt.close()
                raise
            else:
                self._socket = attempt
                return attempt
        raise failed

    def hang_up(self) -> None:
        """End of stream for both sides: whoever has the socket now closes it."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


async def connect(endpoint: Endpoint, listener: ConnectionListener, clock: Clock) -> PicowsWebSocket:
    """Open a WebSocket. Raises VenueUnavailable with the cause, AuthenticationError on 401."""
    _, _, is_secure = split_url(endpoint.url)
    dialer = _Dialer()
    try:
        async with asyncio.timeout(endpoint.connect_timeout_s):
            _, websocket = await ws_connect(
                lambda: PicowsWebSocket(endpoint, listener, clock),
                endpoint.url,
                # Kraken refuses handshakes without SNI (spot API sheet §1); picows sends the host's name.
                ssl_context=ssl.create_default_context() if is_secure else None,
                websocket_handshake_timeout=None,  # ours is around all of it
                enable_auto_pong=False,  # a burst that ends with a ping would not be seen to end
                max_frame_size=endpoint.frame_bytes_max,
                extra_headers=endpoint.headers,
                max_redirects=0,
                socket_factory=dialer.dial,
            )
    except TimeoutError:
        dialer.hang_up()
        raise VenueUnavailable(f"{endpoint.url}: no connection within {endpoint.connect_timeout_s:g} s") from None
    except asyncio.CancelledError:
        dialer.hang_up()
        raise
    except WSHandshakeError as error:
        if error.response is None or int(error.response.status) == 101:
            raise VenueUnavailable(f"{endpoint.url}: handshake failed: {error}") from error
        status = int(error.response.status)
        text = f"{endpoint.url}: HTTP {status} instead of a WebSocket"
        raise (AuthenticationError(text) if status == 401 else VenueUnavailable(text)) from error
    except (OSError, WSError, ValueError) as error:
        raise VenueUnavailable(f"{endpoint.url}: {error}") from error
    if not isinstance(websocket, PicowsWebSocket):  # the peer hung up before it answered
        raise VenueUnavailable(f"{endpoint.url}: {close_text(None, None)}")
    return websocket
