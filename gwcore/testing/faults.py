"""FaultPlan: which faults strike when, from a seed alone ("swarm": every seed enables another subset of the kinds).

A plan strikes until its end, then ends every fault that can be ended, so that what follows can show that all heals. It
must not judge anything: oracles are somebody else's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from gwcore.simulator import Simulator
from gwcore.testing.clients import SimClient
from gwcore.testing.clock import VirtualClock
from gwcore.testing.links import Direction, SimLink
from gwcore.testing.network import ConnectMode, HttpMode, SimNetwork
from gwcore.testing.seeds import SeededRandom

#: Ends a fault; may be called when it has ended by itself.
Ender: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTargets:
    """What faults strike. `clock` is the gateway's."""

    network: SimNetwork
    simulator: Simulator
    clock: VirtualClock
    clients: tuple[SimClient, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault. `strike` starts one and returns how to end it, or None where there was nothing to hit."""

    name: str
    strike: Callable[[FaultTargets, SeededRandom], Ender | None]
    every_s: tuple[float, float] = (4.0, 20.0)  # from one to the next
    lasts_s: tuple[float, float] = (0.2, 4.0)  # until it is ended


class Strike(NamedTuple):
    """One planned fault; times are from the plan's start."""

    at_s: float
    ends_s: float
    kind: FaultKind


class FaultPlan:
    """The faults of one seed: `kinds_min` to `kinds_max` of `kinds` are enabled, each strikes at its own seeded times.

    `counts` says how often each kind struck, `missed` how often it found nothing to hit.
    """

    def __init__(
        self, seed: int, kinds: Sequence[FaultKind], duration_s: float, *, kinds_min: int = 3, kinds_max: int = 10
    ) -> None:
        if len({kind.name for kind in kinds}) < len(kinds):
            raise ValueError("two kinds of fault have the same name")
        if len(kinds) < kinds_min:
            raise ValueError(f"{len(kinds)} kinds of fault; at least {kinds_min} are to be enabled")
        rng = SeededRandom(seed, "faults")
        self.duration_s = duration_s
        self.kinds = tuple(_subset(rng, kinds, kinds_min, kinds_max))
        self.counts: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._random = rng.stream("strikes")
        self._active: dict[int, Ender] = {}
        self.strikes = tuple(
            sorted(
                (strike for kind in self.kinds for strike in _timeline(rng.stream(kind.name), kind, duration_s)),
                key=lambda strike: (strike.at_s, strike.kind.name),
            )
        )

    async def run(self, targets: FaultTargets) -> None:
        """Strike until `duration_s` is over, then end everything."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        try:
            for number, strike in enumerate(self.strikes):
                await asyncio.sleep(max(0.0, start_s + strike.at_s - loop.time()))
                self._strike(loop, number, strike, targets)
            await asyncio.sleep(max(0.0, start_s + self.duration_s - loop.time()))
        finally:
            self.stop(targets)

    def stop(self, targets: FaultTargets) -> None:
        """End every fault that can be ended."""
        for number in list(self._active):
            self._end(number)
        targets.network.calm()

    def _strike(self, loop: asyncio.AbstractEventLoop, number: int, strike: Strike, targets: FaultTargets) -> None:
        ender = strike.kind.strike(targets, self._random)
        if ender is None:
            self.missed[strike.kind.name] += 1
            return
        self.counts[strike.kind.name] += 1
        self._active[number] = ender
        loop.call_later(strike.ends_s - strike.at_s, self._end, number)

    def _end(self, number: int) -> None:
        ender = self._active.pop(number, None)
        if ender is not None:
            ender()


def _subset(rng: SeededRandom, kinds: Sequence[FaultKind], kinds_min: int, kinds_max: int) -> list[FaultKind]:
    order = list(kinds)
    rng.shuffle(order)
    # Few at a time: where everything strikes at once, nothing stands long enough to go wrong in an interesting way.
    return order[: rng.integer(kinds_min, max(kinds_min, min(kinds_max, len(order))))]


def _timeline(rng: SeededRandom, kind: FaultKind, duration_s: float) -> list[Strike]:
    strikes = []
    # The first comes early in its interval, so that short plans see every kind.
    at_s = rng.uniform(0.1, 1.0) * kind.every_s[0]
    while at_s < duration_s:
        strikes.append(Strike(at_s, at_s + rng.uniform(*kind.lasts_s), kind))
        at_s += rng.uniform(*kind.every_s)
    return strikes


# --- faults of the network ----------------------------------------------------------------------------------------------


def _nothing() -> None:
    """The end of a fault that is over at once."""


def _sound_link(targets: FaultTargets, rng: SeededRandom) -> SimLink | None:
    links = [link for link in targets.network.links if link.is_sound]
    return rng.pick(links) if links else None


def _cut(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    link = _sound_link(targets, rng)
    if link is None:
        return None
    link.cut()
    return _nothing


def _cut_tail(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    # Strikes a link that has frames in flight where there is one: else it is no more than a cut.
    links = [link for link in targets.network.links if link.is_sound]
    loaded = [link for link in links if len(link.down)] or links
    if not loaded:
        return None
    link = rng.pick(loaded)
    link.cut("connection reset in the middle", keep=rng.integer(0, len(link.down)))
    return _nothing


def _cut_all(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    links = targets.network.links
    for link in links:
        link.cut("all connections lost")
    return _nothing if links else None


def _half_open(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    link = _sound_link(targets, rng)
    if link is None:
        return None
    link.half_open()
    return _nothing


def _stall(direction: Direction) -> Callable[[FaultTargets, SeededRandom], Ender | None]:
    def strike(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
        link = _sound_link(targets, rng)
        if link is None:
            return None
        link.stall(direction)
        return lambda: link.resume(direction)

    return strike


def _spike(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    targets.network.set_spike(rng.uniform(0.1, 3.0))
    return lambda: targets.network.set_spike(0.0)


def _connects(mode: ConnectMode) -> Callable[[FaultTargets, SeededRandom], Ender | None]:
    def strike(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
        targets.network.connect_mode = mode
        # Nothing would notice unless something has to connect.
        link = _sound_link(targets, rng)
        if link is not None:
            link.cut("connection lost, and none to be had")

        def end() -> None:
            if targets.network.connect_mode is mode:
                targets.network.connect_mode = ConnectMode.OK

        return end

    return strike


def _http(mode: HttpMode) -> Callable[[FaultTargets, SeededRandom], Ender | None]:
    def strike(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
        targets.network.http_mode = mode

        def end() -> None:
            if targets.network.http_mode is mode:
                targets.network.http_mode = HttpMode.OK

        return end

    return strike


def _clock_jump(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    targets.clock.skew_ns = round(rng.uniform(-3600.0, 3600.0) * 1e9)

    def end() -> None:
        targets.clock.skew_ns = 0

    return end


#: Faults that any program on a SimNetwork can be put to.
NETWORK_FAULTS: tuple[FaultKind, ...] = (
    FaultKind(name="cut", strike=_cut),
    FaultKind(name="cut_tail", strike=_cut_tail),
    FaultKind(name="cut_all", strike=_cut_all, every_s=(10.0, 30.0)),
    FaultKind(name="half_open", strike=_half_open, every_s=(10.0, 40.0)),
    FaultKind(name="stall_up", strike=_stall(Direction.UP), lasts_s=(0.5, 12.0)),
    FaultKind(name="stall_down", strike=_stall(Direction.DOWN), lasts_s=(0.5, 12.0)),
    FaultKind(name="spike", strike=_spike),
    FaultKind(name="connect_refused", strike=_connects(ConnectMode.REFUSE)),
    FaultKind(name="connect_timeout", strike=_connects(ConnectMode.TIMEOUT)),
    FaultKind(name="connect_dropped", strike=_connects(ConnectMode.DROP)),
    FaultKind(name="http_refused", strike=_http(HttpMode.REFUSE)),
    FaultKind(name="http_lost", strike=_http(HttpMode.LOST)),
    FaultKind(name="http_reply_lost", strike=_http(HttpMode.REPLY_LOST)),
    FaultKind(name="http_html", strike=_http(HttpMode.HTML)),
    FaultKind(name="http_reply_html", strike=_http(HttpMode.REPLY_HTML)),
)

#: The gateway's wall clock jumps by up to an hour either way, and back.
CLOCK_FAULTS: tuple[FaultKind, ...] = (FaultKind(name="clock_jump", strike=_clock_jump, every_s=(10.0, 40.0)),)


def _client_cut(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    clients = [client for client in targets.clients if client.is_connected]
    if not clients:
        return None
    rng.pick(clients).cut()
    return _nothing


def _client_stall(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
    clients = [client for client in targets.clients if client.is_connected]
    if not clients:
        return None
    client = rng.pick(clients)
    client.stall()
    return client.resume


#: Clients lose their connection, or stop reading for a while.
CLIENT_FAULTS: tuple[FaultKind, ...] = (
    FaultKind(name="client_cut", strike=_client_cut),
    FaultKind(name="client_stall", strike=_client_stall, lasts_s=(0.5, 20.0)),
)


def simulator_fault(
    name: str,
    fault: str,
    options: Callable[[SeededRandom], Mapping[str, Any]],
    *,
    end: tuple[str, Mapping[str, Any]] | None = None,
    every_s: tuple[float, float] = (4.0, 20.0),
    lasts_s: tuple[float, float] = (0.2, 4.0),
    may_miss: bool = False,
) -> FaultKind:
    """A kind that calls `Simulator.fault(fault, **options(rng))`, and `fault(*end)` when it is over.

    `may_miss`: a ValueError says that there is nothing to hit just now, and not that the options are wrong.
    """

    def strike(targets: FaultTargets, rng: SeededRandom) -> Ender | None:
        try:
            targets.simulator.fault(fault, **options(rng))
        except ValueError:
            if may_miss:
                return None
            raise
        targets.network.poke()

        def stop() -> None:
            if end is not None:
                targets.simulator.fault(end[0], **end[1])
                targets.network.poke()

        return stop

    return FaultKind(name=name, strike=strike, every_s=every_s, lasts_s=lasts_s)
