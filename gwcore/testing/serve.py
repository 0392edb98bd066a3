"""Puts any Simulator on loopback: WebSocket and HTTP on one port, over the real clock.

    async with serve(simulator) as server:
        ...  # server.port, server.ws_url, server.rest_url

Each socket is one `Peer`: its first request decides. An upgrade becomes a WebSocket (`websockets`, its sans-I/O core,
no compression), anything else is HTTP with keep-alive: GET and POST, so REST with private POSTs needs no second port.
Paths under /sim/ control the simulator (see sim_admin). Time comes from the simulator's `next_ns`: one timer, no
polling; frames that fall due within a millisecond leave in one write.

Limits: a client that reads slower than it is sent to is cut at BUFFER_BYTES_MAX. When the simulator has more to send
at once (a replay at full speed) it is not asked for more while a client is behind, for at most STALL_S.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal, SimFrame, Simulator
from gwcore.testing import sim_admin
from gwcore.testing.busiest import BusiestWindow
from gwcore.testing.http_requests import BadRequest, RequestReader, response_bytes

#: Frames due within this time of each other leave together.
TICK_S = 0.001
PAUSE_BYTES = 256 * 1024
BUFFER_BYTES_MAX = 64 * 1024 * 1024
STALL_S = 5.0
#: How long a closing handshake may take.
CLOSE_S = 2.0
CLIENT_FRAME_BYTES_MAX = 1024 * 1024
CONNECTIONS_MAX = 1024
_GOING_AWAY = 1001
_SECOND_NS = 1_000_000_000
#: Connection attempts are limited in windows of this length where they are at all (Kraken's; see `stats`).
ATTEMPTS_WINDOW_NS = 600 * _SECOND_NS


class Server:
    """One simulator and its sockets. Made by `serve`."""

    def __init__(self, simulator: Simulator, host: str, clock: Callable[[], int]) -> None:
        self.simulator = simulator
        self.host = host
        self.port = 0
        self.peers: set[Peer] = set()
        self.counts = {"connects": 0, "refused": 0, "http": 0, "frames_sent": 0, "frames_received": 0, "cut": 0}
        self._attempts = BusiestWindow(ATTEMPTS_WINDOW_NS)
        self._received_in_second_max = 0  # of one connection, those that are gone included
        self._by_connection: dict[int, Peer] = {}
        self._behind: set[Peer] = set()
        self._clock = clock
        self._last_ns = 0
        self._timer: asyncio.Handle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def ws_url(self) -> str:
        """Where WebSockets connect; the simulator's path comes behind it (Kraken: /v2)."""
        return f"ws://{self.host}:{self.port}"

    @property
    def rest_url(self) -> str:
        """Where REST is asked; the venue's path comes behind it."""
        return f"http://{self.host}:{self.port}"

    def now_ns(self) -> int:
        """The clock; it never goes back."""
        self._last_ns = max(self._last_ns, self._clock())
        return self._last_ns

    def stats(self) -> dict[str, Any]:
        """Counts, the busiest windows (attempts to connect, frames of one client), and a row for each open connection."""
        rows = [peer.stats() for peer in self._by_connection.values()]
        busiest = {
            "attempts_in_10_minutes_max": self._attempts.most,
            "frames_received_in_second_max": self._received_in_second_max,
        }
        return {**self.counts, **busiest, "connections": rows}

    def wake(self) -> None:
        """Something happened: look for frames at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._closed else self._loop.call_soon(self._tick)

    def close(self) -> None:
        """Cut all."""
        self._closed = True
        for timer in (self._timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        for peer in list(self.peers):
            peer.abort()

    # -- called by peers ---------------------------------------------------------------------------------------

    def answer(self, request: HttpRequest) -> HttpResponse:
        """One HTTP request."""
        self.counts["http"] += 1
        now_ns = self.now_ns()
        self.wake()
        if request.url.startswith(sim_admin.PREFIX):
            return sim_admin.handle(self.simulator, request, self.stats, now_ns)
        return self.simulator.http(request, now_ns)

    def connect(self, peer: Peer, path: str) -> int | Refusal:
        """One WebSocket handshake."""
        now_ns = self.now_ns()
        self._attempts.add(now_ns)
        answer = self.simulator.open(path, now_ns)
        if isinstance(answer, Refusal):
            self.counts["refused"] += 1
        else:
            self.counts["connects"] += 1
            self._by_connection[answer] = peer
        self.wake()
        return answer

    def receive(self, peer: Peer, connection: int, frame: bytes) -> None:
        """One whole message of a client."""
        self.counts["frames_received"] += 1
        now_ns = self.now_ns()
        peer.received_in_second.add(now_ns)
        self._received_in_second_max = max(self._received_in_second_max, peer.received_in_second.most)
        self.simulator.receive(connection, frame, now_ns)
        self.wake()

    def lose(self, peer: Peer) -> None:
        """A socket is gone."""
        self.peers.discard(peer)
        self.catch_up(peer)
        if peer.connection is not None and self._by_connection.pop(peer.connection, None) is not None:
            self.simulator.close(peer.connection, self.now_ns())

    def fall_behind(self, peer: Peer) -> None:
        """A socket takes no more for now."""
        self._behind.add(peer)

    def catch_up(self, peer: Peer) -> None:
        """A socket takes more again."""
        self._behind.discard(peer)
        if not self._behind and self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
            self.wake()

    # -- time --------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._timer = None
        now_ns = self.now_ns()
        touched: dict[Peer, None] = {}
        for item in self.simulator.advance(now_ns):
            peer = self._by_connection.get(item.connection)
            if peer is not None:
                self._hand_over(peer, item)
                touched[peer] = None
        for peer in touched:
            peer.flush()
            if peer.buffered() > BUFFER_BYTES_MAX:
                self.counts["cut"] += 1
                peer.abort()
        self._plan(now_ns)

    def _hand_over(self, peer: Peer, item: SimFrame) -> None:
        if item.frame is not None:
            self.counts["frames_sent"] += 1
            peer.queue(item.frame)
            return
        self._by_connection.pop(item.connection, None)
        peer.connection = None
        if item.abort:
            peer.flush()
            peer.abort()
        else:
            peer.close()

    def _plan(self, now_ns: int) -> None:
        next_ns = self.simulator.next_ns()
        if next_ns is None or self._closed or self._timer is not None:
            return
        if next_ns > now_ns:
            delay_s = max((next_ns - self.now_ns()) / _SECOND_NS, TICK_S)
            self._timer = self._loop.call_later(delay_s, self._tick)
        elif not self._behind:
            self._timer = self._loop.call_soon(self._tick)
        elif self._stall_timer is None:
            self._stall_timer = self._loop.call_later(STALL_S, self._stop_waiting)

    def _stop_waiting(self) -> None:
        self._stall_timer = None
        self._behind.clear()
        self.wake()


class Peer(asyncio.Protocol):
    """One socket: HTTP until it upgrades."""

    def __init__(self, server: Server) -> None:
        self.connection: int | None = None
        self.path = ""
        self.sent = self.received = self.bytes_sent = 0
        self.received_in_second = BusiestWindow(_SECOND_NS)
        self._server = server
        self._requests = RequestReader()
        self._socket: ServerProtocol | None = None
        self._pieces: list[bytes] = []
        self._out: list[bytes] = []

    # -- asyncio -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        # Not checked by type: what uvloop makes is none of asyncio's, and does all that one does.
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=PAUSE_BYTES)
        if len(self._server.peers) >= CONNECTIONS_MAX:
            transport.abort()
            return
        self._server.peers.add(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._socket is not None:
            self._socket.receive_data(data)
            self._on_events(self._socket)
            return
        self._requests.feed(data)
        try:
            self._serve_http()
        except BadRequest as error:
            answer = HttpResponse(status=400, body=str(error).encode())
            self._transport.write(response_bytes(answer, close=True))
            self._transport.close()

    def eof_received(self) -> None:
        """Called by asyncio; returning None closes the socket."""
        if self._socket is not None:
            self._socket.receive_eof()

    def pause_writing(self) -> None:
        """Called by asyncio: the client reads slower than it is sent to."""
        self._server.fall_behind(self)

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._server.catch_up(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._server.lose(self)

    # -- for the server ----------------------------------------------------------------------------------------

    def queue(self, frame: bytes) -> None:
        """A text frame; `flush` sends all queued ones in one write."""
        self._out.append(Frame(Opcode.TEXT, frame).serialize(mask=False))
        self.sent += 1

    def flush(self) -> None:
        """Write what is queued."""
        if self._out and not self._transport.is_closing():
            data = b"".join(self._out)
            self.bytes_sent += len(data)
            self._transport.write(data)
        self._out.clear()

    def buffered(self) -> int:
        """Bytes that the client has not taken."""
        return self._transport.get_write_buffer_size()

    def close(self) -> None:
        """Close with a closing handshake, cut it if that takes long."""
        self.flush()
        if self._socket is not None and self._socket.state is State.OPEN:
            self._socket.send_close(_GOING_AWAY)
            self._write_protocol(self._socket)
            asyncio.get_running_loop().call_later(CLOSE_S, self._transport.abort)
        else:
            self._transport.close()

    def abort(self) -> None:
        """As a broken line."""
        self._transport.abort()

    def stats(self) -> dict[str, Any]:
        """One row of the server's statistics."""
        return {
            "connection": self.connection,
            "path": self.path,
            "frames_sent": self.sent,
            "frames_received": self.received,
            "frames_received_in_second_max": self.received_in_second.most,
            "bytes_sent": self.bytes_sent,
            "bytes_buffered": self.buffered(),
        }

    # -- HTTP --------------------------------------------------------------------------------------------------

    def _serve_http(self) -> None:
        while (head := self._requests.head()) is not None:
            if head.headers.get("upgrade", "").lower() == "websocket":
                self._upgrade()
                return
            request = self._requests.next()
            if request is None:
                return
            close = request.headers.get("connection", "").lower() == "close"
            answer = self._server.answer(request)
            if answer.status:  # 0: lost on its way
                self._transport.write(response_bytes(answer, close=close))
            if close or not answer.status:
                self._transport.close()
                return

    # -- WebSocket ---------------------------------------------------------------------------------------------

    def _upgrade(self) -> None:
        self._socket = ServerProtocol(max_size=CLIENT_FRAME_BYTES_MAX)
        self._socket.receive_data(self._requests.take_all())
        self._on_events(self._socket)

    def _on_events(self, socket: ServerProtocol) -> None:
        for event in socket.events_received():
            if isinstance(event, Request):
                self._handshake(socket, event)
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._pieces.append(bytes(event.data))
                if event.fin:
                    message, self._pieces = b"".join(self._pieces), []
                    self.received += 1
                    if self.connection is not None:
                        self._server.receive(self, self.connection, message)
        self._write_protocol(socket)

    def _handshake(self, socket: ServerProtocol, request: Request) -> None:
        response = socket.accept(request)
        if response.status_code == 101:
            answer = self._server.connect(self, request.path)
            if isinstance(answer, Refusal):
                response = socket.reject(answer.status, answer.body.decode("utf-8", "replace"))
            else:
                self.connection, self.path = answer, request.path
        socket.send_response(response)

    def _write_protocol(self, socket: ServerProtocol) -> None:
        for data in socket.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:  # the end of what the library has to send
                self._transport.close()


@contextlib.asynccontextmanager
async def serve(
    simulator: Simulator, host: str = "127.0.0.1", port: int = 0, *, clock: Callable[[], int] = time.time_ns
) -> AsyncIterator[Server]:
    """Serve `simulator` until the block is left. Port 0: any free one. Raises OSError where it can't listen."""
    server = Server(simulator, host, clock)
    listener = await asyncio.get_running_loop().create_server(lambda: Peer(server), host, port)
    try:
        server.port = listener.sockets[0].getsockname()[1]
        server.wake()
        yield server
    finally:
        listener.close()
        server.close()
        await listener.wait_closed()


def serve_until_signal(simulator: Simulator, host: str, port: int, on_ready: Callable[[Server], None]) -> None:
    """Serve until SIGINT or SIGTERM, blocking. `on_ready` is called once it listens. Raises OSError if it can't."""
    asyncio.run(_until_signal(simulator, host, port, on_ready))


async def _until_signal(simulator: Simulator, host: str, port: int, on_ready: Callable[[Server], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with serve(simulator, host, port) as server:
        on_ready(server)
        await stop.wait()
