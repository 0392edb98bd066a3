"""Fault plans: seeded, swarming, counted, and over when they are over."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gwcore.errors import VenueUnavailable
from gwcore.ports import Connection, Endpoint
from gwcore.rest import HttpRequest
from gwcore.testing.clock import VirtualClock
from gwcore.testing.faults import CLOCK_FAULTS, NETWORK_FAULTS, FaultKind, FaultPlan, FaultTargets, simulator_fault
from gwcore.testing.loop import SimLoop, run
from gwcore.testing.network import ConnectMode, HttpMode, SimNetwork
from gwcore.testing.seeds import SeededRandom
from gwcore.testing.toy import ToyVenue

MUTE = simulator_fault("mute", "mute", lambda rng: {"on": True}, end=("mute", {"on": False}))
KINDS = (*NETWORK_FAULTS, *CLOCK_FAULTS, MUTE)


class Reconnector:
    """A client that connects again whenever it is cut off, and notices silence after 3 s."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.ticks = 0
        self._gone = asyncio.Event()
        self._heard = False

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        self.ticks += frame.startswith(b'{"tick"')
        self._heard = True

    def on_burst_end(self) -> None:
        pass

    def on_close(self, cause: str) -> None:
        self._gone.set()

    async def run(self) -> None:
        while True:
            self._gone.clear()
            try:
                connection = await self.network.connect(Endpoint(url="wss://toy/", connect_timeout_s=2.0), self)
                await self._watch(connection)
                await self.network.request(HttpRequest(method="GET", url="https://toy/", timeout_s=1.0))
            except VenueUnavailable:
                await asyncio.sleep(0.5)

    async def _watch(self, connection: Connection) -> None:
        while not self._gone.is_set():
            self._heard = False
            connection.send(b"1")
            await asyncio.sleep(3)
            if not self._heard:
                connection.close("silence")


def simulate(seed: int, kinds: tuple[FaultKind, ...] = KINDS) -> tuple[str, Counter[str], int]:
    """A minute with faults and one without: trace, what struck, ticks in the last 20 s."""

    async def main(loop: SimLoop) -> tuple[str, Counter[str], int]:
        venue, clock = ToyVenue(), VirtualClock(loop)
        network = SimNetwork(loop, venue, SeededRandom(seed, "network"), clock=clock)
        client = Reconnector(network)
        task = asyncio.create_task(client.run())
        plan = FaultPlan(seed, kinds, 60.0)
        await plan.run(FaultTargets(network=network, simulator=venue, clock=clock))
        assert (network.connect_mode, network.http_mode, clock.skew_ns) == (ConnectMode.OK, HttpMode.OK, 0)
        await asyncio.sleep(40)
        before = client.ticks
        await asyncio.sleep(20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert set(plan.counts) <= {kind.name for kind in plan.kinds}
        return loop.trace_hash(), plan.counts, client.ticks - before

    return run(main, seed=seed)


def test_every_seed_heals_and_all_kinds_strike() -> None:
    struck: Counter[str] = Counter()
    for seed in range(40):
        _, counts, ticks = simulate(seed)
        assert ticks in range(195, 206), f"seed {seed}: {counts}"
        struck += counts
    assert set(struck) == {kind.name for kind in KINDS}


def test_a_seed_is_a_course() -> None:
    assert simulate(7) == simulate(7)
    assert len({simulate(seed)[0] for seed in range(5)}) == 5


def test_swarm_enables_another_subset_each_time() -> None:
    subsets = [frozenset(kind.name for kind in FaultPlan(seed, KINDS, 60.0).kinds) for seed in range(50)]
    assert min(map(len, subsets)) == 3
    assert max(map(len, subsets)) == 10
    assert len(set(subsets)) > 40


def test_strikes_are_in_time_and_each_enabled_kind_has_one() -> None:
    for seed in range(20):
        plan = FaultPlan(seed, KINDS, 60.0)
        times = [strike.at_s for strike in plan.strikes]
        assert times == sorted(times)
        assert all(0 <= at_s < 60 for at_s in times)
        assert {strike.kind.name for strike in plan.strikes} == {kind.name for kind in plan.kinds}


def test_nothing_to_hit_is_not_counted_as_a_strike() -> None:
    async def main(loop: SimLoop) -> FaultPlan:
        venue = ToyVenue()
        network = SimNetwork(loop, venue, SeededRandom(1))
        cut = tuple(kind for kind in NETWORK_FAULTS if kind.name == "cut")
        plan = FaultPlan(1, cut, 60.0, kinds_min=1)
        await plan.run(FaultTargets(network=network, simulator=venue, clock=VirtualClock(loop)))
        return plan

    plan = run(main)
    assert plan.counts["cut"] == 0
    assert plan.missed["cut"] == len(plan.strikes) > 0


@pytest.mark.parametrize("may_miss", [True, False])
def test_a_simulator_may_have_nothing_to_hit(may_miss: bool) -> None:
    async def main(loop: SimLoop) -> FaultPlan:
        venue = ToyVenue()
        network = SimNetwork(loop, venue, SeededRandom(1))
        unknown = simulator_fault("unknown", "nonsense", lambda rng: {}, may_miss=may_miss)
        plan = FaultPlan(1, (unknown,), 60.0, kinds_min=1)
        await plan.run(FaultTargets(network=network, simulator=venue, clock=VirtualClock(loop)))
        return plan

    if may_miss:
        assert run(main).missed["unknown"] > 0
    else:
        with pytest.raises(ValueError, match="nonsense"):
            run(main)


def test_too_few_kinds_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 kinds of fault; at least 3"):
        FaultPlan(1, (MUTE,), 60.0)
    with pytest.raises(ValueError, match="same name"):
        FaultPlan(1, (MUTE, MUTE, MUTE), 60.0)
