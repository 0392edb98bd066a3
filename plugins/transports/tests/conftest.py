"""What the transport's tests stand on: a transport that serves a SmallPort, and peers that do exactly what a test says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from gw_transports.settings import UnixSettings
from gw_transports.unix import UnixTransport

from gwcore import wire
from gwcore.model import Envelope
from gwcore.testing.client_port import SmallPort
from gwcore.transport import TransportContext

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
            ),
        )
        self.path = str(self.transport.path)
        self.peers: list[Peer] = []

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
