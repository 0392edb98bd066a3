"""A quiet market is no fault: 24 virtual hours of 1,500 pairs, an hour of one silent pair, and every recorded stream.

The whole gateway runs on the seeded loop against the simulated Kraken. No book may turn STALE, no connection may be renewed.

Usage: false_alarms.py [--whole] [--minutes M] [--pairs N]. Without --whole the day ends after so many minutes of real time:
on two cores of their own the 24 hours fit; where others work too, the printed line says which part of the day was run.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from gwcore.engine.publisher import Publisher
from gwcore.model import MarketByPriceUpdate, StreamState, StreamStatus, UpdateType
from gwcore.plugins import load_simulator, load_venue
from gwcore.runtime.app import Gateway, Ports
from gwcore.settings import GatewayConfig, GatewaySettings, JournalSettings, SelectedVenue
from gwcore.testing.clock import VirtualClock
from gwcore.testing.committer import virtual_committer
from gwcore.testing.fixtures import fixtures_dir
from gwcore.testing.loop import Budget, SimLoop, run
from gwcore.testing.network import SimNetwork
from gwcore.testing.seeds import SeededIds, SeededRandom
from gwcore.testing.storage import MemoryStorage

DAY_HOURS = 24.0
DAY_MESSAGES = 3_000_000
PAIRS = 1_500
#: Activity of the n-th pair is n^-SKEW: at this one half of 1,500 pairs have some ten messages a day.
SKEW = 1.8
#: Real time for the day where the whole is not asked for. One core by itself takes some nine minutes for all of it.
MINUTES = 13.0
#: Virtual time between two looks at the real clock.
STEP_S = 600.0
#: Kraken's recordings of books, and the depth that each was subscribed at.
STREAMS = (
    ("ws-v2-book-btcusd-d10-2023-first-half.jsonl", 10),
    ("ws-v2-book-btcusd-d10-2026.jsonl", 10),
    ("ws-v2-book-minagbp-d25-resubscribe.jsonl", 25),
)


class Watch:
    """Looks at everything that is published, and counts; keeps nothing but the last time of each symbol."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.is_over = False  # what the gateway says when it stops is no alarm
        self.events = 0
        self.stale: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.first: list[str] = []
        self.longest_s: dict[str, float] = {}
        self._last_ns: dict[str, int] = {}

    def see(self, event: object) -> None:
        """One event."""
        if self.is_over:
            return
        self.events += 1
        if isinstance(event, StreamStatus) and event.state in (
            StreamState.STALE,
            StreamState.QUARANTINED,
            StreamState.REJECTED,
        ):
            self.states[event.state.value] += 1
            self._note(f"{event.channel} of {event.symbol}: {event.state.value} {event.reason} {event.detail}")
        symbol = getattr(event, "symbol", None)
        if getattr(event, "update_type", None) is UpdateType.STALE:
            self.stale[str(getattr(event, "reason", ""))] += 1
            self._note(f"{type(event).__name__} of {symbol} is STALE: {getattr(event, 'reason', '')}")
        if symbol is not None and isinstance(event, MarketByPriceUpdate):
            now_ns = self._clock.monotonic_ns()
            silent_s = (now_ns - self._last_ns.get(symbol, now_ns)) / 1e9
            self._last_ns[symbol] = now_ns
            self.longest_s[symbol] = max(self.longest_s.get(symbol, 0.0), silent_s)

    def end(self) -> None:
        """Nothing that comes counts, but the silence up to now does."""
        self.is_over = True
        now_ns = self._clock.monotonic_ns()
        for symbol, last_ns in self._last_ns.items():
            self.longest_s[symbol] = max(self.longest_s[symbol], (now_ns - last_ns) / 1e9)

    def _note(self, text: str) -> None:
        if len(self.first) < 5:
            self.first.append(f"{self._clock.monotonic_ns() / 1e9:.1f} s: {text}")


class Result(NamedTuple):
    """What one run gave."""

    hours: float  # virtual, that were run
    frames: int
    connections: int
    reconnects: int
    live: int
    watch: Watch

    @property
    def alarms(self) -> int:
        """False alarms of books and streams."""
        return sum(self.watch.stale.values()) + sum(self.watch.states.values())


async def _inline(work: Any, *args: Any) -> Any:
    return work(*args)


def listen(watch: Watch) -> Any:
    """Have the watch see all that is published; returns the method as it was."""
    original = Publisher.publish

    def publish(self: Publisher, partition: Any, event: Any, received_ns: int | None = None) -> None:
        watch.see(event)
        original(self, partition, event, received_ns)

    Publisher.publish = publish  # type: ignore[method-assign]
    return original


