"""One book repaired over loopback, with real sockets: how long it takes beside the venue's own answers, and what others feel.

Simulator and gateway share one process and one core: each waits for the other, so the figures are upper bounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from gwcore.model import Event, MarketByPriceUpdate, UpdateType
from gwcore.plugins import load_simulator, load_venue
from gwcore.runtime.capture.captures import Captures
from gwcore.runtime.clock import SystemClock, SystemIds, SystemRandom
from gwcore.runtime.venue.network import RealNetwork
from gwcore.runtime.venue.observer import Observer
from gwcore.settings import GatewayConfig, GatewaySettings, SelectedVenue
from gwcore.testing.serve import serve

#: Each symbol once: a second failure within two minutes waits a moment on purpose.
PAIRS, RATE, REPAIRS = 40, 400.0, 40
#: Beside the venue's answers a repair may take this long (median), and updates of others may take so much longer meanwhile.
REPAIR_S, LATE_S = 0.005, 0.005
#: Updates of others this long after a book went bad count as meanwhile: a repair is too short to meet many.
NEAR_S = 0.05
DEPTH = 10


class Repair(NamedTuple):
    """One: from STALE to SNAPSHOT, and the part of it in which the venue had the word."""

    whole_s: float
    venue_s: float


class _Timed:
    """A simulator that notes when it was asked and when it answered."""

    def __init__(self, simulator: Any) -> None:
        self._simulator = simulator
        self.symbol = ""
        self.answered_s = 0.0
        self._asked_s: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """A request: the venue's time begins."""
        if self.symbol.encode() in frame and self._asked_s is None:
            self._asked_s = time.perf_counter()
        self._simulator.receive(connection, frame, now_ns)

    def advance(self, now_ns: int) -> Sequence[Any]:
        """Its answer leaves: the venue's time ends."""
        frames: Sequence[Any] = self._simulator.advance(now_ns)
        if self._asked_s is not None and any(
            frame.frame is not None and (b'"success":true' in frame.frame or b'"snapshot"' in frame.frame)
            for frame in frames
        ):
            self.answered_s += time.perf_counter() - self._asked_s
            self._asked_s = None
        return frames


class Course:
    """All repairs, one after the other."""

    def __init__(self) -> None:
        simulator = load_simulator("kraken")
        self.simulator = _Timed(
            simulator.create(simulator.settings(seed=1, pairs=PAIRS, rate=RATE, skew=0.0, latency=False))
        )
        self.repairs: list[Repair] = []
        self.stale_others = 0
        self.during: list[float] = []  # receipt to publication of others' updates while one symbol is repaired
        self.calm: list[float] = []  # ... and otherwise
        self.false_books = 0
        self._struck_s = 0.0
        self._is_over = False  # the end makes every book stale
        self._stale_s = 0.0
        self._back = asyncio.Event()
        self._live: set[str] = set()
        self._all_live = asyncio.Event()

    async def run(self) -> None:
        """Serve, connect, break one symbol after the other."""
        logging.getLogger("gwcore").setLevel(logging.CRITICAL)
        async with serve(self.simulator) as server:
            spec, clock = load_venue("kraken"), SystemClock()
            hosts = {"rest_url": server.rest_url, "ws_public_url": f"{server.ws_url}/v2"}
            settings = spec.settings(**{**spec.environments["sim"], **hosts})
            config = GatewayConfig(
                gateway=GatewaySettings(env="sim", channels=("book",)),
                venue=SelectedVenue(spec=spec, settings=settings),
            )
            streams = spec.streams(settings)
            network = RealNetwork(clock, "show")
            observer = Observer(
                config,
                streams,
                network=network,
                clock=clock,
                random=SystemRandom(),
                ids=SystemIds(),
                captures=Captures(config.capture, streams, clock),
                on_event=self._on_event,
            )
            stop = asyncio.Event()
            running = asyncio.create_task(observer.run(stop))
            try:
                await self._play(server, observer)
            finally:
                stop.set()
                with contextlib.suppress(asyncio.CancelledError):
                    await running
                await network.close()

    async def _play(self, server: Any, observer: Observer) -> None:
        async with asyncio.timeout(60.0):
            await self._all_live.wait()
            for number in range(REPAIRS):
                symbol = sorted(self._live)[number % PAIRS]
                self._back.clear()
                self.simulator.symbol, self.simulator.answered_s, self._stale_s = symbol, 0.0, 0.0
                self.simulator.fault("wrong_checksum", symbol=symbol)
                await self._back.wait()
                await asyncio.sleep(0.2)
        self.simulator.fault("freeze")
        await asyncio.sleep(0.5)
        books = observer.hub.connections[0].machine.books.of_symbol
        for symbol, subscription in books.items():
            truth = self.simulator.book(symbol, DEPTH)
            held = subscription.book
            assert held is not None
            sides = ([(each.price, each.quantity) for each in side] for side in (held.bids(), held.asks()))
            self._is_over = True
            self.false_books += [list(truth.bids), list(truth.asks)] != list(sides)

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, MarketByPriceUpdate):
            return
        is_ours, now_s = event.symbol == self.simulator.symbol, time.perf_counter()
        if event.update_type is UpdateType.SNAPSHOT:
            self._live.add(event.symbol)
            if len(self._live) == PAIRS:
                self._all_live.set()
            if is_ours and self._stale_s:
                self.repairs.append(Repair(now_s - self._stale_s, self.simulator.answered_s))
                self._stale_s = 0.0
                self._back.set()
        elif event.update_type is UpdateType.STALE:
            self.stale_others += not is_ours and not self._is_over
            if is_ours:
                self._stale_s = self._struck_s = now_s
        elif not is_ours and event.venue_time_ns is not None:
            is_near = now_s - self._struck_s <= NEAR_S
            (self.during if is_near else self.calm).append(time.time() - event.venue_time_ns / 1e9)


class Result(NamedTuple):
    """What the course gave."""

    own_s: list[float]
    venue_s: list[float]
    late_s: float
    others: int
    text: str
    is_good: bool


def measure() -> Result:
    """Play it; a repair's own time is what is left when the venue's answers are taken out."""

    async def main() -> Course:
        course = Course()
        await course.run()
        return course

    course = asyncio.run(main())
    own = [each.whole_s - each.venue_s for each in course.repairs]
    venue = [each.venue_s for each in course.repairs]
    during, calm = (statistics.median(each) if each else 0.0 for each in (course.during, course.calm))
    others = course.stale_others + course.false_books
    good = len(own) == REPAIRS and statistics.median(own) <= REPAIR_S and not others and during - calm <= LATE_S
    text = (
        f"{len(own)} repairs over loopback: {statistics.median(own) * 1000:.2f} ms median, {max(own) * 1000:.2f} ms max, "
        f"beside {statistics.median(venue) * 1000:.2f} ms of the venue's answers; others' updates {during * 1000:.2f} ms "
        f"after the venue's time stamp meanwhile and {calm * 1000:.2f} ms otherwise "
        f"(medians of {len(course.during)} and {len(course.calm)}), "
        f"{course.stale_others} of them STALE, {course.false_books} of {PAIRS} books wrong in the end"
    )
    return Result(own, venue, during - calm, others, text, good)


if __name__ == "__main__":
    result = measure()
    print(result.text)
    print("holds" if result.is_good else "DOES NOT HOLD")
    raise SystemExit(0 if result.is_good else 1)
