"""What the transport's tests stand on: a transport that serves a SmallPort, and peers that do exactly what a test says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
import pytest
from gw_transports.nats import NatsTransport
from gw_transports.nats_settings import NatsTransportSettings
from gw_transports.settings import UnixSettings
from gw_transports.unix import UnixTransport
from nats.aio.client import Client
from nats.aio.msg import Msg

from gwcore import wire
from gwcore.model import Envelope
from gwcore.nats_connection import flush_client
from gwcore.runtime.clock import SystemClock as RealClock
from gwcore.testing.client_port import SmallPort
from gwcore.testing.nats_server import NatsServer
from gwcore.transport import TransportContext, TransportCounters

HELLO = wire.frame_request(wire.Hello(name="tester"))


class SystemClock:
    def now_ns(self) -> int:
        return 7

    def monotonic_ns(self) -> int:
        return 7


class Peer:
    """A client that does exactly what a test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._parser = wire.FrameParser(wire.FRAME_BYTES_MAX)
        self._frames: list[tuple[bytes, bytes]] = []

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> Envelope | wire.ServerMessage | None:
        """The next frame; None at the end of the stream."""
        while not self._frames:
            try:
                data = await self.reader.read(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._frames += self._parser.feed(data)
        kind, body = self._frames.pop(0)
        return wire.decode_envelope(body) if kind == wire.TYPE_EVENT else wire.decode_message(body)

    async def goodbye(self) -> str:
        """The reason the server gives at the end of the stream, whatever came before it."""
        reason = "(none)"
        while (frame := await self.receive()) is not None:
            if isinstance(frame, wire.Goodbye):
                reason = frame.reason
        return reason

    def close(self) -> None:
        self.writer.transport.abort()


class Stage:
    """A transport that serves."""

    def __init__(self, tmp_path: Path, port: SmallPort, **settings: Any) -> None:
        self.port = port
        settings.setdefault("close_s", 0.05)
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[str] = self.loop.create_future()
        self.transport = UnixTransport(
            UnixSettings(**settings),
            TransportContext(
                venue="toy",
                environment="test",
                source="toy",
                state_dir=tmp_path,
                clock=SystemClock(),
                ready=self.ready.set_result,
                counters=self._keep_counters,
            ),
        )
        self.path = str(self.transport.path)
        self.peers: list[Peer] = []

    def _keep_counters(self, read: Callable[[], TransportCounters]) -> None:
        self.counters = read

    async def peer(self, hello: bool = True, sock: socket.socket | None = None) -> Peer:
        opening = asyncio.open_unix_connection(sock=sock) if sock else asyncio.open_unix_connection(self.path)
        peer = Peer(*await opening)
        self.peers.append(peer)
        if hello:
            peer.send(HELLO)
            assert isinstance(await peer.receive(), wire.Welcome)
        return peer

    async def check_healthy(self, peer: Peer) -> None:
        """Another client is served as if nothing happened."""
        peer.send(wire.frame_request(wire.Ping(request_id=99)))
        while not (isinstance(frame := await peer.receive(), wire.Heartbeat) and frame.request_id == 99):
            assert frame is not None

    @staticmethod
    def subscribe(request_id: int = 1, **options: Any) -> bytes:
        return wire.frame_request(wire.Subscribe(request_id=request_id, **options))

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        """Turn the loop until it holds; pytest's time limit is the limit."""
        while not condition():  # noqa: ASYNC110 - what is waited for belongs to the code under test, which sets no event
            await asyncio.sleep(0)


def _play(
    tmp_path: Path, scene: Callable[[Stage], Awaitable[None]], port: SmallPort | None = None, **settings: Any
) -> Stage:
    async def main() -> Stage:
        stage = Stage(tmp_path, port or SmallPort(), **settings)
        serving = asyncio.create_task(stage.transport.run(stage.port))
        try:
            serving.add_done_callback(lambda task: None if stage.ready.done() else stage.ready.set_result(""))
            if not await stage.ready:
                await serving
            await scene(stage)
        finally:
            for peer in stage.peers:
                peer.close()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving
        return stage

    return asyncio.run(main())


@pytest.fixture
def make_stage(tmp_path: Path) -> Callable[..., Stage]:
    return lambda **settings: Stage(tmp_path, SmallPort(), **settings)


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Stage]:
    """Run a scene: `play(scene, port, **settings)`."""

    def run(scene: Callable[[Stage], Awaitable[None]], port: SmallPort | None = None, **settings: Any) -> Stage:
        return _play(tmp_path, scene, port, **settings)

    return run


# --- NATS -------------------------------------------------------------------------------------------------------------


async def _ignore(error: Exception) -> None:
    """nats-py would log what tests do to servers."""


