"""Interleaved rounds of all contestants; prints a Markdown table with ratios and goals, and writes docs/performance.md.

    python run.py [--frames N] [--rounds N] [--latency-rounds N] [--minutes M] [--no-docs] [--only-goals]

Each run is a process of its own and a round runs each contestant once, so that quick and slow moments of a shared machine
meet all alike. A ratio is taken within a round; medians and the whole spread are told. Ends with 1 where a contestant gave
no figure, lost an event or ended with a wrong book; a goal that is missed is printed as MISS and is no failure of the run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import extras
import report
from extras import RATE
from workload import Workload, ensure_workload

ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".bench"
PEER = "cryptofeed"
#: A run that takes longer is broken.
RUN_TIMEOUT_S = 200.0
#: Fewer rounds than this are no spread.
ROUNDS_MIN = 3
JETSTREAM_RECORDS = 10_000
SEED = 1


class Job(NamedTuple):
    """One contestant in one way of running it."""

    key: str
    environment: str
    script: str
    module: str
    options: tuple[str, ...] = ()
    for_goals: bool = True  # False: only says where the time goes
    rate: int = 0  # paced: its latency is what counts


UVLOOP = ("--uvloop",)
FAST = ("--uvloop", "--opt", "websocket=picows")
JOBS = (
    # cryptofeed brings uvloop and uses it; ours runs on the default libraries, and on those of the extra `fast`.
    Job(PEER, "cryptofeed", "loopback.py", "cryptofeed_feed", UVLOOP),
    Job("kraken-sdk", "kraken_sdk", "loopback.py", "kraken_sdk_client"),
    Job("nautilus", "nautilus", "loopback.py", "nautilus_node"),
    Job("engine", "gwcore", "loopback.py", "engine"),
    Job("engine-fast", "gwcore", "loopback.py", "engine", FAST),
    Job("gateway", "gwcore", "loopback.py", "gateway"),
    Job("gateway-fast", "gwcore", "loopback.py", "gateway", FAST),
    Job("gateway-file", "gwcore", "loopback.py", "gateway", ("--opt", "sink=file")),
    Job("cryptofeed-inproc", "cryptofeed", "in_process.py", "cryptofeed_feed", for_goals=False),
    Job("engine-inproc", "gwcore", "in_process.py", "engine", for_goals=False),
    Job("published-inproc", "gwcore", "in_process.py", "published", for_goals=False),
)
LATENCY_JOBS = (
    Job(PEER, "cryptofeed", "loopback.py", "cryptofeed_feed", UVLOOP, rate=RATE),
    Job("kraken-sdk", "kraken_sdk", "loopback.py", "kraken_sdk_client", rate=RATE),
    Job("nautilus", "nautilus", "loopback.py", "nautilus_node", rate=RATE),
    Job("gateway", "gwcore", "loopback.py", "gateway", rate=RATE),
    Job("gateway-fast", "gwcore", "loopback.py", "gateway", FAST, rate=RATE),
)
#: Eight seconds.
LATENCY_FRAMES = 16_000


def run_script(environment: str, script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a script of this folder in one of the environments."""
    python = str(PLACE / environment / "bin" / "python")
    return run_json([python, str(ROOT / "bench" / script), *arguments], RUN_TIMEOUT_S)


def run_json(arguments: list[str], timeout_s: float) -> dict[str, Any]:
    """Run a script that prints one JSON object; a failure is an object with `error`."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout_s, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            return {"error": done.stderr[-600:] or f"exit code {done.returncode} and no word"}
        result: dict[str, Any] = json.loads(lines[-1])
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {timeout_s:g} s"}
    return result


def run_job(job: Job, workload: Workload) -> dict[str, Any]:
    """One run of one contestant."""
    rate = ("--rate", str(job.rate)) if job.rate else ()
    return run_script(job.environment, job.script, (job.module, str(workload.path), *job.options, *rate))


def run_rounds(workload: Workload, jobs: Sequence[Job], rounds: int, until_s: float) -> dict[str, list[dict[str, Any]]]:
    """Rounds as many as asked for, or as the time allows."""
    results: dict[str, list[dict[str, Any]]] = {job.key: [] for job in jobs}
    round_s = 0.0
    for number in range(rounds):
        begun_s = time.monotonic()
        if number >= ROUNDS_MIN and begun_s + round_s > until_s:
            print(f"bench: {number} rounds: no time for more", file=sys.stderr)
            break
        # Each round starts with another one: nobody always runs behind the same neighbour.
        for job in (*jobs[number % len(jobs) :], *jobs[: number % len(jobs)]):
            result = run_job(job, workload)
            results[job.key].append(result)
            figure = f"{result['cpu_us']:.1f} us" if "cpu_us" in result else result["error"].strip().splitlines()[-1]
            print(f"bench: round {number + 1} {job.key}: {figure}", file=sys.stderr, flush=True)
        round_s = time.monotonic() - begun_s
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=30.0, help="begin no round that would end later")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md as it is")
    parser.add_argument("--only-goals", action="store_true", help="leave out what only says where the time goes")
    arguments = parser.parse_args()
    until_s = time.monotonic() + arguments.minutes * 60
    workload = ensure_workload(PLACE / "workloads", arguments.frames, SEED)
    jobs = [job for job in JOBS if job.for_goals or not arguments.only_goals]
    state_dir = str(PLACE / "jetstream-state")
    jetstream = run_script("gwcore", "jetstream.py", (str(JETSTREAM_RECORDS), str(arguments.rounds), state_dir))
    figure = jetstream.get("error") or f"{len(jetstream['sink'])} rounds"
    print(f"bench: JetStream sink and bare window: {figure}", file=sys.stderr, flush=True)
    measured = extras.measure_extras(run_script, workload, str(PLACE), arguments.rounds)
    print("bench: floor, memory, start-up, profile: done", file=sys.stderr, flush=True)
    paced = ensure_workload(PLACE / "workloads", LATENCY_FRAMES, SEED)
    latency = run_rounds(paced, LATENCY_JOBS, arguments.latency_rounds, until_s)
    results = run_rounds(workload, jobs, arguments.rounds, until_s)
    page = report.Report(workload, results, jetstream, measured, latency)
    print(page.tables(), page.more(), sep="\n\n")
    if not arguments.no_docs:
        (ROOT / "docs" / "performance.md").write_text(page.page(), encoding="utf-8")
    for fault in page.faults():
        print(f"bench: {fault}", file=sys.stderr)
    return 1 if page.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
