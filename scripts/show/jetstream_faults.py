"""What can befall the server and the streams behind a JetStream sink, in real processes under load (faults F28, F30 to F32).

For each fault: three times in turn a run without and a run with it, on one gateway with one Unix client. Then the gateway
ends in order, and its journal and the streams must hold the same events in the same order, each once. Prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jetstream_stage import BASE_S, HEAL_S, PAIRS, RATE, Stage, compare, stream_name, with_client
from nats.js.api import DiscardPolicy

from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import ProcessError, Sim, ending

DISK_BYTES = 96 * 1024 * 1024
#: How long the disk is kept full by force.
FILL_S = 2.5
DENIED = "authorization {{ users: [ {{ user: gw, password: gw, permissions: {{ publish: {{ deny: [{}] }} }} }} ] }}"
ALLOWED = "authorization { users: [ { user: gw, password: gw } ] }"
RATIO_MAX = 2.0

Step = Callable[["Scene"], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One fault."""

    key: str
    row: str
    title: str
    causes: tuple[str, ...]  # one of them must be told
    within_s: float  # so soon
    inject: Step
    repair: Step
    hold_s: float = 0.0  # how long it lasts at least
    settings: dict[str, str] = field(default_factory=dict)
    extra: str = ""  # of the server's configuration
    needs_disk: bool = False


@dataclass
class Scene:
    """What a step may reach."""

    stage: Stage
    server: NatsServer
    disk: Path
    st_before: int = 0
    st_after: int = 0


@dataclass
class Result:
    """What was seen."""

    base_ms: list[float] = field(default_factory=list)
    fault_ms: list[float] = field(default_factory=list)
    detect_s: list[float] = field(default_factory=list)
    heal_s: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    backlog: dict[str, float] = field(default_factory=dict)
    events: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """p99 with the fault to p99 without: medians."""
        return statistics.median(self.fault_ms) / statistics.median(self.base_ms)


async def aside(work: Callable[[], object]) -> None:
    """A blocking step."""
    await asyncio.to_thread(work)


async def nothing(scene: Scene) -> None:
    """It heals by itself."""


async def kill(scene: Scene) -> None:
    """kill -9 of the server."""
    await aside(scene.server.kill)


async def kill_and_start(scene: Scene) -> None:
    """kill -9, and at once another start."""
    await aside(scene.server.kill)
    await aside(scene.server.start)


async def start(scene: Scene) -> None:
    """Start it again."""
    await aside(scene.server.start)


async def pause(scene: Scene) -> None:
    """SIGSTOP."""
    scene.server.pause()


async def resume(scene: Scene) -> None:
    """SIGCONT."""
    scene.server.resume()


async def fill_disk(scene: Scene) -> None:
    """Another program takes all the space that is left, also what the server still gives back by tidying up."""

    def fill() -> None:
        end_s = time.monotonic() + FILL_S
        with (scene.disk / "filler").open("wb", buffering=0) as file:
            while time.monotonic() < end_s:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(4096))
                time.sleep(0.05)

    await aside(fill)


async def free_disk(scene: Scene) -> None:
    """Make room; nats-server has to be started again to write once more."""
    (scene.disk / "filler").unlink()
    await aside(scene.server.stop)
    await aside(scene.server.start)


def edit(change: Callable[[Any, Any], None]) -> Step:
    """Edit the market data stream: `change(config, state)`."""

    async def step(scene: Scene) -> None:
        async def work(client: Any) -> None:
            js = client.jetstream(timeout=20)
            info = await js.stream_info(stream_name("md"))
            change(info.config, info.state)
            await js.update_stream(info.config)

        await with_client(scene.stage.url, work)

    return step


def limit(config: Any, state: Any) -> None:
    """Full as it is, and refusing."""
    config.discard, config.max_bytes = DiscardPolicy.NEW, max(1, state.bytes)


