"""The Unix transport against real sockets and hostile clients; the core is a SmallPort."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gw_transports.settings import UnixSettings
from gw_transports.unix import SPEC, UnixTransport, gw_register_transports

from gwcore import wire
from gwcore.errors import ConfigError
from gwcore.model import Envelope
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import trade
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

    async def peer(self, hello: bool = True) -> Peer:
        peer = Peer(*await asyncio.open_unix_connection(self.path))
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


def play(
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


def subscribe(request_id: int = 1, **options: Any) -> bytes:
    return wire.frame_request(wire.Subscribe(request_id=request_id, **options))


async def until(condition: Callable[[], bool]) -> None:
    """Turn the loop until it holds; pytest's time limit is the limit."""
    while not condition():  # noqa: ASYNC110 - what is waited for belongs to the code under test, which sets no event
        await asyncio.sleep(0)


def test_it_is_registered() -> None:
    assert list(gw_register_transports()) == [SPEC]
    assert msgspec.convert({}, SPEC.settings) == UnixSettings()


def test_events_and_identity(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        assert await stage.ready == f"unix://{tmp_path}/run/gw.sock"
        peer = await stage.peer()
        [info] = stage.port.opened
        assert (info.transport, info.identity, info.name) == ("unix", f"uid:{os.getuid()}", "tester")
        assert info.attributes == {"pid": str(os.getpid()), "gid": str(os.getgid())}
        peer.send(subscribe())
        assert await peer.receive() == wire.Subscribed(request_id=1)
        assert await peer.receive() == wire.SnapshotEnd(request_id=1)
        records = stage.port.publish(trade(trade_id="1"), trade(trade_id="2"))
        for record in records:
            assert wire.encode(await peer.receive()) == record.payload

    stage = play(tmp_path, scene)
    assert not (tmp_path / "run" / "gw.sock").exists()
    assert stage.transport.connections == 0
    assert not stage.port.sessions


def test_one_batch_is_one_write(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer()
        peer.send(subscribe())
        await until(lambda: len(stage.port.sessions[0].requests) == 2)
        connection = stage.port.sessions[0]._writer
        transport = connection._transport  # type: ignore[attr-defined]
        writes: list[int] = []

        class Counting:
            def write(self, data: bytes) -> None:
                writes.append(len(data))
                transport.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

        connection._transport = Counting()  # type: ignore[attr-defined]
        records = stage.port.publish(*[trade() for _ in range(100)])
        assert writes == [sum(len(record.payload) + 5 for record in records)]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "protocol error: a frame of 1195725856 bytes; a frame has 1 to 65536"),
        (b"\xff\xff\xff\xff", "protocol error: a frame of 4294967295 bytes"),
        (b"\0\0\0\0", "protocol error: a frame of 0 bytes"),
        (b"\0\0\0\x03E{}", "protocol error: a frame of type b'E'"),
        (b"\0\0\0\x03R{}", "protocol error: not a request"),
        (b"\0\0\0\x05R\xff\xfe\xfd\xfc", "protocol error: not a request"),
        (wire.frame_request(wire.Ping()), "protocol error: the first request has to be hello"),
        (wire.frame_request(wire.Hello(protocol=9)), "this gateway speaks client protocol 1, not 9"),
        (HELLO + HELLO, "protocol error: hello is said once"),
        (HELLO + wire.frame_request(wire.Hello(name="x" * 70_000)), "a frame of 70"),
    ],
    ids=["http", "4 GiB", "empty", "event", "no request", "binary", "no hello", "version", "twice", "too long"],
)
def test_garbage_ends_with_the_reason_and_harms_nobody(tmp_path: Path, data: bytes, reason: str) -> None:
    async def scene(stage: Stage) -> None:
        healthy = await stage.peer()
        bad = await stage.peer(hello=False)
        bad.send(data)
        assert reason in await bad.goodbye()
        await stage.check_healthy(healthy)
        assert len(stage.port.sessions) == 1

    play(tmp_path, scene)


