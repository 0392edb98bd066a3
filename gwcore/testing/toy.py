"""ToyVenue: the least that is a `gwcore.simulator.Simulator`. For the loop's and the network's own tests, and to read.

Frames are JSON. Every connection gets `{"tick": n}` at a fixed pace, counted from 1 a connection; what a client sends comes
back as `{"echo": ...}`. Path `/refuse` is refused with 503, `/denied` with 401.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal, SimFrame


class ToyVenue:
    """The venue. `heard` and `requests` keep what reached it, in order."""

    def __init__(self, *, tick_s: float = 0.1) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.requests: list[str] = []
        self.closed: list[int] = []
        self._tick_ns = round(tick_s * 1e9)
        self._ticks: dict[int, int] = {}
        self._opened = 0
        self._muted = False
        self._next_ns: int | None = None
        self._outgoing: list[SimFrame] = []

    def http(self, request: HttpRequest, now_ns: int) -> HttpResponse:
        """200 with the time."""
        self.requests.append(request.url)
        return HttpResponse(status=200, body=b'{"time":%d}' % now_ns)

    def open(self, path: str, now_ns: int) -> int | Refusal:
        """Accept all but the two paths that are there to be refused."""
        if path == "/refuse":
            return Refusal(503)
        if path == "/denied":
            return Refusal(401)
        self._opened += 1
        self._ticks[self._opened] = 0
        if self._next_ns is None:
            self._next_ns = now_ns + self._tick_ns
        return self._opened

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """Answer with an echo."""
        self.heard.append((connection, frame))
        self._outgoing.append(SimFrame(connection, b'{"echo":%s}' % frame))

    def close(self, connection: int, now_ns: int) -> None:
        """Forget the connection."""
        self.closed.append(connection)
        self._ticks.pop(connection, None)

    def advance(self, now_ns: int) -> Sequence[SimFrame]:
        """Echoes, then the ticks that are due."""
        frames, self._outgoing = self._outgoing, []
        while self._next_ns is not None and self._next_ns <= now_ns:
            for connection in self._ticks:
                self._ticks[connection] += 1
                if not self._muted:
                    frames.append(SimFrame(connection, b'{"tick":%d}' % self._ticks[connection]))
            self._next_ns = self._next_ns + self._tick_ns if self._ticks else None
        return frames

    def next_ns(self) -> int | None:
        """Now where something waits, else the next tick."""
        return 0 if self._outgoing else self._next_ns

    def fault(self, name: str, **options: Any) -> str:
        """`mute` (on=True/False): no ticks; `close` (connection, abort): close one."""
        if name == "mute":
            self._muted = bool(options.get("on", True))
            return "ticks stop" if self._muted else "ticks go on"
        if name == "close":
            connection = options.get("connection", max(self._ticks, default=0))
            if self._ticks.pop(connection, None) is not None:
                self._outgoing.append(SimFrame(connection, None, abort=bool(options.get("abort"))))
            return f"connection {connection} closes"
        raise ValueError(f"no fault {name!r}; there are: mute, close")
