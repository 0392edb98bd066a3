"""Three nats-servers, streams with three replicas: leader killed, rolling restart, two of three down (fault F29).

For each: three times in turn a run without and a run with it, on one gateway with one Unix client, until the backlog is
drained. Then the journal and the streams must hold the same events in the same order, each once. Prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jetstream_faults import HEAD, RATIO_MAX, Case, Result, row
from jetstream_stage import BASE_S, PAIRS, RATE, Stage, compare, stream_name, with_client
from nats.errors import Error as NatsError

from gwcore.testing.nats_server import NatsServer, make_cluster
from gwcore.testing.processes import ProcessError, Sim, ask, ending

#: How long a dead leader stays away, and two of three.
AWAY_S = 6.0
#: How long a cluster may take to elect, to be current again, and to hand out its streams.
CLUSTER_S = 60.0


@dataclass
class Cluster:
    """Three servers."""

    servers: Sequence[NatsServer]

    @property
    def url(self) -> str:
        """All of them."""
        return ",".join(server.url for server in self.servers)

    @property
    def monitor_url(self) -> str:
        """All of them."""
        return ",".join(server.monitor_url for server in self.servers)

    async def leader(self) -> NatsServer:
        """Of the market data stream."""

        async def work(client: Any) -> str:
            return str((await client.jetstream(timeout=10).stream_info(stream_name("md"))).cluster.leader)

        name = await self.ask(work)
        return next(server for server in self.servers if server.name == name)

    async def ask(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Something of whichever server answers, in time."""
        end_s = time.monotonic() + CLUSTER_S
        while True:
            for server in self.servers:
                try:
                    return await with_client(server.url, work)
                except (NatsError, OSError) as error:
                    if time.monotonic() > end_s:
                        raise ProcessError(f"the cluster does not answer: {error}") from error
            await asyncio.sleep(0.2)

    async def wait_healthy(self) -> None:
        """Until each server says that it is, and is current with its streams."""

        def is_healthy() -> bool:
            try:
                return all(b'"ok"' in ask(f"{server.monitor_url}/healthz") for server in self.servers)
            except (ProcessError, OSError):
                return False

        end_s = time.monotonic() + CLUSTER_S
        while not await asyncio.to_thread(is_healthy):
            if time.monotonic() > end_s:
                raise ProcessError("the cluster did not become healthy")
            await asyncio.sleep(0.2)


async def kill_leader(cluster: Cluster, stage: Stage) -> dict[str, float]:
    """kill -9 of the leader; it is back some seconds later."""
    server = await cluster.leader()
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(AWAY_S)
    backlog = await stage.backlog()
    await asyncio.to_thread(server.start)
    return backlog


async def restart_rolling(cluster: Cluster, stage: Stage) -> dict[str, float]:
    """Each server in turn, when all are healthy."""
    backlog: dict[str, float] = {}
    for server in cluster.servers:
        await asyncio.to_thread(server.stop)
        found = await stage.backlog()
        backlog = {unit: max(backlog.get(unit, 0.0), value) for unit, value in found.items()}
        await asyncio.to_thread(server.start)
        await cluster.wait_healthy()
    return backlog


async def kill_two(cluster: Cluster, stage: Stage) -> dict[str, float]:
    """The leader and another one, for some seconds: no majority, nothing can be stored."""
    leader = await cluster.leader()
    dead = [leader, next(server for server in cluster.servers if server is not leader)]
    for server in dead:
        await asyncio.to_thread(server.kill)
    await asyncio.sleep(2 * AWAY_S)
    backlog = await stage.backlog()
    for server in dead:
        await asyncio.to_thread(server.start)
    return backlog


CASES = {"leader": kill_leader, "rolling": restart_rolling, "two": kill_two}
TITLES = {
    "leader": f"R3: kill -9 of the leader, back after {AWAY_S:g} s",
    "rolling": "R3: rolling restart",
    "two": f"R3: two of three down for {2 * AWAY_S:g} s",
}


async def nothing(_: Any) -> None:
    """For the shape of a `Case`."""


async def play_pair(key: str, cluster: Cluster, stage: Stage, result: Result) -> None:
    """A run without the fault, then one with it."""
    watch = stage.watch
    await cluster.wait_healthy()
    base_s = time.monotonic()
    await asyncio.sleep(BASE_S)
    fault_s = time.monotonic()
    result.base_ms.append(watch.p99_ms(base_s, fault_s))
    backlog = await CASES[key](cluster, stage)
    repaired_s = time.monotonic()
    await cluster.wait_healthy()
    await stage.wait_drained()
    end_s = time.monotonic()
    result.fault_ms.append(watch.p99_ms(fault_s, end_s))
    result.backlog = {unit: max(result.backlog.get(unit, 0.0), value) for unit, value in backlog.items()}
    told = [each for each in watch.told if each.at_s >= fault_s and each.cause]
    # A leader may be replaced before anything is late: then there is nothing to tell.
    result.detect_s.append(told[0].at_s - fault_s if told else 0.0)
    result.told = list(dict.fromkeys([*result.told, *(each.cause for each in told)]))
    result.heal_s.append(end_s - repaired_s)


async def play(key: str, folder: Path, sim: Sim) -> Result:
    """All pairs of one fault, and the count at the end."""
    cluster, result = Cluster(make_cluster(folder)), Result()
    try:
        for server in cluster.servers:
            await asyncio.to_thread(server.start)
        await cluster.wait_healthy()
        async with Stage(folder, sim, cluster.url, cluster.monitor_url, replicas="3") as stage:
            for number in range(2 * PAIRS):
                if number >= PAIRS and result.ratio < RATIO_MAX:
                    break
                await play_pair(key, cluster, stage, result)
            result.complaints += [f"{key}: {text}" for text in stage.watch.disturbed[:3]]
        if stage.gateway.exit_code != 0:
            result.complaints.append(f"{key}: the gateway ended with {stage.gateway.exit_code}")
        result.events, differing = await compare(cluster.servers[0].url, stage.gateway.state_dir)
        result.complaints += [f"{key}: {text}" for text in differing]
    finally:
        for server in cluster.servers:
            server.stop()
    if key == "two" and result.backlog.get("events", 0) < RATE:
        result.complaints.append("two: no backlog grew: was the majority really gone?")
    if not result.ratio < RATIO_MAX:
        result.complaints.append(f"{key}: p99 with the fault is {result.ratio:.1f} x the one without")
    return result


def main() -> int:
    """Print the table; exit code 1 where the line does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {' '.join(CASES)}; none: all")
    options = parser.parse_args()
    complaints: list[str] = []
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sim = Sim(folder, "--rate", str(RATE), "--seed", "4")
        print(
            f"{RATE} messages a second; medians of {PAIRS} interleaved runs; healed: servers current, backlog drained\n"
        )
        print(HEAD)
        with ending(sim):
            for key in options.cases or CASES:
                try:
                    result = asyncio.run(play(key, folder / key, sim))
                except (ProcessError, OSError) as error:
                    complaints.append(f"{key}: {error}")
                    continue
                print(row(Case(key, "F29", TITLES[key], (), 0.0, nothing, nothing), result), flush=True)
                complaints += result.complaints
    print(f"\ntook {time.monotonic() - begun_s:.0f} s", *complaints, sep="\n  ")
    print("holds" if not complaints else "DOES NOT HOLD")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
