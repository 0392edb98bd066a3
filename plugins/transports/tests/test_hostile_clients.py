"""Clients that send garbage, never read, never speak or come in crowds: each harms itself alone."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from contextlib import suppress
from typing import Any

import pytest

from gwcore import wire
from gwcore.model import Envelope
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import trade

HELLO = wire.frame_request(wire.Hello(name="tester"))


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
def test_garbage_ends_with_the_reason_and_harms_nobody(play: Any, data: bytes, reason: str) -> None:
    async def scene(stage: Any) -> None:
        healthy = await stage.peer()
        bad = await stage.peer(hello=False)
        bad.send(data)
        assert reason in await bad.goodbye()
        await stage.check_healthy(healthy)
        assert len(stage.port.sessions) == 1
        counted = stage.counters()
        assert counted.dropped == 1
        assert counted.bytes > 0

    play(scene)


def test_half_frames_are_whole_frames_later(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer(hello=False)
        for index in range(len(HELLO)):
            peer.send(HELLO[index : index + 1])
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert isinstance(await peer.receive(), wire.Welcome)

    play(scene)


@pytest.mark.parametrize("start", [b"", HELLO[:-1]], ids=["nothing", "half"])
def test_a_late_hello_is_not_waited_for(play: Any, start: bytes) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer(hello=False)
        peer.send(start)
        assert await peer.goodbye() == "no hello within 0.02 s"
        assert not stage.port.opened

    play(scene, hello_timeout_s=0.02)


def test_a_client_that_leaves_in_the_middle_of_a_frame_is_forgotten(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        peer.send(stage.subscribe()[:7])
        peer.close()
        await stage.until(lambda: not stage.port.sessions and not stage.transport.connections)

    play(scene)


def test_connections_over_the_limit_are_told_so(play: Any) -> None:
    async def scene(stage: Any) -> None:
        first, _ = await stage.peer(), await stage.peer()
        third = await stage.peer(hello=False)
        assert await third.goodbye() == "2 connections are open, which is the limit: try again later"
        assert stage.transport.refused == 1
        first.close()
        await stage.until(lambda: stage.transport.connections == 1)
        await stage.peer()

    play(scene, connections_max=2)


def test_two_hundred_clients_get_the_same(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peers = [await stage.peer() for _ in range(200)]
        for peer in peers:
            peer.send(stage.subscribe())
        await stage.until(lambda: all(len(session.requests) == 2 for session in stage.port.sessions))
        [record] = stage.port.publish(trade())
        for peer in peers:
            await peer.receive()
            await peer.receive()
            assert wire.encode(await peer.receive()) == record.payload

    play(scene)


def test_a_slow_reader_holds_back_the_core_and_nobody_else(play: Any) -> None:
    async def scene(stage: Any) -> None:
        slow, fast = await stage.peer(), await stage.peer()
        slow.send(stage.subscribe())
        await stage.until(lambda: len(stage.port.sessions[0].requests) == 2)
        session = stage.port.sessions[0]
        connection = session._writer
        slow.writer.transport.pause_reading()  # a StreamReader reads ahead by itself
        stuck: list[int] = []
        for _ in range(200):
            stage.port.publish(*[trade() for _ in range(100)])
            stuck.append(connection._transport.get_write_buffer_size())
        assert session.is_paused
        batch = 100 * 400
        assert max(stuck) <= 64 * 1024 + batch  # what stood at the limit, and one batch on top
        assert len(set(stuck[-50:])) == 1  # not called any more
        assert session.dropped > 0
        # Answers to its pings do not pile up either.
        asked = len(session.requests)
        slow.send(wire.frame_request(wire.Ping()) * 500)
        await stage.until(lambda: len(session.requests) == asked + 500)
        assert connection._transport.get_write_buffer_size() == stuck[-1]
        await stage.check_healthy(fast)
        slow.writer.transport.resume_reading()
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

    play(scene, SmallPort(pending_max=50), high_water_bytes=64 * 1024)


def test_who_asks_and_never_reads_is_cut(play: Any) -> None:
    async def scene(stage: Any) -> None:
        stage.port.publish(*[trade() for _ in range(200)])
        peer, healthy = await stage.peer(), await stage.peer()
        session = stage.port.sessions[0]
        for number in range(1, 2000):
            if not session.is_open:
                break
            # Pings alone never pile up answers; replays do.
            peer.send(wire.frame_request(wire.Ping(request_id=number)) + stage.subscribe(number, from_start=True))
            await stage.until(lambda: len(session.requests) >= 2 * number or not session.is_open)  # noqa: B023
        assert not session.is_open
        await stage.check_healthy(healthy)

    play(scene, high_water_bytes=64 * 1024, unsent_bytes_max=256 * 1024)


def test_three_missed_beats_cut_a_client_and_pings_keep_it(play: Any) -> None:
    async def scene(stage: Any) -> None:
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

    play(scene, SmallPort(heartbeat_s=0.05))


def test_half_a_frame_is_no_sign_of_life(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()

        async def trickle() -> None:
            for byte in wire.frame_request(wire.Hello(name="x" * 10_000)):
                peer.send(bytes([byte]))
                await asyncio.sleep(0.002)

        trickling = asyncio.create_task(trickle())
        assert "nothing heard" in await peer.goodbye()
        trickling.cancel()

    play(scene, SmallPort(heartbeat_s=0.01))


def test_a_goodbye_that_nobody_reads_does_not_keep_the_connection(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        peer.send(stage.subscribe())
        await stage.until(lambda: len(stage.port.sessions[0].requests) == 2)
        stage.port.publish(*[trade() for _ in range(5000)])
        stage.port.sessions[0].end("because")
        await stage.until(lambda: stage.transport.connections == 0)

    play(scene, close_s=0.02)


def test_running_out_of_file_descriptors_is_survived(play: Any) -> None:
    async def scene(stage: Any) -> None:
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
            await stage.until(lambda: bool(reported))
            await stage.check_healthy(healthy)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                os.close(filler)
        # Once there are descriptors again the clients that waited are let in.
        await stage.peer(sock=waiting.pop(0))
        for sock in waiting:
            sock.close()

    reported: list[str] = []
    play(scene)
