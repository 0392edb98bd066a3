"""One connection through the proxy: two ways, each with a bounded buffer, and the ends that a connection can come to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable

from gwcore.testing.http_requests import response_bytes
from gwcore.testing.links import Direction
from gwcore.testing.proxy.faults import AcceptFault, Damager, ProxyCounts, WayFaults
from gwcore.testing.proxy.units import UnitSplitter
from gwcore.testing.seeds import SeededRandom

#: Read at once.
CHUNK_BYTES = 64 * 1024
#: A way holds no more than this (a frame longer than that apart); then it reads no further, and TCP slows the sender down.
BUFFER_BYTES_MAX = 1024 * 1024
#: How long an end may take what was written to it before it was closed.
CLOSE_S = 2.0
#: SO_LINGER on, for 0 seconds: closing sends RST.
_LINGER = struct.pack("ii", 1, 0)
#: What `answers` gives for the bytes of a request: the whole answer, or nothing.
Answers = Callable[[], AcceptFault | None]


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST; what was not sent yet is gone."""
    raw = writer.transport.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


class Way:
    """Carries bytes from one end to the other, through the faults of its direction."""

    def __init__(
        self,
        line: Line,
        direction: Direction,
        ends: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        faults: WayFaults,
        rng: SeededRandom,
    ) -> None:
        self.direction = direction
        self.sent = 0  # bytes
        self._line = line
        self._reader, self._writer = ends
        self._faults = faults
        self._random = rng
        self._splitter = UnitSplitter()
        self._damager = Damager(faults, rng.stream("damage"), line.counts)
        self._queue: deque[tuple[float, bytes]] = deque()  # (when it is due, bytes); empty bytes: the end
        self._held_bytes = 0
        self._changed = asyncio.Event()  # the queue is longer or shorter than it was
        self._due_s = 0.0
        self._is_silent = False  # what comes is read and thrown away

    async def run(self) -> None:
        """Until the sending end closes, or the line is cut."""
        sending = asyncio.create_task(self._send())
        try:
            await self._receive()
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    def half_close(self) -> None:
        """The receiving end hears that this is all; the sending end does not, and what it sends is thrown away."""
        self.silence()
        if not self._writer.transport.is_closing() and self._writer.can_write_eof():
            self._writer.write_eof()

    def silence(self) -> None:
        """What is sent this way is thrown away from now on; nobody is told."""
        self._is_silent = True
        self._queue.clear()
        self._held_bytes = 0
        self._changed.set()

    # --- from the sending end -----------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        while data := await self._reader.read(CHUNK_BYTES):
            if self.direction is Direction.UP and not self._splitter.is_websocket and self._line.answer_instead():
                break
            for unit in self._splitter.feed(data):
                for piece in self._damager.damage(unit):
                    await self._put(piece)
        for unit in self._splitter.flush():
            await self._put(unit.joined())
        for piece in self._damager.flush():
            await self._put(piece)
        await self._put(b"")

    async def _put(self, piece: bytes) -> None:
        while self._held_bytes >= BUFFER_BYTES_MAX and not self._is_silent:
            self._changed.clear()
            await self._changed.wait()
        if self._is_silent and piece:
            return
        faults = self._faults
        hold_s = faults.delay_s + faults.jitter_s * self._random.random()
        self._due_s = max(self._due_s, asyncio.get_running_loop().time() + hold_s)
        self._queue.append((self._due_s, piece))
        self._held_bytes += len(piece)
        self._changed.set()

    # --- to the receiving end -----------------------------------------------------------------------------------------

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._queue:
                self._changed.clear()
                await self._changed.wait()
            due_s, piece = self._queue[0]
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            await self._faults.going.wait()
            if not self._queue or self._queue[0][1] is not piece:
                continue  # silenced meanwhile
            self._queue.popleft()
            self._held_bytes -= len(piece)
            self._changed.set()
            if not piece:
                if not self._writer.transport.is_closing() and self._writer.can_write_eof() and not self._is_silent:
                    self._writer.write_eof()
                return
            await self._write(piece)

    async def _write(self, piece: bytes) -> None:
        faults, start = self._faults, 0
        while start < len(piece) and not self._is_silent:
            await faults.going.wait()
            stop = min(len(piece), start + faults.drip_bytes) if faults.drip_bytes else len(piece)
            left = faults.cut_at - self.sent if faults.cut_at >= 0 and faults.cuts_left else len(piece)
            part = piece[start : min(stop, start + max(0, left))]
            self._writer.write(part)
            await self._writer.drain()
            self.sent += len(part)
            start += len(part)
            if faults.cut_at >= 0 and faults.cuts_left and self.sent >= faults.cut_at:
                faults.cuts_left -= faults.cuts_left > 0
                self._line.cut(faults.cut_how, self)
                return
            if faults.drip_bytes and faults.drip_s:
                await asyncio.sleep(faults.drip_s)


class Line:
    """One connection: the client's socket, ours to the server, and both ways between them."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        faults: dict[Direction, WayFaults],
        rng: SeededRandom,
        counts: ProxyCounts,
        answers: Answers,
    ) -> None:
        self.counts = counts
        self._client, self._server = client[1], server[1]
        for writer in (self._client, self._server):
            writer.transport.set_write_buffer_limits(high=CHUNK_BYTES)
        self._answers = answers
        self._ended = asyncio.Event()
        self.ways = {
            Direction.UP: Way(self, Direction.UP, (client[0], server[1]), faults[Direction.UP], rng.stream("up")),
            Direction.DOWN: Way(
                self, Direction.DOWN, (server[0], client[1]), faults[Direction.DOWN], rng.stream("down")
            ),
        }

    async def run(self) -> None:
        """Until both ways have ended or it is cut."""
        ways = [asyncio.create_task(way.run()) for way in self.ways.values()]
        ended = asyncio.create_task(self._ended.wait())
        try:
            # The first way to end ends the line only where it ended badly.
            left: set[asyncio.Task[object]] = {*ways, ended}
            while not self._ended.is_set() and not all(way.done() for way in ways):
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                if any(task.exception() is not None for task in done):
                    self.reset()  # one end broke: so does the other
        finally:
            for task in (*ways, ended):
                task.cancel()
            await asyncio.gather(*ways, ended, return_exceptions=True)
            self.close()
            await self._wait_closed()

    async def _wait_closed(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                for writer in (self._client, self._server):
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
        except TimeoutError:
            self.reset()  # an end that takes nothing more

    def cut(self, how: str, way: Way) -> None:
        """End it in one of the manners of `faults.CUTS`."""
        self.counts["cut"] += 1
        if how == "close":
            self.close()
        elif how == "reset":
            self.reset()
        elif how == "half_close":
            way.half_close()
        else:
            way.silence()

    def close(self) -> None:
        """Close both ends in order, behind what is written."""
        self._ended.set()
        for writer in (self._client, self._server):
            writer.close()

    def reset(self) -> None:
        """Close both ends with RST."""
        self._ended.set()
        for writer in (self._client, self._server):
            reset(writer)

    def answer_instead(self) -> bool:
        """Whether a request was answered by the proxy; the connection is closed then, and the server never saw it."""
        fault = self._answers()
        if fault is None or fault.answer is None:
            return False
        self._client.write(response_bytes(fault.answer, close=True))
        self.close()
        return True