class NatsPeer:
    """A client over NATS, of one user, that does exactly what a test says. What it hears waits in `heard`."""

    def __init__(self, client: Client, user: str, prefix: str) -> None:
        self.client = client
        self.user = user
        self.prefix = prefix
        self.heard: asyncio.Queue[Msg] = asyncio.Queue()
        self.answers: asyncio.Queue[Msg] = asyncio.Queue()
        self.inbox = client.new_inbox()

    async def start(self, *subjects: str) -> None:
        """Listen to the inbox and to these subjects (below the prefix), and be sure that the server knows."""
        await self.client.subscribe(self.inbox, cb=self.answers.put)
        for subject in subjects:
            await self.client.subscribe(f"{self.prefix}.{subject}", cb=self.heard.put, pending_bytes_limit=1 << 30)
        await flush_client(self.client, 10.0)

    async def is_back(self) -> None:
        """Wait until it is connected, again or still, and the server knows what it listens to: else it may hear nothing."""
        while not self.client.is_connected:  # nats-py sets no event  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await flush_client(self.client, 10.0)

    async def send(self, data: bytes, verb: str, *, user: str = "", reply: str = "") -> None:
        """Bytes as a request."""
        subject = f"{self.prefix}.cmd.{user or self.user}.{verb}"
        await self.client.publish(subject, data, reply=reply or self.inbox)
        await flush_client(self.client, 10.0)

    async def request(self, request: Any, verb: str = "") -> None:
        await self.send(wire.encode(request), verb or request.__struct_config__.tag)

    async def message(self) -> Any:
        """The next control message on the inbox; events before it are passed over."""
        while True:
            answer = await self.answers.get()
            if answer.headers["Gw-Type"] == "C":
                return wire.decode_message(answer.data)

    async def state(self) -> tuple[list[Msg], Any]:
        """Events on the inbox up to the end of the answer, and that end."""
        events: list[Msg] = []
        while True:
            answer = await self.answers.get()
            if answer.headers["Gw-Type"] == "E":
                events.append(answer)
            elif not isinstance(message := wire.decode_message(answer.data), wire.Subscribed | wire.Welcome):
                return events, message

    async def events(self, count: int) -> list[Msg]:
        """The next messages on the subjects."""
        return [await self.heard.get() for _ in range(count)]


class Relay:
    """A way to a server that can be cut, and that can swallow what a connection sends, as a dying server does."""

    def __init__(self, server: NatsServer) -> None:
        self._server = server
        self._writers: list[asyncio.StreamWriter] = []
        self._listener: asyncio.Server | None = None
        self.is_swallowing = False
        self.swallowed = 0
        self.url = ""

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"nats://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections, and be a good way again for the next ones."""
        self.is_swallowing = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def stop(self) -> None:
        assert self._listener is not None
        self._listener.close()
        self.cut()
        await self._listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        self._writers += [writer, far_writer]
        with suppress(OSError):
            await asyncio.gather(self._pass(reader, far_writer, True), self._pass(far_reader, writer, False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_up: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if is_up and self.is_swallowing:
                    self.swallowed += len(data)
                else:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


class NatsStage:
    """A NATS transport on a real server; the core is a SmallPort. Each stage has an environment, so subjects, of its own."""

    _count = 0

    def __init__(self, tmp_path: Path, server: NatsServer, port: SmallPort, **settings: Any) -> None:
        NatsStage._count += 1
        self.server = server
        self.port = port
        self.environment = f"t{NatsStage._count}"
        self.prefix = f"gw.{self.environment}.toy"
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.statuses: list[str] = []
        self.peers: list[NatsPeer] = []
        self.relay: Relay | None = None
        self.transport = NatsTransport(
            NatsTransportSettings(**{"url": server.url} | settings),
            TransportContext(
                venue="toy",
                environment=self.environment,
                source="gw1",
                state_dir=tmp_path,
                clock=RealClock(),
                ready=self.ready.set_result,
                status=lambda cause, _: self.statuses.append(cause),
                counters=self._keep_counters,
            ),
        )

    def _keep_counters(self, read: Callable[[], TransportCounters]) -> None:
        self.counters = read

    async def peer(self, user: str = "alice", /, *subjects: str, **options: Any) -> NatsPeer:
        """A connected client that listens to these subjects."""
        options = {"allow_reconnect": False, "error_cb": _ignore, "inbox_prefix": f"_INBOX.{user}"} | options
        peer = NatsPeer(await nats.connect(self.server.url, **options), user, self.prefix)
        self.peers.append(peer)
        await peer.start(*subjects)
        return peer

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        """Turn the loop until it holds; pytest's time limit is the limit."""
        while not condition():  # noqa: ASYNC110 - what is waited for belongs to the code under test, which sets no event
            await asyncio.sleep(0.001)


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server that nobody may break."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def make_nats(tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """`make_nats(extra="")`: a server of the test's own that runs; all end with the test."""
    servers: list[NatsServer] = []

    def make(**options: Any) -> NatsServer:
        server = NatsServer(tmp_path / f"nats-{len(servers)}", **options)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.kill()


@pytest.fixture
def play_nats(tmp_path: Path, nats_server: NatsServer) -> Callable[..., NatsStage]:
    """Run a scene: `play_nats(scene, server=None, port=None, relayed=False, **settings)`."""

    def run(
        scene: Callable[[NatsStage], Awaitable[None]],
        server: NatsServer | None = None,
        port: SmallPort | None = None,
        relayed: bool = False,
        **settings: Any,
    ) -> NatsStage:
        async def main() -> NatsStage:
            relay = Relay(server or nats_server)
            if relayed:
                await relay.start()
                settings["url"] = relay.url
            stage = NatsStage(tmp_path, server or nats_server, port or SmallPort(), **settings)
            stage.relay = relay
            serving = asyncio.create_task(stage.transport.run(stage.port))
            try:
                await asyncio.wait({serving, stage.ready}, return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    await serving
                await scene(stage)
            finally:
                serving.cancel()
                with suppress(asyncio.CancelledError):
                    await serving
                for peer in stage.peers:
                    await peer.client.close()
                if relayed:
                    await relay.stop()
            return stage

        return asyncio.run(main())

    return run
