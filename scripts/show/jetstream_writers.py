"""Two gateways where one belongs: on one state directory the second does not start; on one stream each is fenced."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

from jetstream_stage import (
    BASE_S,
    CLASSES,
    PAIRS,
    Stage,
    differences,
    journal_ids,
    start_gateway,
    stream_ids,
    with_client,
)
from nats.aio.client import Client

from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Sim

#: How long a second writer writes.
WRITES_S = 8.0
#: p99 with the second gateway to p99 without.
RATIO_MAX = 2.0
#: Niceness of the second gateway: what its start costs the machine is not what is shown.
_NICE = 19


async def show_writers(folder: Path, sim: Sim) -> list[str]:
    """Both cases; prints two rows of the table. Returns what does not hold."""
    server = NatsServer(folder / "nats").start()
    second = folder / "second"
    second.mkdir()
    complaints: list[str] = []
    try:
        async with Stage(folder / "first", sim, server.url, server.monitor_url) as stage:
            complaints += await _one_state_directory(stage, folder, sim, server)
            others = await _one_stream(stage, second, sim, server)
            complaints += [*others, *stage.watch.disturbed[:3]]
        complaints += await _compare(server, stage.gateway.state_dir, second / "state")
    finally:
        server.stop()
    return complaints


async def _one_state_directory(stage: Stage, folder: Path, sim: Sim, server: NatsServer) -> list[str]:
    watch, base_ms, fault_ms, took_s = stage.watch, [], [], []
    code, said = 0, ""
    for number in range(2 * PAIRS):
        if number >= PAIRS and _ratio(base_ms, fault_ms) < RATIO_MAX:
            break
        base_s = time.monotonic()
        await asyncio.sleep(BASE_S)
        fault_s = time.monotonic()
        base_ms.append(watch.p99_ms(base_s, fault_s))
        place = folder / f"intruder-{number}"
        place.mkdir()
        state = str(stage.gateway.state_dir)
        intruder = _nice(start_gateway(place, sim, server.url, server.monitor_url, state=state))
        code = await asyncio.to_thread(intruder.wait)
        took_s.append(time.monotonic() - fault_s)
        said = intruder.errors().strip().splitlines()[-1]
        await asyncio.sleep(max(0.0, fault_s + BASE_S - time.monotonic()))
        fault_ms.append(watch.p99_ms(fault_s, time.monotonic()))
    base, fault = statistics.median(base_ms), statistics.median(fault_ms)
    print(
        f"| §3 line 2 | two gateways on one state directory | {max(took_s):.1f} | the second ends with {code}: {said} "
        f"| - | - | {base:.2f} → {fault:.2f} ({fault / base:.2f}) | one writer |",
        flush=True,
    )
    complaints = [] if code else ["two gateways run on one state directory"]
    return complaints + ([] if fault / base < 2 else [f"state directory: p99 is {fault / base:.1f} x the one without"])


def _ratio(base_ms: list[float], fault_ms: list[float]) -> float:
    return statistics.median(fault_ms) / statistics.median(base_ms)


def _nice(gateway: Gw) -> Gw:
    os.setpriority(os.PRIO_PROCESS, gateway.pid, _NICE)
    return gateway


async def _one_stream(stage: Stage, place: Path, sim: Sim, server: NatsServer) -> list[str]:
    watch, base_ms, fault_ms, told_s = stage.watch, [], [], []
    for number in range(2 * PAIRS):
        if number >= PAIRS and _ratio(base_ms, fault_ms) < RATIO_MAX:
            break
        base_s = time.monotonic()
        await asyncio.sleep(BASE_S)
        fault_s = time.monotonic()
        base_ms.append(watch.p99_ms(base_s, fault_s))
        other = _nice(start_gateway(place, sim, server.url, server.monitor_url))
        try:
            told = await watch.wait_told("fenced", lambda told: told.cause == "fenced", fault_s, 30)
            told_s.append(told.at_s - fault_s)
            await asyncio.sleep(WRITES_S)
        finally:
            await asyncio.to_thread(other.end)
        await watch.wait_told("healed", lambda found: not found.cause, told.at_s, 60)
        await stage.wait_drained()
        fault_ms.append(watch.p99_ms(fault_s, time.monotonic()))
    base, fault = statistics.median(base_ms), statistics.median(fault_ms)
    print(
        f"| §2.2 (4) | two gateways on one stream | {max(told_s):.1f} (from its start) | fenced | by itself | - "
        f"| {base:.2f} → {fault:.2f} ({fault / base:.2f}) | see below |",
        flush=True,
    )
    return [] if fault / base < 2 else [f"one stream: p99 is {fault / base:.1f} x the one without"]


async def _compare(server: NatsServer, first: Path, second: Path) -> list[str]:
    complaints = []

    async def read(client: Client) -> dict[str, list[str]]:
        return {name: await stream_ids(client, name) for name in CLASSES}

    stored = await with_client(server.url, read)
    counts = []
    for name in CLASSES:
        mine, theirs = journal_ids(first, name), journal_ids(second, name)
        known = set(mine)
        complaints += differences(f"{name} of the first", mine, [each for each in stored[name] if each in known])
        others = [each for each in stored[name] if each not in known]
        # The second was stopped while it was fenced now and then: what it did not deliver is its last stretch.
        if others != theirs[: len(others)]:
            complaints.append(f"{name} of the second: not the beginning of its journal, in order, each once")
        counts.append(f"{name}: {len(mine):,} of the first, {len(others):,} of {len(theirs):,} of the second")
    print(f"\ntwo writers of one stream, each event once and each writer's in order: {'; '.join(counts)}", flush=True)
    return complaints