def unlimit(config: Any, state: Any) -> None:
    """As the sink made it."""
    config.discard, config.max_bytes = DiscardPolicy.OLD, 4 * 1024**3


def misdirect(config: Any, state: Any) -> None:
    """It takes other subjects."""
    config.subjects = ["elsewhere.>"]


def redirect(config: Any, state: Any) -> None:
    """It takes ours again."""
    config.subjects = ["gwlog.sim.kraken.md.>"]


async def delete(scene: Scene) -> None:
    """The market data stream is gone with all that was in it."""
    await with_client(scene.stage.url, lambda client: client.jetstream().delete_stream(stream_name("md")))


async def deny(scene: Scene) -> None:
    """The user may not publish market data any more."""
    await aside(lambda: scene.server.reload(DENIED.format('"gwlog.sim.kraken.md.>"')))


async def allow(scene: Scene) -> None:
    """The user may again."""
    await aside(lambda: scene.server.reload(ALLOWED))


CASES = (
    Case("kill", "F28", "kill -9 and restart", ("disconnected", "no_server"), 10, kill_and_start, nothing),
    Case("outage", "F28", "outage of 20 s", ("disconnected", "no_server"), 10, kill, start, hold_s=20),
    Case(
        *("window", "F32", "outage of 5 s, duplicate window 2 s", ("disconnected", "no_server"), 10, kill, start),
        hold_s=5,
        settings={"duplicate_window_s": "2.0"},
    ),
    Case("half-open", "F31", "SIGSTOP: half-open", ("ack_timeout",), 15, pause, resume, hold_s=9),
    Case("disk", "F30", "disk full", ("disk_full",), 10, fill_disk, free_disk, hold_s=5, needs_disk=True),
    Case("limit", "F30", "md stream at its limit", ("stream_limit",), 10, edit(limit), edit(unlimit), hold_s=4),
    Case("deleted", "F30", "md stream deleted", ("no_stream",), 10, delete, nothing),
    Case("config", "F30", "md stream takes other subjects", ("wrong_config",), 10, edit(misdirect), edit(redirect)),
    Case("rights", "F30", "right to publish md lost", ("no_rights",), 10, deny, allow, hold_s=3, extra=ALLOWED),
)


async def play_pair(case: Case, scene: Scene, result: Result) -> None:
    """A run without the fault, then one with it."""
    watch, stage = scene.stage.watch, scene.stage
    begin_s = time.monotonic()
    await asyncio.sleep(BASE_S)
    result.base_ms.append(watch.p99_ms(begin_s, time.monotonic()))
    fault_s = time.monotonic()
    await case.inject(scene)
    found = await watch.wait_told(
        f"one of {case.causes}", lambda told: told.cause in case.causes, fault_s, case.within_s + 10
    )
    result.detect_s.append(found.at_s - fault_s)
    if found.at_s - fault_s > case.within_s:
        result.complaints.append(f"{case.key}: told after {found.at_s - fault_s:.1f} s, not within {case.within_s:g} s")
    await asyncio.sleep(max(0.0, fault_s + case.hold_s - time.monotonic()))
    for unit, value in (await stage.backlog()).items():
        result.backlog[unit] = max(result.backlog.get(unit, 0.0), value)
    repair_s = time.monotonic()
    await case.repair(scene)
    healed = await watch.wait_told("healed", lambda told: not told.cause and told.at_s > found.at_s, fault_s, HEAL_S)
    await stage.wait_drained()
    result.heal_s.append(max(0.0, healed.at_s - repair_s))
    result.fault_ms.append(watch.p99_ms(fault_s, time.monotonic()))
    causes = [told.cause for told in watch.told if told.at_s >= fault_s and told.cause]
    result.told = list(dict.fromkeys([*result.told, *causes]))


