"""Playback: a recording that plays the venue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import SimFrame
from gwcore.testing.conformance.recording import Recording, target_of


class Playback:
    """A recording as a `gwcore.simulator.Simulator`: every connection is told the same, from the start, at its times.

    It hears and answers nothing, so what heals a book on it is only what the recording happens to hold.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._heard = [frame for frame in recording.frames if not frame.is_sent]
        self._playing: dict[int, tuple[int, int]] = {}  # connection -> (opened at, frames sent)
        self._opened = 0

    def http(self, request: HttpRequest, now_ns: int) -> HttpResponse:
        """What was answered to this method, path and query; 404 for what was not asked then."""
        target = target_of(request)
        for exchange in self._recording.exchanges:
            if (exchange.method, exchange.target) == (request.method, target):
                return HttpResponse(status=exchange.status, body=exchange.body)
        return HttpResponse(status=404, body=b"not in the recording")

    def open(self, path: str, now_ns: int) -> int:
        """Accept."""
        self._opened += 1
        self._playing[self._opened] = (now_ns, 0)
        return self._opened

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """Nobody listens."""

    def close(self, connection: int, now_ns: int) -> None:
        """Stop playing."""
        self._playing.pop(connection, None)

    def advance(self, now_ns: int) -> Sequence[SimFrame]:
        """The frames that are due."""
        due: list[SimFrame] = []
        for connection, (opened_ns, sent) in self._playing.items():
            while sent < len(self._heard) and opened_ns + self._heard[sent].at_ns <= now_ns:
                due.append(SimFrame(connection, self._heard[sent].data))
                sent += 1
            self._playing[connection] = (opened_ns, sent)
        return due

    def next_ns(self) -> int | None:
        """When the next frame is due."""
        times = [opened + self._heard[sent].at_ns for opened, sent in self._playing.values() if sent < len(self._heard)]
        return min(times, default=None)

    def fault(self, name: str, **options: Any) -> str:
        """None."""
        raise ValueError(f"no fault {name!r}; a recording has none")
