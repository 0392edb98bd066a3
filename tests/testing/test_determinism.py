"""One seed, one course: also in another process with another PYTHONHASHSEED."""

from __future__ import annotations

import os
import subprocess
import sys

from gwcore.testing.clock import EPOCH_NS, VirtualClock
from gwcore.testing.loop import SimLoop, run
from gwcore.testing.seeds import SeededIds, SeededRandom, derive

_SCRIPT = """
import asyncio
from gwcore.ports import Endpoint
from gwcore.testing.clock import VirtualClock
from gwcore.testing.faults import NETWORK_FAULTS, FaultPlan, FaultTargets
from gwcore.testing.loop import run
from gwcore.testing.network import SimNetwork
from gwcore.testing.seeds import SeededIds, SeededRandom
from gwcore.testing.toy import ToyVenue

class Listener:
    def __init__(self, loop): self.loop, self.gone = loop, asyncio.Event()
    def on_frame(self, frame, received_ns): self.loop.note(frame)
    def on_burst_end(self): pass
    def on_close(self, cause): self.gone.set()

async def client(loop, network, name):
    while True:
        listener = Listener(loop)
        try:
            connection = await network.connect(Endpoint(url="wss://toy/", connect_timeout_s=1.0), listener)
        except Exception:
            continue
        connection.send(b'"%s"' % name.encode())
        # A set of text: its order differs from process to process, so only sorted use of it may be seen.
        for word in sorted({"a", "b", name}):
            loop.note(word.encode())
        try:
            await listener.gone.wait()
        finally:
            # In the end the group cancels its tasks, which it keeps in a set.
            loop.note(name.encode())

async def main(loop):
    venue, clock = ToyVenue(), VirtualClock(loop)
    network = SimNetwork(loop, venue, SeededRandom(11, "network"))
    loop.note(SeededIds(clock, SeededRandom(11, "ids")).session_id().encode())
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(client(loop, network, f"client {number}"))
            await FaultPlan(11, NETWORK_FAULTS, 30.0).run(FaultTargets(network=network, simulator=venue, clock=clock))
            raise KeyError
    except* KeyError:
        pass
    return loop.trace_hash()

print(run(main, seed=11))
"""


def trace_hash(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=50
    )
    return result.stdout.strip()


def test_same_trace_in_processes_with_different_hash_seeds() -> None:
    hashes = {trace_hash("1"), trace_hash("2")}
    assert len(hashes) == 1
    assert len(hashes.pop()) == 32


def test_streams_are_pinned() -> None:
    # Were this to change, every seed that is written down anywhere would mean something else.
    assert derive(1, "loop") == 0xA64B3308A5191C1F
    assert derive(1, "a") != derive(1, "b") != derive(2, "b")


def test_streams_do_not_depend_on_what_was_drawn() -> None:
    first, second = SeededRandom(5, "x"), SeededRandom(5, "x")
    first.random()
    assert [first.stream("y").random() for _ in range(2)] == [second.stream("y").random() for _ in range(2)]
    assert second.stream("y").random() != second.stream("z").random()


def test_draws_stay_in_their_ranges() -> None:
    rng = SeededRandom(5)
    assert all(2.0 <= rng.uniform(2.0, 3.0) <= 3.0 for _ in range(100))
    assert {rng.integer(1, 3) for _ in range(100)} == {1, 2, 3}
    assert {rng.pick("abc") for _ in range(100)} == {"a", "b", "c"}
    assert {rng.chance(0.5) for _ in range(100)} == {True, False}


def test_ids_follow_from_seed_and_time() -> None:
    def ids(seed: int) -> list[str]:
        async def main(loop: SimLoop) -> list[str]:
            clock = VirtualClock(loop)
            made = SeededIds(clock, SeededRandom(seed, "ids"))
            names = [made.session_id(), made.session_id()]
            clock.skew_ns = -3600 * 10**9
            return [*names, made.session_id()]

        return run(main)

    assert ids(1) == ids(1) == sorted(set(ids(1)))
    assert ids(1) != ids(2)


def test_virtual_clock() -> None:
    async def main(loop: SimLoop) -> tuple[int, int]:
        clock = VirtualClock(loop, skew_ns=5)
        return clock.now_ns(), clock.monotonic_ns()

    assert run(main) == (EPOCH_NS + 5, 0)