async def play(case: Case, folder: Path, sim: Sim, disk: Path) -> Result:
    """All pairs of one fault, and the count at the end."""
    result = Result()
    store = disk / case.key if case.needs_disk else None
    server = NatsServer(folder / "nats", extra=case.extra, store=store).start()
    try:
        url, settings = server.url, dict(case.settings)
        if case.extra:
            url = url.replace("//", "//gw:gw@")
            settings |= {"user": "gw", "password": f"file:{write_password(folder)}"}
        async with Stage(folder, sim, server.url, server.monitor_url, **settings) as stage:
            stage.url = url
            scene = Scene(stage, server, disk)
            for number in range(2 * PAIRS):
                if number >= PAIRS and result.ratio < RATIO_MAX:
                    break
                await play_pair(case, scene, result)
            result.complaints += [f"{case.key}: {text}" for text in stage.watch.disturbed[:3]]
        if stage.gateway.exit_code != 0:
            result.complaints.append(f"{case.key}: the gateway ended with {stage.gateway.exit_code}")
        result.events, differing = await compare(url, stage.gateway.state_dir)
        result.complaints += [f"{case.key}: {text}" for text in differing]
    finally:
        server.stop()
    if not result.ratio < RATIO_MAX:
        result.complaints.append(f"{case.key}: p99 with the fault is {result.ratio:.1f} x the one without")
    return result


def write_password(folder: Path) -> Path:
    """A URL may carry no password, and a file that holds one is its owner's alone."""
    path = folder / "password"
    path.touch(mode=0o600)
    path.write_text("gw")
    return path


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of its own, or None where none can be mounted (it needs root)."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def row(case: Case, result: Result) -> str:
    """One line of the table."""
    backlog = f"{result.backlog.get('events', 0):,.0f} / {result.backlog.get('bytes', 0) / 1e6:.1f} MB"
    backlog += f" / {result.backlog.get('seconds', 0):.0f} s"
    base, fault = statistics.median(result.base_ms), statistics.median(result.fault_ms)
    good = "equal, each once" if not result.complaints else "SEE BELOW"
    return (
        f"| {case.row} | {case.title} | {max(result.detect_s):.1f} | {', '.join(result.told)} | {max(result.heal_s):.1f} "
        f"| {backlog} | {base:.2f} → {fault:.2f} ({fault / base:.2f}) | {result.events:,}: {good} |"
    )


COLUMNS = (
    *("row", "fault", "told after, s (worst)", "told as", "healed, s after repair", "backlog at most"),
    *("client p99, ms", "journal and stream"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def main() -> int:
    """Print the table; exit code 1 where the line does not hold."""
    from jetstream_writers import show_writers  # it needs what is above

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help=f"of {' '.join(case.key for case in CASES)} writers; none: all")
    parser.add_argument("--keep", type=Path, default=None, help="Work here and leave everything.")
    options = parser.parse_args()
    complaints: list[str] = []
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, small_disk(Path(temporary) / "volume") as disk:
        folder = options.keep or Path(temporary)
        sim = Sim(folder, "--rate", str(RATE), "--seed", "3")
        print(f"{RATE} messages a second; medians of {PAIRS} interleaved runs without and with the fault\n\n{HEAD}")
        with ending(sim):
            for case in CASES:
                if options.cases and case.key not in options.cases:
                    continue
                if case.needs_disk and disk is None:
                    complaints.append(f"{case.key}: not shown: no tmpfs can be mounted here (it needs root)")
                    continue
                try:
                    result = asyncio.run(play(case, folder / case.key, sim, disk or folder))
                except (ProcessError, OSError) as error:
                    complaints.append(f"{case.key}: {error}")
                    continue
                print(row(case, result), flush=True)
                complaints += result.complaints
            if not options.cases or "writers" in options.cases:
                complaints += asyncio.run(show_writers(folder / "writers", sim))
    print(f"\ntook {time.monotonic() - begun_s:.0f} s", *complaints, sep="\n  ")
    print("holds" if not complaints else "DOES NOT HOLD")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
