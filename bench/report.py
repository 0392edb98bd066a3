"""Report: what a run measured, as Markdown: ratios beside the goals, absolutes, where the time goes, and what was wrong."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import extras
from workload import Workload

PEER = "cryptofeed"
PEERS = (PEER, "kraken-sdk", "nautilus")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = {
    "cryptofeed": "cryptofeed, loopback, uvloop",
    "kraken-sdk": "python-kraken-sdk, loopback",
    "nautilus": "nautilus_trader, live node, loopback",
    "engine": "gwcore: received to checked book, loopback",
    "engine-fast": "gwcore: received to checked book, picows and uvloop",
    "gateway": "gwcore: whole gateway (journal, one Unix client), loopback",
    "gateway-fast": "gwcore: whole gateway, picows and uvloop",
    "gateway-file": "gwcore: whole gateway and file sink, loopback",
    "cryptofeed-inproc": "cryptofeed, in process",
    "engine-inproc": "gwcore: received to checked book, in process",
    "published-inproc": "gwcore: to journal and one client's bytes, in process",
}


class Goal(NamedTuple):
    """One goal of design §10: the ratio of two figures, at most."""

    what: str
    ratio_max: float
    key: str


GOALS = (
    Goal("received to checked book, real engine, `websockets`: CPU a message / cryptofeed", 0.5, "engine"),
    Goal("received to checked book, real engine, `picows`: CPU a message / cryptofeed", 0.3, "engine-fast"),
    Goal("whole gateway without JetStream, no sink: CPU a message / cryptofeed", 0.85, "gateway"),
    Goal("whole gateway without JetStream, `picows` and uvloop: CPU a message / cryptofeed", 0.65, "gateway-fast"),
    Goal("whole gateway without JetStream, file sink on: CPU a message / cryptofeed", 0.85, "gateway-file"),
)
JETSTREAM_GOAL = Goal("JetStream sink by itself: CPU an event / a bare ack window", 1.2, "jetstream")


def spread(values: Sequence[float], digits: int = 1) -> str:
    """`median (min-max)`."""
    if not values:
        return "none"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


class Report:
    """Of one run. `results` holds the runs of each contestant, round by round."""

    def __init__(
        self,
        workload: Workload,
        results: Mapping[str, Sequence[Mapping[str, Any]]],
        jetstream: Mapping[str, Any],
        measured: Mapping[str, Any],
        latency: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> None:
        self._measured = measured
        self._latency = latency
        self._workload = workload
        self._results = results
        self._jetstream = jetstream

    def _figures(self, key: str, name: str = "cpu_us") -> list[float]:
        return [run[name] for run in self._results.get(key, ()) if name in run]

    def _median(self, key: str) -> float | None:
        figures = self._figures(key)
        return statistics.median(figures) if figures else None

    def ratios(self, key: str) -> list[float]:
        """CPU a message over the peer's of the same round."""
        pairs = zip(self._results.get(key, ()), self._results.get(PEER, ()), strict=False)
        return [ours["cpu_us"] / theirs["cpu_us"] for ours, theirs in pairs if "cpu_us" in ours and "cpu_us" in theirs]

    def jetstream_ratios(self) -> list[float]:
        """CPU an event of the sink over the bare window's of the same round."""
        pairs = zip(self._jetstream.get("sink", ()), self._jetstream.get("bare", ()), strict=True)
        return [sink["cpu_us"] / bare["cpu_us"] for sink, bare in pairs]

    def faults(self) -> list[str]:
        """Why the figures don't hold: a contestant without figure, a wrong book, a lost event."""
        found = []
        for key, runs in self._results.items():
            for number, run in enumerate(runs, 1):
                if "error" in run:
                    found.append(f"{key} gave no figure in round {number}: {run['error']}")
                    continue
                found += [f"{key}, round {number}: wrong book: {text}" for text in run["wrong_books"]]
                found += self._count_faults(key, number, run["counts"])
        for key, runs in self._latency.items():
            for number, run in enumerate(runs, 1):
                if "error" in run:
                    found.append(f"{key}, paced, gave no figure in round {number}: {run['error']}")
                elif run["told"] < run["updates"] or run["wrong_books"]:
                    found.append(f"{key}, paced, round {number}: {run['told']} of {run['updates']} updates told")
        found += extras.faults(self._measured)
        if "error" in self._jetstream:
            found.append(f"the JetStream sink gave no figure: {self._jetstream['error']}")
        return found

    def _count_faults(self, key: str, number: int, counts: Mapping[str, int]) -> list[str]:
        wanted = self._workload.count
        found = [
            f"{key}, round {number}: {counts[kind]} {kind} events, {wanted[kind]} were sent"
            for kind in ("book", "ticker", "trade")
            if counts[kind] < wanted[kind]  # a client is told more: the state at its start, a trade at a time
        ]
        return [*found, f"{key}, round {number}: {counts['bad']} bad books or events"] if counts["bad"] else found

    # --- Markdown -------------------------------------------------------------------------------------------------

    def goal_rows(self) -> list[tuple[Goal, list[float]]]:
        """Each goal with its ratios."""
        return [*((goal, self.ratios(goal.key)) for goal in GOALS), (JETSTREAM_GOAL, self.jetstream_ratios())]

    def tables(self) -> str:
        """Goals and absolutes."""
        lines = ["| goal (design §10) | at most | ratio, median (min-max) | |", "| --- | --- | --- | --- |"]
        for goal, ratios in self.goal_rows():
            lines.append(f"| {goal.what} | {goal.ratio_max:g} | {spread(ratios, 2)} | {_verdict(goal, ratios)} |")
        lines += [
            "",
            "| contestant | CPU us/message | of it system | wall us/message | ratio to cryptofeed | books right |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [self._row(key) for key in self._results]
        for name, label in (("sink", "JetStream sink"), ("bare", "bare ack window")):
            runs = self._jetstream.get(name, ())
            cpu, wall = ([run[what] for run in runs] for what in ("cpu_us", "wall_us"))
            lines.append(f"| {label}, us/event | {spread(cpu)} | | {spread(wall)} | | |")
        return "\n".join(lines)

    def _row(self, key: str) -> str:
        good = [run for run in self._results[key] if "cpu_us" in run]
        right = f"{sum(not run['wrong_books'] for run in good)} of {len(self._results[key])} runs"
        peer = PEER if not key.endswith("-inproc") else f"{PEER}-inproc"
        mine, theirs = self._median(key), self._median(peer)
        ratio = "" if mine is None or theirs is None else f"{mine / theirs:.2f}"
        system, wall = (spread(self._figures(key, name)) for name in ("system_us", "wall_us"))
        system = system.replace("none", "")
        return f"| {NAMES[key]} | {spread(self._figures(key))} | {system} | {wall} | {ratio} | {right} |"

    def misses(self) -> list[str]:
        """One sentence for each goal that is missed: by how much, and what the time goes to."""
        found = []
        for goal, ratios in self.goal_rows():
            if ratios and statistics.median(ratios) > goal.ratio_max:
                over = statistics.median(ratios) / goal.ratio_max - 1
                found.append(f"{goal.what}: {over:.0%} above {goal.ratio_max:g}.")
        return found

    def shares(self) -> list[str]:
        """What the parts of the chain cost, as differences of medians."""
        steps = (
            ("decode, book, checksum and event, in process", "engine-inproc", None),
            ("WebSocket, socket and loop, beside it", "engine", "engine-inproc"),
            ("number, encode, journal and frame for a client, in process", "published-inproc", "engine-inproc"),
            ("the rest of a process: committer thread, client's socket, loop turns", "gateway", "published-inproc"),
            ("file sink", "gateway-file", "gateway"),
        )
        lines = []
        for what, key, less in steps:
            cost, base = self._median(key), self._median(less) if less else 0.0
            if cost is not None and base is not None:
                if key == "gateway" and (socket := self._median("engine")) is not None:
                    base += socket - (self._median("engine-inproc") or 0.0)
                lines.append(f"- {what}: {cost - base:.1f} us")
        return lines

    def _versions(self) -> str:
        found = {run["name"]: run["version"] for key in PEERS for run in self._results.get(key, ()) if "version" in run}
        return ", ".join(f"{name} {version}" for name, version in found.items())

    def more(self) -> str:
        """Latency, floor, memory, start-up and profile."""
        return "\n".join(extras.sections(self._measured, self._latency, NAMES))

    def page(self) -> str:
        """docs/performance.md."""
        count = self._workload.count
        runs = max(len(results) for results in self._results.values())
        misses = [f"- MISS: {text}" for text in self.misses()] or ["- No goal is missed."]
        return "\n".join(
            [
                "# Performance",
                "",
                "Made by `make bench`; every figure here is of one run of it. Ratios within a round count; absolutes are",
                "this machine's, which other work shares. How it is measured: `bench/README.md`.",
                "",
                f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_machine()}",
                f"- CPython {platform.python_version()} for all, {_build()}; {self._versions()},",
                f"  {_ours()}",
                f"- {self._workload.frame_count:,} frames of {len(self._workload.endings)} symbols at depth 10: "
                f"{count['book']:,} book messages with {self._workload.levels_per_update:.2f} levels each,",
                f"  {count['ticker']:,} tickers, {count['trade']:,} trade messages, seed {self._workload.seed}; "
                f"{runs} interleaved rounds",
                "- CPU is user and system time of the contestant's process with all its threads; every book is compared",
                "  with the market's, level by level, after each run",
                "",
                self.tables(),
                "",
                "## Misses",
                "",
                *misses,
                "",
                self.more(),
                "## Where the time goes, by difference",
                "",
                "Differences of the medians above, CPU a message (a book message makes 1.4 events):",
                "",
                *self.shares(),
                "",
                "cryptofeed publishes nothing, keeps no journal and serves no client: it calls the user in its own process.",
                "",
            ]
        )


def _verdict(goal: Goal, ratios: Sequence[float]) -> str:
    if not ratios:
        return "NO FIGURE"
    return "met" if statistics.median(ratios) <= goal.ratio_max else "MISS"


def _machine() -> str:
    model = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    load = os.getloadavg()[1]
    return f"{os.cpu_count()} cores of {model or platform.machine()}, {platform.system()}; load average {load:.1f}"


def _build() -> str:
    import sysconfig

    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return "built with PGO" if optimised else "built without PGO"


def _ours() -> str:
    from importlib.metadata import version

    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    parts = ", ".join(f"{name} {version(name)}" for name in ("msgspec", "websockets", "nats-py"))
    return f"gwcore {version('gwcore')} at {commit or 'no commit'}; {parts}"