def test_half_frames_are_whole_frames_later(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer(hello=False)
        for index in range(len(HELLO)):
            peer.send(HELLO[index : index + 1])
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert isinstance(await peer.receive(), wire.Welcome)

    play(tmp_path, scene)


@pytest.mark.parametrize("start", [b"", HELLO[:-1]], ids=["nothing", "half"])
def test_a_late_hello_is_not_waited_for(tmp_path: Path, start: bytes) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer(hello=False)
        peer.send(start)
        assert await peer.goodbye() == "no hello within 0.02 s"
        assert not stage.port.opened

    play(tmp_path, scene, hello_timeout_s=0.02)


def test_a_client_that_leaves_in_the_middle_of_a_frame_is_forgotten(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer()
        peer.send(subscribe()[:7])
        peer.close()
        await until(lambda: not stage.port.sessions and not stage.transport.connections)

    play(tmp_path, scene)


def test_connections_over_the_limit_are_told_so(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        first, _ = await stage.peer(), await stage.peer()
        third = await stage.peer(hello=False)
        assert await third.goodbye() == "2 connections are open, which is the limit: try again later"
        assert stage.transport.refused == 1
        first.close()
        await until(lambda: stage.transport.connections == 1)
        await stage.peer()

    play(tmp_path, scene, connections_max=2)


def test_two_hundred_clients_get_the_same(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peers = [await stage.peer() for _ in range(200)]
        for peer in peers:
            peer.send(subscribe())
        await until(lambda: all(len(session.requests) == 2 for session in stage.port.sessions))
        [record] = stage.port.publish(trade())
        for peer in peers:
            await peer.receive()
            await peer.receive()
            assert wire.encode(await peer.receive()) == record.payload

    play(tmp_path, scene)


def test_a_slow_reader_holds_back_the_core_and_nobody_else(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        slow, fast = await stage.peer(), await stage.peer()
        slow.send(subscribe())
        await until(lambda: len(stage.port.sessions[0].requests) == 2)
        session = stage.port.sessions[0]
        connection = session._writer
        stuck: list[int] = []
        for _ in range(200):
            stage.port.publish(*[trade() for _ in range(100)])
            stuck.append(connection._transport.get_write_buffer_size())  # type: ignore[attr-defined]
        assert session.is_paused
        batch = 100 * 400
        assert max(stuck) <= 64 * 1024 + batch  # what stood at the limit, and one batch on top
        assert len(set(stuck[-50:])) == 1  # not called any more
        assert session.dropped > 0
        await stage.check_healthy(fast)
        # Once it reads it gets what was written, then the gap, then news.
        kinds: list[str] = []
        while not kinds or kinds[-1] != "Gap":
            frame = await slow.receive()
            if isinstance(frame, Envelope):
                kinds.append(type(frame.event).__name__)
        assert not session.is_paused
        [record] = stage.port.publish(trade(trade_id="last"))
        while not (isinstance(frame, Envelope) and frame.event == trade(trade_id="last")):
            frame = await slow.receive()
        assert wire.encode(frame) == record.payload

    play(tmp_path, scene, SmallPort(pending_max=50), high_water_bytes=64 * 1024)


def test_who_asks_and_never_reads_is_cut(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.port.publish(*[trade() for _ in range(200)])
        peer, healthy = await stage.peer(), await stage.peer()
        session = stage.port.sessions[0]
        for number in range(1, 2000):
            if not session.is_open:
                break
            # Pings alone never pile up answers; replays do.
            peer.send(wire.frame_request(wire.Ping(request_id=number)) + subscribe(number, from_start=True))
            await until(lambda: len(session.requests) >= 2 * number or not session.is_open)  # noqa: B023
        assert not session.is_open
        await stage.check_healthy(healthy)

    play(tmp_path, scene, high_water_bytes=64 * 1024, unsent_bytes_max=256 * 1024)


def test_an_idle_client_hears_heartbeats(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer()
        assert await peer.receive() == wire.Heartbeat(time_ns=7)

    play(tmp_path, scene, SmallPort(heartbeat_s=0.01))


def test_three_missed_beats_cut_a_client_and_pings_keep_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        mute, alive = await stage.peer(), await stage.peer()

        async def beat() -> None:
            while True:
                alive.send(wire.frame_request(wire.Ping()))
                await asyncio.sleep(0.005)

        beating = asyncio.create_task(beat())
        reason = await mute.goodbye()
        assert reason == "nothing heard for 0.15 s: send a ping every 0.05 s"
        assert len(stage.port.sessions) == 1
        beating.cancel()

    play(tmp_path, scene, SmallPort(heartbeat_s=0.05))


def test_half_a_frame_is_no_sign_of_life(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer()

        async def trickle() -> None:
            for byte in wire.frame_request(wire.Hello(name="x" * 10_000)):
                peer.send(bytes([byte]))
                await asyncio.sleep(0.002)

        trickling = asyncio.create_task(trickle())
        assert "nothing heard" in await peer.goodbye()
        trickling.cancel()

    play(tmp_path, scene, SmallPort(heartbeat_s=0.01))


def test_the_core_closes_with_its_reason(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer()
        stage.port.sessions[0].end("because")
        assert await peer.goodbye() == "because"
        await until(lambda: stage.transport.connections == 0)

    play(tmp_path, scene)


def test_a_goodbye_that_nobody_reads_does_not_keep_the_connection(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        peer = await stage.peer()
        peer.send(subscribe())
        await until(lambda: len(stage.port.sessions[0].requests) == 2)
        stage.port.publish(*[trade() for _ in range(5000)])
        stage.port.sessions[0].end("because")
        await until(lambda: stage.transport.connections == 0)

    play(tmp_path, scene, close_s=0.02)


def test_stopping_says_goodbye_to_everybody(tmp_path: Path) -> None:
    reasons: list[str] = []

    async def main() -> None:
        stage = Stage(tmp_path, SmallPort())
        serving = asyncio.create_task(stage.transport.run(stage.port))
        await stage.ready
        peers = [await stage.peer(), await stage.peer(hello=False)]
        await until(lambda: stage.transport.connections == 2)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        reasons.extend([await peer.goodbye() for peer in peers])
        for peer in peers:
            peer.close()

    asyncio.run(main())
    assert reasons == ["the gateway stops"] * 2


def test_running_out_of_file_descriptors_is_survived(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        healthy = await stage.peer()
        # asyncio reports what it could not accept; that is its log, not a fault of this test.
        stage.loop.set_exception_handler(lambda loop, context: reported.append(context["message"]))
        # Clients that hold the last descriptors: connected before there are none left to accept them with.
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        highest = max(sock.fileno() for sock in waiting)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
        fillers = []
        try:
            with suppress(OSError):
                while True:
                    fillers.append(os.dup(0))
            for sock in waiting:
                sock.setblocking(False)
                sock.connect(stage.path)
            await until(lambda: bool(reported))
            await stage.check_healthy(healthy)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        # Once there are descriptors again the clients that waited are let in.
        reader, writer = await asyncio.open_unix_connection(sock=waiting[0])
        peer = Peer(reader, writer)
        peer.send(HELLO)
        assert isinstance(await peer.receive(), wire.Welcome)
        for sock in waiting:
            sock.close()
        peer.close()

    reported: list[str] = []
    play(tmp_path, scene)


def test_a_taken_path_is_a_config_error(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        second = Stage(tmp_path, SmallPort())
        with pytest.raises(ConfigError, match="somebody listens"):
            await second.transport.run(second.port)
        await stage.peer()

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("settings", "place"),
    [({"connections_max": 0}, "connections_max"), ({"unsent_bytes_max": 5, "high_water_bytes": 6}, "unsent_bytes_max")],
)
def test_settings_without_sense_are_refused(tmp_path: Path, settings: dict[str, Any], place: str) -> None:
    async def scene(stage: Stage) -> None:
        raise AssertionError("it must not serve")

    with pytest.raises(ConfigError, match=place):
        play(tmp_path, scene, **settings)
