"""A stage for both WebSocket clients on both loops: a server that says what the test has it say, and a listener."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from gwcore.ports import Connection, Endpoint
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.libraries import find_client, find_loop

BYTES_MAX = 70_000
WAIT_S = 10.0
#: Client and loop. Each client runs on each loop, since `[runtime]` chooses them apart.
LIBRARIES = [("websockets", "asyncio"), ("websockets", "uvloop"), ("picows", "asyncio"), ("picows", "uvloop")]


class Listener:
    """What a connection said, in order: frames as bytes, `None` at the end of a burst, the cause as text."""

    def __init__(self) -> None:
        self.said: list[bytes | str | None] = []
        self.received_ns: list[int] = []
        self.fails = False
        self._news = asyncio.Event()

    @property
    def frames(self) -> list[bytes]:
        return [one for one in self.said if isinstance(one, bytes)]

    @property
    def causes(self) -> list[str]:
        return [one for one in self.said if isinstance(one, str)]

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        if self.fails:
            raise RuntimeError("a mistake of the listener")
        self.received_ns.append(received_ns)
        self._say(frame)

    def on_burst_end(self) -> None:
        self._say(None)

    def on_close(self, cause: str) -> None:
        self._say(cause)

    def _say(self, one: bytes | str | None) -> None:
        self.said.append(one)
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def closed(self) -> str:
        await self.until(lambda: self.causes)
        for _ in range(5):  # nothing may follow
            await asyncio.sleep(0)
        (cause,) = self.causes
        assert self.said[-1] == cause
        return cause


class Venue:
    """One socket of a server that says what the test has it say, right or wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.protocol = ServerProtocol(max_size=2**20)
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.request: Request | None = None

    async def accept(self, status: int = 101, *, at_once: bytes = b"") -> None:
        """Answer the handshake; `at_once` leaves in the same segment."""
        while self.request is None:
            self.protocol.receive_data(await self.reader.read(65536))
            for event in self.protocol.events_received():
                assert isinstance(event, Request)
                self.request = event
        response = (
            self.protocol.accept(self.request) if status == 101 else self.protocol.reject(status, "not today")  # type: ignore[arg-type]
        )
        self.protocol.send_response(response)
        self.writer.write(b"".join(self.protocol.data_to_send()) + at_once)

    async def listen(self) -> None:
        """Take frames until the client is gone. Pings are answered, closes are."""
        while data := await self.reader.read(65536):
            self.protocol.receive_data(data)
            for event in self.protocol.events_received():
                assert isinstance(event, Frame)
                self.frames.put_nowait(event)
            for answer in self.protocol.data_to_send():
                if not answer:  # the closing handshake is over, and a server hangs up first
                    return
                self.writer.write(answer)

    async def frame(self, opcode: Opcode) -> Frame:
        async with asyncio.timeout(WAIT_S):
            while (frame := await self.frames.get()).opcode is not opcode:
                pass
            return frame


class Stage:
    """One client on one loop. `serve` gives an address, `open` a connection to it, `listener` who hears it."""

    listener = Listener

    def __init__(self, client: str, loop: str) -> None:
        self.connect = find_client(client).connect
        self._loop_factory = find_loop(loop).factory

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(asyncio.wait_for(main(), 30))

    async def open(self, url: str, listener: Listener, **options: Any) -> Connection:
        defaults = {"frame_bytes_max": BYTES_MAX, "connect_timeout_s": 5.0, "protocol_ping_s": None}
        return await self.connect(Endpoint(url=url, **{**defaults, **options}), listener, SystemClock())

    @contextlib.asynccontextmanager
    async def serve(
        self, behave: Callable[[Venue], Awaitable[None]], context: ssl.SSLContext | None = None
    ) -> AsyncIterator[str]:
        """A server on loopback; gives its address. An error in `behave` is the test's."""
        tasks: list[asyncio.Task[None]] = []

        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.append(task)
            try:
                await behave(Venue(reader, writer))
            except OSError:
                pass  # the client cut the line, which is what some tests are about
            finally:
                writer.close()

        server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"{'ws' if context is None else 'wss'}://localhost:{port}/v2"
        finally:
            server.close()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait_for(task, WAIT_S)


@pytest.fixture(params=LIBRARIES, ids="-".join)
def stage(request: pytest.FixtureRequest) -> Stage:
    for name in set(request.param) & {"picows", "uvloop"}:
        pytest.importorskip(name, reason="the extra `fast` is not installed")
    return Stage(*request.param)
