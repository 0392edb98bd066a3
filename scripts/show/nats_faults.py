"""A gateway on NATS under load: server killed, server asleep, a deaf subscriber, fifty. What is lost, and who suffers."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jetstream_stage import SYMBOLS, Watch

from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, ProcessError, Sim, ending

#: Messages of the venue a second; somewhat more events come of them, and fifty subscribers hear each of these.
RATE = 300
#: Before the fault and again behind it, so that what else the machine does falls on both sides alike.
BASE_S = 4.0
#: How long a fault without an end of its own is looked at.
FAULT_S = 8.0
#: After a fault the window goes on for this long: what comes after it counts too.
AFTER_S = 2.0
ROUNDS = 3
NOTICED_MAX_S = 15.0
RATIO_MAX = 2.0
#: Above what the gateway had before the faults: unsent_bytes_max, a session's buffer, and what the allocator keeps.
MEMORY_MAX_MB = 64
EARS = 3
#: nats-server cuts who does not read within these.
SERVER = 'max_pending: 1MB\nwrite_deadline: "2s"'


@dataclass
class Seen:
    """One window of one scenario."""

    base_ms: float = 0.0
    fault_ms: float = 0.0
    disturbed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Ears:
    """The process of subscribers."""

    def __init__(self, url: str, count: int, deaf: int = 0) -> None:
        script = Path(__file__).with_name("nats_ears.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), url, str(count), "--deaf", str(deaf)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise ProcessError("the subscribers did not start")

    def end(self, stands: dict[str, int]) -> dict[str, Any]:
        """What they heard; first they may get where others stand already (session -> sequence)."""
        out, _ = self._process.communicate(json.dumps(stands).encode() + b"\n", timeout=90)
        found: dict[str, Any] = json.loads(out)
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Witness(Watch):
    """A Unix client that also remembers how far it heard."""

    def __init__(self) -> None:
        super().__init__()
        self.stands: dict[str, int] = {}

    def _take(self, envelope: Any) -> None:
        super()._take(envelope)
        if envelope.header.sequence is not None:
            self.stands[envelope.header.session_id] = envelope.header.sequence

    def since(self, known: dict[str, int]) -> dict[str, int]:
        """How far it is in the sessions that went on since."""
        return {session: last for session, last in self.stands.items() if last > known.get(session, 0)}

    def p99_of(self, *windows: tuple[float, float]) -> float:
        """Milliseconds, over all events received in any of these windows."""
        found = [late for at_s, late in self.late if any(begin <= at_s <= end for begin, end in windows)]
        return statistics.quantiles(found, n=100)[98] / 1e6


class Stage:
    """Gateway, simulator and server of one round, and a Unix client that must not notice anything."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.server = NatsServer(folder / "nats", extra=SERVER).start()
        self.sim = Sim(folder, "--pairs", str(len(SYMBOLS)), "--rate", str(RATE), "--seed", "7")
        self.gateway = Gw(folder, self.sim, "--transport", "nats", "unix", "--nats-url", self.server.url)
        self.watch = Witness()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Stage]:
        reading: asyncio.Task[None] | None = None
        try:
            with ending(self.gateway, self.sim):
                await asyncio.to_thread(self.gateway.wait_ready)
                ready = asyncio.Event()
                reading = asyncio.create_task(self.watch.run(self.gateway.socket_path, ready))
                await asyncio.wait_for(ready.wait(), 20)
                await asyncio.sleep(2.0)
                yield self
                self.watch.is_judging = False
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        finally:
            self.server.kill()

    def log_count(self, words: str) -> int:
        return self.gateway.errors().count(words)

    async def wait_log(self, words: str, more_than: int, timeout_s: float) -> float:
        """Seconds until the gateway's log has these words once more."""
        began_s = time.monotonic()
        while self.log_count(words) <= more_than:
            if time.monotonic() - began_s > timeout_s:
                raise ProcessError(f"the gateway did not say within {timeout_s:g} s: {words}")
            await asyncio.sleep(0.02)
        return time.monotonic() - began_s

    def memory_mb(self, name: str) -> float:
        for line in Path(f"/proc/{self.gateway.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
        raise ProcessError(f"no {name} of the gateway")


async def restart(stage: Stage, seen: Seen) -> None:
    again = stage.log_count("connected again")
    await asyncio.to_thread(stage.server.kill)
    await asyncio.sleep(1.0)
    await asyncio.to_thread(stage.server.start)
    away_s = await stage.wait_log("connected again", again, 20)
    seen.notes.append(f"back {away_s:.1f} s after the server")


async def asleep(stage: Stage, seen: Seen) -> None:
    silent, again = stage.log_count("nothing heard"), stage.log_count("connected again")
    stage.server.pause()
    try:
        noticed_s = await stage.wait_log("nothing heard", silent, 30)
    finally:
        stage.server.resume()
    seen.notes.append(f"noticed after {noticed_s:.1f} s")
    if noticed_s > NOTICED_MAX_S:
        seen.complaints.append(f"noticed after {noticed_s:.1f} s, {NOTICED_MAX_S:g} s is the limit")
    await stage.wait_log("connected again", again, 20)


async def nothing(stage: Stage, seen: Seen) -> None:
    await asyncio.sleep(FAULT_S)


#: Name, ears that hear during the fault, deaf ones beside them, what is done.
Scenario = tuple[str, int, int, Callable[[Stage, Seen], Awaitable[None]]]
SCENARIOS: tuple[Scenario, ...] = (
    ("server killed and started", EARS, 0, restart),
    ("server asleep (SIGSTOP)", EARS, 0, asleep),
    ("a subscriber that reads nothing", EARS, 1, nothing),
    ("50 subscribers", 50, 0, nothing),
)


async def play(stage: Stage, count: int, deaf: int, fault: Callable[[Stage, Seen], Awaitable[None]]) -> Seen:
    """A window without, then one with the fault."""
    seen, watch = Seen(), stage.watch
    watch.disturbed.clear()
    watch.late.clear()
    watch.is_judging = True
    few = await asyncio.to_thread(Ears, stage.server.url, EARS)
    before = await settled(watch)
    many_before = before
    many: Ears | None = None
    try:
        began_s = time.monotonic()
        await asyncio.sleep(BASE_S)
        broke_s = time.monotonic()
        if count != EARS or deaf:
            many = await asyncio.to_thread(Ears, stage.server.url, max(count - EARS, 1), deaf)
            many_before = await settled(watch)
            broke_s = time.monotonic()  # that they start is not what is measured
        await fault(stage, seen)
        await asyncio.sleep(AFTER_S)
        ended_s = time.monotonic()
        if many is not None:
            judge(await asyncio.to_thread(many.end, watch.since(many_before)), seen)
        again_s = time.monotonic()
        await asyncio.sleep(BASE_S)
        seen.base_ms = watch.p99_of((began_s, began_s + BASE_S), (again_s, again_s + BASE_S))
        seen.fault_ms = watch.p99_of((broke_s, ended_s))
        watch.is_judging = False
        seen.disturbed = list(watch.disturbed)
        judge(await asyncio.to_thread(few.end, watch.since(before)), seen)
    finally:
        few.kill()
        if many is not None:
            many.kill()
    return seen


async def settled(watch: Witness) -> dict[str, int]:
    """How far the Unix client is, once all that was on its way when the ears began to listen has come."""
    await asyncio.sleep(0.5)
    return dict(watch.stands)


def judge(heard: dict[str, Any], seen: Seen) -> None:
    """Complete, or a Gap with bounds."""
    reports = heard["ears"]
    missing = sum(report["missing"] for report in reports)
    if missing:
        seen.complaints.append(f"{missing} events missing without a Gap")
    if late := sum(report["behind"] for report in reports):
        seen.complaints.append(f"{late} events that a Unix client has did not come within a minute")
    totals = {name: sum(report[name] for report in reports) for name in ("events", "twice", "gaps", "reconnects")}
    cut = f", {heard['cut']} cut by the server" if heard["cut"] else ""
    seen.notes.append(
        f"{len(reports)} heard {totals['events']} events, {totals['twice']} twice, {totals['gaps']} gaps, "
        f"{totals['reconnects']} reconnects{cut}"
    )


async def one_round(folder: Path, chosen: Sequence[Scenario], found: dict[str, list[Seen]]) -> list[str]:
    """The scenarios on one gateway. Returns complaints about its memory."""
    stage = Stage(folder)
    async with stage.running():
        before_mb = stage.memory_mb("VmRSS")
        for name, count, deaf, fault in chosen:
            seen = await play(stage, count, deaf, fault)
            found[name].append(seen)
            text = f"p99 {seen.base_ms:.1f} -> {seen.fault_ms:.1f} ms; {'; '.join(seen.notes)}"
            print(f"  {name}: {text}", flush=True)
            for complaint in (*seen.complaints, *seen.disturbed[:3]):
                print(f"    NOT: {complaint:.300}", flush=True)
        peak_mb = stage.memory_mb("VmHWM")
    print(f"  memory of the gateway: {before_mb:.0f} MB before, {peak_mb:.0f} MB at most", flush=True)
    over = peak_mb - before_mb
    return [f"{over:.0f} MB more than before, {MEMORY_MAX_MB} is the limit"] if over > MEMORY_MAX_MB else []


def verdicts(found: dict[str, list[Seen]]) -> tuple[list[str], list[str]]:
    """Rows of the table, and what does not hold."""
    rows, broken = [], []
    for name, runs in found.items():
        base_ms = statistics.median(seen.base_ms for seen in runs)
        fault_ms = statistics.median(seen.fault_ms for seen in runs)
        disturbed = sum(len(seen.disturbed) for seen in runs)
        complaints = sum(len(seen.complaints) for seen in runs)
        holds = fault_ms < RATIO_MAX * base_ms and not disturbed and not complaints
        rows.append(
            f"| {name} | {base_ms:.1f} | {fault_ms:.1f} | {fault_ms / base_ms:.2f} | {disturbed} | {complaints} "
            f"| {'yes' if holds else '**NO**'} |"
        )
        if not holds:
            broken.append(name)
    return rows, broken


async def main() -> int:
    """Print the figures; exit code 1 where a line does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="", help="scenarios whose name has this")
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if options.only in scenario[0]]
    found: dict[str, list[Seen]] = {name: [] for name, *_ in chosen}
    memory: list[str] = []
    with tempfile.TemporaryDirectory(prefix="gw-show-") as folder:
        # As many rounds again where the first are no proof on a busy machine.
        for number in range(2 * options.rounds):
            if number == options.rounds and not verdicts(found)[1]:
                break
            print(f"round {number + 1}", flush=True)
            memory += await one_round(Path(folder, str(number)), chosen, found)
    rows, broken = verdicts(found)
    print("\n| fault | Unix client's p99, ms, without | with | ratio | disturbed | not complete | holds |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join([*rows, *memory]))
    print("holds" if not broken and not memory else "DOES NOT HOLD")
    return 1 if broken or memory else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
