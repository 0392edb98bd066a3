"""The fault proxy with real sockets: each fault does what it says, to HTTP, to WebSockets and to bare TCP; then it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from gwcore.testing.proxy import FaultProxy, fault_proxy
from gwcore.testing.proxy.line import BUFFER_BYTES_MAX
from gwcore.testing.proxy.proxy import FAULTS

WAIT_S = 20


def run(play: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(50):
            await play()

    asyncio.run(limited())


@contextlib.asynccontextmanager
async def counting_server(count: int = 0) -> AsyncIterator[int]:
    """A WebSocket server that says {"n":0}, {"n":1}, ... up to `count`, then echoes. Gives its port."""

    async def speak(ws: websockets.ServerConnection) -> None:
        for number in range(count):
            await ws.send(json.dumps({"n": number}))
        async for message in ws:
            await ws.send(message)

    async with websockets.serve(speak, "127.0.0.1", 0, compression=None, max_size=None) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def tcp(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


class TcpServer:
    """Says `greeting`, then echoes. Knows what it heard and how each connection ended."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.heard = bytearray()
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.port = 0
        self._news = asyncio.Event()

    async def until(self, size: int) -> bytes:
        """Wait until so much was heard; gives all of it."""
        while len(self.heard) < size:
            self._news.clear()
            await self._news.wait()
        return bytes(self.heard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        try:
            while data := await reader.read(65536):
                self.heard += data
                self._news.set()
                writer.write(data)
            self.ends.put_nowait("end")
        except ConnectionError as error:
            self.ends.put_nowait(type(error).__name__)
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def tcp_stage(greeting: bytes = b"") -> AsyncIterator[tuple[TcpServer, FaultProxy]]:
    server = TcpServer(greeting)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        async with fault_proxy("127.0.0.1", server.port, seed=3) as proxy:
            yield server, proxy
    finally:
        listener.close()
        await listener.wait_closed()


def numbers(messages: list[Any]) -> list[int]:
    return [json.loads(message)["n"] for message in messages]


async def hear(proxy: FaultProxy, count: int) -> list[bytes]:
    async with websockets.connect(f"ws://127.0.0.1:{proxy.port}", compression=None) as ws:
        messages = [await asyncio.wait_for(ws.recv(decode=False), WAIT_S) for _ in range(count)]
        ws.transport.abort()  # no closing handshake behind messages that nobody reads
        return messages


# --- without faults, and the switch ---------------------------------------------------------------------------------------


def test_without_faults_all_comes_as_it_was() -> None:
    async def play() -> None:
        async with counting_server(200) as port, fault_proxy("127.0.0.1", port) as proxy:
            assert numbers(await hear(proxy, 200)) == list(range(200))
            async with websockets.connect(f"ws://127.0.0.1:{proxy.port}", compression=None, max_size=None) as ws:
                for _ in range(200):
                    await ws.recv()
                large = "x" * (3 * BUFFER_BYTES_MAX)
                await ws.send(large)
                assert await ws.recv() == large
            assert proxy.counts == {"connects": 2}

    run(play)


def test_names_options_and_values_are_checked() -> None:
    async def play() -> None:
        async with tcp_stage() as (_, proxy):
            for name, options, said in (
                ("earthquake", {}, "no fault 'earthquake'; there are: delay, drip, stall"),
                ("delay", {"colour": 1}, "has no option 'colour'; it has: way, delay_s, jitter_s"),
                ("delay", {"way": "sideways"}, "no way 'sideways'"),
                ("delay", {"delay_s": -1}, "delay_s -1"),
                ("drip", {"size": -1}, "size -1"),
                ("corrupt", {"chance": 2}, "chance 2"),
                ("cut_at", {"how": "gently"}, "no cut 'gently'"),
                ("cut_at", {"byte": -1}, "byte -1"),
                ("answer", {"body": "poem"}, "no body 'poem'"),
            ):
                with pytest.raises(ValueError, match=said):
                    proxy.fault(name, **options)
            assert set(proxy._table) == set(FAULTS)
            page = (Path(__file__).parents[2] / "docs/faults.md").read_text(encoding="utf-8")
            assert [name for name in FAULTS if f"| `{name}` |" not in page] == []

    run(play)


# --- time -----------------------------------------------------------------------------------------------------------------


def test_delay_and_jitter_hold_and_keep_the_order() -> None:
    async def play() -> None:
        async with counting_server(50) as port, fault_proxy("127.0.0.1", port) as proxy:
            proxy.fault("delay", way="down", delay_s=0.1, jitter_s=0.05)
            since_s = asyncio.get_running_loop().time()
            assert numbers(await hear(proxy, 50)) == list(range(50))
            # A lower bound can't fail on a slow machine: the handshake's answer and the messages were held one after another.
            assert asyncio.get_running_loop().time() - since_s >= 0.1

    run(play)


def test_drip_comes_in_pieces() -> None:
    async def play() -> None:
        async with tcp_stage(b"0123456789" * 3) as (_, proxy):
            proxy.fault("drip", way="down", size=4, pause_s=0.005)
            async with tcp(proxy.port) as (reader, _):
                pieces = [await reader.read(100) for _ in range(2)]
                assert all(0 < len(piece) < 30 for piece in pieces)
                rest = await reader.readexactly(30 - len(b"".join(pieces)))
                assert b"".join([*pieces, rest]) == b"0123456789" * 3

    run(play)


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_stall_is_of_one_way_and_bounded(way: str) -> None:
    async def play() -> None:
        async with tcp_stage(b"hello") as (server, proxy), tcp(proxy.port) as (reader, writer):
            assert await reader.readexactly(5) == b"hello"
            proxy.fault("stall", way=way)
            writer.write(b"a" * 100)
            if way == "down":
                await server.until(100)  # the other way goes on
            # What is sent into the stall is held by the sender once buffers are full, not by the proxy.
            writer.write(b"b" * 40 * BUFFER_BYTES_MAX)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            assert all(
                one._held_bytes <= BUFFER_BYTES_MAX + 65536 for line in proxy.lines for one in line.ways.values()
            )
            proxy.fault("restore")
            assert await reader.readexactly(100) == b"a" * 100
            assert set(await reader.readexactly(40 * BUFFER_BYTES_MAX)) == {ord("b")}

    run(play)


# --- ends -----------------------------------------------------------------------------------------------------------------


def test_half_close_tells_one_end_alone() -> None:
    async def play() -> None:
        async with tcp_stage() as (server, proxy), tcp(proxy.port) as (reader, writer):
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            proxy.fault("half_close", way="down")
            assert await reader.read() == b""
            writer.write(b"two")  # the server knows nothing
            assert await server.until(6) == b"onetwo"
            assert server.ends.empty()

    run(play)


@pytest.mark.parametrize("name", ["reset", "close"])
def test_reset_and_close_reach_both_ends(name: str) -> None:
    async def play() -> None:
        async with tcp_stage() as (server, proxy), tcp(proxy.port) as (reader, writer):
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            proxy.fault(name)
            if name == "reset":
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            else:
                assert await reader.read() == b""
            assert await server.ends.get() == ("ConnectionResetError" if name == "reset" else "end")

    run(play)


def test_an_end_that_breaks_breaks_the_other() -> None:
    async def play() -> None:
        async with tcp_stage() as (server, proxy):
            proxy.fault("stall", way="down")
            async with tcp(proxy.port) as (_, writer):
                writer.write(b"one")
                await server.until(3)
                writer.transport.abort()
            assert await server.ends.get() in {"end", "ConnectionResetError"}
            proxy.fault("restore")

    run(play)


@pytest.mark.parametrize("how", ["close", "reset", "half_close", "silence"])
def test_cut_at_byte(how: str) -> None:
    async def play() -> None:
        async with tcp_stage(b"0123456789") as (_, proxy):
            proxy.fault("cut_at", way="down", byte=7, how=how, count=1)
            async with tcp(proxy.port) as (reader, _):
                assert await reader.readexactly(7) == b"0123456"
                if how == "silence":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(reader.read(1), 0.1)
                elif how == "reset":
                    with pytest.raises(ConnectionResetError):
                        await reader.read()
                else:
                    assert await reader.read() == b""
            async with tcp(proxy.port) as (reader, _):  # it was one cut
                assert await reader.readexactly(10) == b"0123456789"

    run(play)


# --- damage ---------------------------------------------------------------------------------------------------------------


def test_corrupt_changes_one_byte_of_a_message() -> None:
    async def play() -> None:
        async with counting_server(20) as port, fault_proxy("127.0.0.1", port) as proxy:
            # Before the handshake: it is no message, so it comes whole.
            proxy.fault("corrupt", way="up", chance=1.0)
            async with websockets.connect(f"ws://127.0.0.1:{proxy.port}", compression=None) as ws:
                for _ in range(20):
                    await ws.recv()
                await ws.send(b"\x00" * 50)
                echoed = await asyncio.wait_for(ws.recv(decode=False), WAIT_S)
            assert len(echoed) == 50
            assert sum(byte != 0 for byte in echoed) == 1

    run(play)


def test_truncate_shortens_messages_and_the_stream_stays_whole() -> None:
    async def play() -> None:
        async with counting_server(40) as port, fault_proxy("127.0.0.1", port) as proxy:
            proxy.fault("truncate", chance=1.0, count=10)
            messages = await hear(proxy, 40)
            assert all(f'{{"n": {n}}}'.encode().startswith(message) for n, message in enumerate(messages))
            assert sum(message != f'{{"n": {n}}}'.encode() for n, message in enumerate(messages)) == 10
            assert proxy.counts["truncate"] == 10

    run(play)


def test_duplicate_and_reorder() -> None:
    async def play() -> None:
        async with counting_server(10) as port:
            async with fault_proxy("127.0.0.1", port) as proxy:
                proxy.fault("duplicate", chance=1.0, count=2)
                assert numbers(await hear(proxy, 12)) == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9]
            async with fault_proxy("127.0.0.1", port) as proxy:
                proxy.fault("reorder", chance=1.0, count=1)
                assert numbers(await hear(proxy, 10)) == [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]

    run(play)