def make_gateway(loop: SimLoop, clock: VirtualClock, depth: int, simulated: dict[str, Any]) -> Gateway:
    """A gateway and the simulated venue."""
    rng = SeededRandom(1, "false alarms")
    venue, spec = load_venue("kraken"), load_simulator("kraken")
    simulator = spec.create(spec.settings(**{"seed": 1, **simulated}))
    config = GatewayConfig(
        gateway=GatewaySettings(env="sim", book_depth=depth),
        venue=SelectedVenue(spec=venue, settings=venue.settings(**venue.environments["sim"])),
        # What is journalled is not looked at here: as little of it as may be is kept in memory.
        journal=JournalSettings(
            segment_bytes=4 << 20, md_bytes_max=16 << 20, st_bytes_max=16 << 20, memory_records=1_000, compress_level=0
        ),
    )
    ports = Ports(
        clock=clock,
        random=rng.stream("gateway"),
        ids=SeededIds(clock, rng.stream("ids")),
        network=SimNetwork(loop, simulator, rng.stream("network"), clock=clock),
        storage=MemoryStorage(),
        state_dir=Path("/simulated"),
        committer=lambda journal, settings: virtual_committer(journal, settings, rng.stream("committer")),
        offload=_inline,
    )
    return Gateway(config, ports)


def play(hours: float, *, minutes_max: float = 1e9, depth: int = 10, **simulated: Any) -> Result:
    """A gateway against the simulator for so long, or until so much real time is over."""
    until_s = time.monotonic() + minutes_max * 60

    async def main(loop: SimLoop) -> Result:
        clock = VirtualClock(loop)
        watch = Watch(clock)
        original = listen(watch)
        try:
            gateway = make_gateway(loop, clock, depth, simulated)
            running = asyncio.create_task(gateway.run(), name="gateway")
            for _ in range(math.ceil(hours * 3600.0 / STEP_S)):
                await asyncio.sleep(STEP_S)
                if time.monotonic() > until_s:
                    break
            connections = gateway.hub.connections
            books = [one for connection in connections for one in connection.machine.books.of_symbol.values()]
            result = Result(
                hours=loop.time() / 3600.0,
                frames=sum(connection.machine.frames for connection in connections),
                connections=len(connections),
                reconnects=sum(connection.connects - 1 for connection in connections),
                live=sum(one.state is StreamState.LIVE for one in books),
                watch=watch,
            )
            watch.end()
            gateway.request_stop("the show ends")
            await running
            return result
        finally:
            Publisher.publish = original  # type: ignore[method-assign]

    budget = Budget(time_s=hours * 3600.0 + 3600.0, steps=10**10)
    return run(main, seed=1, budget=budget, inline_executor=True)


def tell(what: str, result: Result, *, took_s: float) -> None:
    """One line, and the first alarms."""
    print(
        f"{what}: {result.alarms} false alarms (STALE {sum(result.watch.stale.values())}, streams "
        f"{sum(result.watch.states.values())}), {result.reconnects} reconnects of {result.connections} connections, "
        f"{result.live} books live at the end, {result.frames} frames, {result.watch.events} events, in {took_s:.0f} s "
        f"({time.process_time():.0f} s of this process so far)",
        flush=True,
    )
    for line in result.watch.first:
        print(f"  {line}")


def show_day(pairs: int, minutes_max: float) -> bool:
    """The long one."""
    since_s = time.monotonic()
    rate = DAY_MESSAGES / (DAY_HOURS * 3600.0)
    result = play(DAY_HOURS, minutes_max=minutes_max, pairs=pairs, rate=rate, skew=SKEW, deep_pairs=0, levels=20)
    if result.hours < DAY_HOURS:
        print(f"PART of the day: its first {result.hours:.1f} hours; the whole: scripts/show/6-2 --whole, or make soak")
    tell(f"{result.hours:.1f} virtual hours of {pairs} pairs", result, took_s=time.monotonic() - since_s)
    silent = result.watch.longest_s.values()
    over = {limit: sum(one > limit for one in silent) for limit in (60, 3600, 3 * 3600)}
    print(
        f"  pairs silent for over a minute {over[60]}, an hour {over[3600]}, three hours {over[3 * 3600]} at a stretch"
    )
    return not result.alarms and not result.reconnects and result.live == pairs


def show_silent_pair() -> bool:
    """One pair of which nothing is heard, with heartbeats."""
    since_s = time.monotonic()
    result = play(1.0, pairs=1, rate=0)
    tell("an hour of one silent pair", result, took_s=time.monotonic() - since_s)
    return not result.alarms and not result.reconnects and result.live == 1


def show_recordings() -> bool:
    """Every recorded stream of books, at the speed at which it was recorded, and a while behind its end."""
    good, found = True, 0
    for name, depth in STREAMS:
        path = fixtures_dir() / "kraken-spot" / name
        if not path.is_file():
            print(f"{name}: not there, so not shown")
            continue
        found += 1
        since_s = time.monotonic()
        result = play(0.25, depth=depth, replay=str(path))
        tell(f"recorded: {name}", result, took_s=time.monotonic() - since_s)
        good &= not result.alarms and not result.reconnects and result.live == 1
    return good and found > 0


def main() -> int:
    """All three; 0 where no alarm was raised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    options = parser.parse_args()
    logging.getLogger("gwcore").setLevel(logging.CRITICAL)
    minutes_max = 1e9 if options.whole else options.minutes
    results = [show_silent_pair(), show_recordings(), show_day(options.pairs, minutes_max)]
    print("holds" if all(results) else "DOES NOT HOLD")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
