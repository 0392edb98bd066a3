"""FaultProxy: a TCP proxy on loopback between any client and any server, with faults that are switched while it runs.

    async with fault_proxy("127.0.0.1", server_port, seed=7) as proxy:
        connect_to(proxy.port)
        proxy.fault("delay", way="down", delay_s=0.2, jitter_s=0.1)
        proxy.fault("restore")

It speaks TCP, and looks at HTTP and WebSocket only as far as it must: damage strikes whole WebSocket frames (their bodies),
so that it reaches the client's decoder. `FAULTS` says what there is. Chance is seeded; each way's buffer is bounded; what is
in the way of a stalled one stays with the sender. From code without a loop of its own: `proxy_thread`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from gwcore.rest import HttpResponse
from gwcore.testing.links import Direction
from gwcore.testing.proxy.faults import CHALLENGE, CUTS, DAMAGES, AcceptFault, ProxyCounts, WayFaults
from gwcore.testing.proxy.line import Line, reset
from gwcore.testing.seeds import SeededRandom

#: More connections at once are reset.
LINES_MAX = 1024
#: How long the server may take to accept.
CONNECT_S = 10.0
#: Longest time that a fault may hold a unit or pause.
HOLD_S_MAX = 600.0

#: Names and what they do; `way` is "up" (to the server), "down" (to the client) or "both". `count` negative: until restored.
FAULTS = {
    "delay": "hold each unit for delay_s and up to jitter_s more, in order: way, delay_s, jitter_s",
    "drip": "write in pieces of `size` bytes with a pause after each: way, size, pause_s",
    "stall": "pass nothing one way; the sender is slowed down by TCP: way, on",
    "half_close": "tell the receiver of a way that this was all, and the sender nothing: way",
    "reset": "RST to both ends of every connection",
    "close": "close both ends of every connection in order",
    "corrupt": "change one byte of a message: way, chance, count",
    "truncate": "take the end of a message off: way, chance, count",
    "duplicate": "send a message twice: way, chance, count",
    "reorder": "send a message after the next one: way, chance, count",
    "cut_at": "end a connection once `byte` bytes went a way: way, byte, how (close, reset, half_close, silence), count",
    "accept_close": "accept connections and close them at once: count, abort (with RST)",
    "answer": "answer each HTTP request or handshake instead of the server: status, body (html, text or ''), "
    "retry_after_s, count",
    "restore": "end all of these; connections that are cut, closed or silenced stay so",
}
_BODIES = {"html": (CHALLENGE, "text/html"), "text": (b"Too Many Requests", "text/plain"), "": (b"", "")}
_WAYS = {"up": (Direction.UP,), "down": (Direction.DOWN,), "both": (Direction.UP, Direction.DOWN)}


class FaultProxy:
    """The proxy. Made by `fault_proxy`; `counts` says what it did, `port` where it listens."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.counts: ProxyCounts = ProxyCounts()
        self.ways = {direction: WayFaults() for direction in Direction}
        self.lines: set[Line] = set()
        self._target = (host, port)
        self._random = SeededRandom(seed, "proxy")
        self._accepting: AcceptFault | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._table: dict[str, Callable[..., str]] = {
            "delay": self._delay,
            "drip": self._drip,
            "stall": self._stall,
            "half_close": self._half_close,
            "reset": self._reset,
            "close": self._close,
            **{name: self._damage(name) for name in DAMAGES},
            "cut_at": self._cut_at,
            "accept_close": self._accept_close,
            "answer": self._answer,
            "restore": self._restore,
        }

    def fault(self, name: str, **options: Any) -> str:
        """Switch a fault; returns one sentence on what it did. Raises ValueError for a name or an option it does not have."""
        call = self._table.get(name)
        if call is None:
            raise ValueError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")
        known = inspect.signature(call).parameters
        for option in options:
            if option not in known:
                raise ValueError(f"fault {name} has no option {option!r}; it has: {', '.join(known) or 'none'}")
        return call(**options)

    # --- faults -------------------------------------------------------------------------------------------------------

    def _delay(self, way: str = "both", delay_s: float = 0.0, jitter_s: float = 0.0) -> str:
        for faults in self._of(way):
            faults.delay_s, faults.jitter_s = _seconds("delay_s", delay_s), _seconds("jitter_s", jitter_s)
        return f"{way}: held {delay_s:g} s and up to {jitter_s:g} s more"

    def _drip(self, way: str = "down", size: int = 1, pause_s: float = 0.0) -> str:
        if size < 0:
            raise ValueError(f"size {size} is negative; 0 ends it")
        for faults in self._of(way):
            faults.drip_bytes, faults.drip_s = size, _seconds("pause_s", pause_s)
        return f"{way}: {size} bytes at a time"

    def _stall(self, way: str = "down", on: bool = True) -> str:
        for faults in self._of(way):
            if on:
                faults.going.clear()
            else:
                faults.going.set()
        return f"{way} is {'stalled' if on else 'going'}"

    def _half_close(self, way: str = "down") -> str:
        for direction in _directions(way):
            for line in self.lines:
                line.ways[direction].half_close()
        return f"{len(self.lines)} connections half-closed {way}"

    def _reset(self) -> str:
        for line in list(self.lines):
            self.counts["cut"] += 1
            line.reset()
        return f"{len(self.lines)} connections reset"

    def _close(self) -> str:
        for line in list(self.lines):
            self.counts["cut"] += 1
            line.close()
        return f"{len(self.lines)} connections closed"

    def _damage(self, name: str) -> Callable[..., str]:
        def switch(way: str = "down", chance: float = 1.0, count: int = -1) -> str:
            if not 0 <= chance <= 1:
                raise ValueError(f"chance {chance} is not 0 to 1")
            for faults in self._of(way):
                setattr(faults, name, chance)
                faults.damages_left = count
            return f"{way}: {name} with chance {chance:g}"

        return switch

    def _cut_at(self, byte: int = 0, way: str = "down", how: str = "reset", count: int = 1) -> str:
        if how not in CUTS:
            raise ValueError(f"no cut {how!r}; there are: {', '.join(CUTS)}")
        if byte < 0:
            raise ValueError(f"byte {byte} is negative; restore ends it")
        for faults in self._of(way):
            faults.cut_at, faults.cut_how, faults.cuts_left = byte, how, count
        return f"{way}: cut at byte {byte} ({how})"

    def _accept_close(self, count: int = -1, abort: bool = False) -> str:
        self._accepting = AcceptFault("reset" if abort else "close", count)
        return "connections are accepted and closed"

    def _answer(self, status: int = 503, body: str = "html", retry_after_s: int = 0, count: int = -1) -> str:
        if body not in _BODIES:
            raise ValueError(f"no body {body!r}; there are: html, text and the empty one")
        content, kind = _BODIES[body]
        headers = ({"content-type": kind} if kind else {}) | (
            {"retry-after": str(retry_after_s)} if retry_after_s else {}
        )
        answer = HttpResponse(status=status, headers=headers, body=content)
        self._accepting = AcceptFault("answer", count, answer)
        return f"requests are answered with {status}"

    def _restore(self) -> str:
        self._accepting = None
        for faults in self.ways.values():
            clean = WayFaults(going=faults.going)
            for name in WayFaults.__slots__:
                setattr(faults, name, getattr(clean, name))
            faults.going.set()
        return "all faults are off"

    def _of(self, way: str) -> list[WayFaults]:
        return [self.ways[direction] for direction in _directions(way)]

    # --- connections --------------------------------------------------------------------------------------------------

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called by asyncio for each connection."""
        self.counts["connects"] += 1
        if len(self.lines) >= LINES_MAX:
            reset(writer)
            return
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer, self.counts["connects"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        fault = self._accepting
        if fault is not None and fault.answer is None and fault.take():
            self.counts["accepted_and_closed"] += 1
            if fault.kind == "reset":
                reset(writer)
            else:
                writer.close()
            return
        try:
            async with asyncio.timeout(CONNECT_S):
                server = await asyncio.open_connection(*self._target)
        except (OSError, TimeoutError):
            self.counts["server_unreachable"] += 1
            reset(writer)  # as near to a refusal as an accepted connection gets
            return
        rng = self._random.stream(f"line.{number}")
        line = Line((reader, writer), server, self.ways, rng, self.counts, self._take_answer)
        self.lines.add(line)
        try:
            await line.run()
        finally:
            self.lines.discard(line)

    def _take_answer(self) -> AcceptFault | None:
        fault = self._accepting
        if fault is None or fault.answer is None or not fault.take():
            return None
        self.counts["answered"] += 1
        return fault

    async def aclose(self) -> None:
        """Cut everything."""
        for line in list(self.lines):
            line.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def fault_proxy(host: str, port: int, *, seed: int = 1, listen_port: int = 0) -> AsyncIterator[FaultProxy]:
    """A proxy on 127.0.0.1 to `host`:`port` until the block is left.

    Listen port 0: any free one. Raises OSError where it can't listen.
    """
    proxy = FaultProxy(host, port, seed)
    listener = await asyncio.start_server(proxy.accept, proxy.host, listen_port)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.aclose()
        await listener.wait_closed()


def _directions(way: str) -> tuple[Direction, ...]:
    if way not in _WAYS:
        raise ValueError(f"no way {way!r}: up, down or both")
    return _WAYS[way]


def _seconds(name: str, value: float) -> float:
    if not 0 <= value <= HOLD_S_MAX:
        raise ValueError(f"{name} {value} is not 0 to {HOLD_S_MAX:g}")
    return value