def test_chance_comes_from_the_seed() -> None:
    async def heard(seed: int) -> list[bytes]:
        async with counting_server(14) as port, fault_proxy("127.0.0.1", port, seed=seed) as proxy:
            proxy.fault("corrupt", chance=0.3)
            proxy.fault("duplicate", chance=0.3)
            return await hear(proxy, 14)

    async def play() -> None:
        first = await heard(5)
        assert first == await heard(5)
        assert first != await heard(6)

    run(play)


# --- new connections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abort", [True, False])
def test_accept_then_close(abort: bool) -> None:
    async def play() -> None:
        async with tcp_stage(b"hello") as (_, proxy):
            proxy.fault("accept_close", count=2, abort=abort)
            for _ in range(2):
                async with tcp(proxy.port) as (reader, _):
                    with contextlib.suppress(ConnectionResetError):
                        assert await reader.read() == b""
            async with tcp(proxy.port) as (reader, _):
                assert await reader.readexactly(5) == b"hello"
            assert proxy.counts["accepted_and_closed"] == 2

    run(play)


def test_requests_and_handshakes_are_answered() -> None:
    async def play() -> None:
        async with counting_server() as port, fault_proxy("127.0.0.1", port) as proxy:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{proxy.port}") as http:
                assert (await http.get("/")).status_code == 426  # the server's own words
                proxy.fault("answer", status=429, body="text", retry_after_s=7)
                for _ in range(2):  # on the connection kept alive too
                    answer = await http.get("/")
                    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
                proxy.fault("answer", status=503, body="html", count=1)
                answer = await http.get("/")
                assert (answer.status_code, "<html>" in answer.text) == (503, True)
                assert (await http.get("/")).status_code == 426
            proxy.fault("answer", status=200, body="html")
            with pytest.raises(websockets.InvalidStatus):
                await websockets.connect(f"ws://127.0.0.1:{proxy.port}")
            proxy.fault("restore")
            async with websockets.connect(f"ws://127.0.0.1:{proxy.port}") as ws:
                await ws.send("back")
                assert await ws.recv() == "back"

    run(play)


def test_a_server_that_is_gone_is_a_reset() -> None:
    async def play() -> None:
        async with tcp_stage() as (server, _):
            port = server.port
        async with fault_proxy("127.0.0.1", port) as proxy, tcp(proxy.port) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()
            assert proxy.counts["server_unreachable"] == 1

    run(play)
