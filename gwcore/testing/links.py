"""SimLink: one WebSocket connection in memory, with delays and faults, on virtual time.

Each direction keeps its order in a queue of its own and sets one timer for the head: order must never hang on the order of
timers or callbacks, which the loop shuffles. Frames are whole messages and arrive as sent, late or not at all: what lies
below a frame (lost packets, halves of frames) shows to the program as just that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

from gwcore.ports import ConnectionListener, Endpoint
from gwcore.testing.loop import SimLoop
from gwcore.testing.seeds import SeededRandom

#: A venue takes this long to notice that a client vanished without a word.
VENUE_NOTICE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkProfile:
    """What connections are like while nothing is wrong."""

    latency_s: tuple[float, float] = (0.002, 0.060)  # one way; drawn once a link and direction, in this range
    jitter_s: float = 0.005  # added to each burst, in [0, jitter_s)
    in_flight_max: int = 20_000  # frames in one direction; more, and the connection breaks


class Direction(str, Enum):
    """One way of a link."""

    UP = "UP"  # to the venue
    DOWN = "DOWN"  # to the gateway


class Ending(NamedTuple):
    """The end of a direction, in its place behind the frames."""

    cause: str


Item: TypeAlias = bytes | Ending


class Pipe:
    """One direction: frames in order, delivered in bursts. `push` says False when `in_flight_max` is reached."""

    def __init__(
        self,
        loop: SimLoop,
        rng: SeededRandom,
        profile: LinkProfile,
        deliver: Callable[[list[Item]], None],
    ) -> None:
        self.stalled = False  # frames wait here until `resume`
        self.silent = False  # frames vanish here
        self.spike_ns = 0  # added to the delay of what is pushed from now on
        self._loop = loop
        self._random = rng
        self._deliver = deliver
        self._in_flight_max = profile.in_flight_max
        self._latency_ns = max(1, round(rng.uniform(*profile.latency_s) * 1e9))
        self._jitter_ns = profile.jitter_s * 1e9
        self._queue: deque[tuple[int, Item]] = deque()
        self._pushed_ns = -1
        self._due_ns = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def delay_ns(self) -> int:
        """A delay as the next burst might have it."""
        return self._latency_ns + self.spike_ns + int(self._random.random() * self._jitter_ns)

    def push(self, item: Item) -> bool:
        """Send one on its way. What is pushed at one instant travels together."""
        if self.silent:
            return True
        if len(self._queue) >= self._in_flight_max:
            return False
        now_ns = self._loop.now_ns()
        if now_ns != self._pushed_ns:
            self._pushed_ns = now_ns
            self._due_ns = max(self._due_ns, now_ns + self.delay_ns())
        self._queue.append((self._due_ns, item))
        self._arm()
        return True

    def stall(self) -> None:
        """Hold everything back."""
        self.stalled = True
        self._disarm()

    def resume(self) -> None:
        """Let go of what was held back."""
        self.stalled = False
        self._arm()

    def clear(self, *, keep: int = 0) -> int:
        """Lose all but the first `keep` frames in flight; returns how many went."""
        lost = max(0, len(self._queue) - keep)
        for _ in range(lost):
            self._queue.pop()
        if not self._queue:
            self._disarm()
        return lost

    def _arm(self) -> None:
        if self._queue and self._timer is None and not self.stalled:
            self._timer = self._loop.call_at_ns(self._queue[0][0], self._fire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        queue, now_ns = self._queue, self._loop.now_ns()
        burst: list[Item] = []
        while queue and queue[0][0] <= now_ns:
            burst.append(queue.popleft()[1])
        if burst:
            self._deliver(burst)
        self._arm()


class VenueSide(Protocol):
    """What a link tells whoever stands for the venue."""

    def on_frames(self, link: SimLink, frames: list[bytes]) -> None:
        """Frames of the client arrived."""
        ...

    def on_gone(self, link: SimLink) -> None:
        """The venue learns that the client is gone. May be called more than once."""
        ...


class SimLink:
    """One connection: the gateway's end is a `ports.Connection`, the venue's end the `push` methods, the rest are faults.

    `number` is the venue's number of the connection. `cause` is why it closed; empty while it is open.
    """

    def __init__(
        self,
        loop: SimLoop,
        number: int,
        endpoint: Endpoint,
        listener: ConnectionListener,
        venue: VenueSide,
        rng: SeededRandom,
        profile: LinkProfile,
        received_ns: Callable[[], int],
    ) -> None:
        self.number = number
        self.endpoint = endpoint
        self.up = Pipe(loop, rng, profile, self._on_up)
        self.down = Pipe(loop, rng, profile, self._on_down)
        self.cause = ""
        self.frames_up = 0
        self.frames_down = 0
        self._loop = loop
        self._listener = listener
        self._venue = venue
        self._random = rng
        self._received_ns = received_ns
        self._started = False
        self.down.stall()

    @property
    def is_open(self) -> bool:
        """Whether the gateway's end is open, as far as it knows."""
        return not self.cause

    @property
    def is_sound(self) -> bool:
        """Whether it is open and passes frames both ways."""
        return not self.cause and not self._is_deaf()

    # --- the gateway's end ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The gateway has the connection in its hands: the listener may be called from the next turn on."""
        self._started = True
        self.down.resume()

    def send(self, frame: bytes) -> None:
        """Queue a frame to the venue. After closing it does nothing."""
        if not self.cause and not self.up.push(frame):
            self.cut("too many frames in flight to the venue")

    def close(self, reason: str) -> None:
        """Close from the gateway's side. The venue gets what was sent before, then learns of it."""
        if self.cause:
            return
        unheard = self.up.silent or self.up.stalled or not self.up.push(Ending(reason))
        if unheard:
            self._loop.call_later(VENUE_NOTICE_S, self._venue.on_gone, self)
        self._end(reason)

    def _end(self, cause: str) -> None:
        self.cause = cause or "closed"
        self.down.clear()
        self.down.silent = True
        if self._started:
            self._loop.call_soon(self._listener.on_close, self.cause)

    # --- the venue's end ------------------------------------------------------------------------------------------------

    def push(self, frame: bytes) -> None:
        """A frame of the venue."""
        if not self.down.push(frame):
            self.cut("too many frames in flight from the venue")

    def push_end(self, cause: str, *, abort: bool) -> None:
        """The venue closes: behind its frames, or (abort) instead of those still in flight."""
        if abort:
            self.down.clear()
        if not self.down.push(Ending(cause)):
            self.cut(cause)

    # --- faults ---------------------------------------------------------------------------------------------------------

    def cut(self, cause: str = "connection reset", *, keep: int = 0) -> None:
        """Break it so that both ends notice. Of the frames in flight to the gateway only the first `keep` arrive."""
        if self.cause:
            return
        self.up.clear()
        self.up.silent = True
        self.down.clear(keep=0 if self._is_deaf_down() else keep)
        self._loop.call_later(self.up.delay_ns() / 1e9, self._venue.on_gone, self)
        if len(self.down):
            self.down.push(Ending(cause))
        else:
            self._end(cause)

    def half_open(self) -> None:
        """Break it so that nobody notices: both ways fall silent. Does not heal; the gateway has to find out."""
        for pipe in (self.up, self.down):
            pipe.clear()
            pipe.silent = True
        self._loop.call_later(VENUE_NOTICE_S, self._venue.on_gone, self)
        self._watch()

    def stall(self, direction: Direction) -> None:
        """Hold one way back until `resume`."""
        self._pipe(direction).stall()
        self._watch()

    def resume(self, direction: Direction) -> None:
        """End a stall; what was held back goes on in order."""
        if direction is Direction.UP or self._started:
            self._pipe(direction).resume()

    def _pipe(self, direction: Direction) -> Pipe:
        return self.up if direction is Direction.UP else self.down

    def _is_deaf(self) -> bool:
        return self.up.silent or self.up.stalled or self._is_deaf_down()

    def _is_deaf_down(self) -> bool:
        # Before the start the pipe is held back because nobody may be called yet: that is no fault.
        return self.down.silent or (self._started and self.down.stalled)

    def _watch(self) -> None:
        # Pings of the WebSocket protocol are not frames: a real connection breaks when one is not answered in time.
        period_s = self.endpoint.protocol_ping_s
        if period_s is not None:
            self._loop.call_later(self._random.uniform(period_s, 2 * period_s), self._on_ping_timeout)

    def _on_ping_timeout(self) -> None:
        if not self.cause and self._is_deaf():
            self.cut("no answer to a ping")

    # --- arrivals -------------------------------------------------------------------------------------------------------

    def _on_up(self, burst: list[Item]) -> None:
        frames = [item for item in burst if isinstance(item, bytes)]
        if frames:
            self.frames_up += len(frames)
            self._venue.on_frames(self, frames)
        if len(frames) < len(burst):
            self._venue.on_gone(self)

    def _on_down(self, burst: list[Item]) -> None:
        listener, received_ns = self._listener, self._received_ns()
        for item in burst:
            if self.cause:
                return
            if isinstance(item, Ending):
                self._end(item.cause)
                return
            self.frames_down += 1
            self._loop.note(b"<%d " % self.number + item)
            listener.on_frame(item, received_ns)
        if not self.cause:
            listener.on_burst_end()
