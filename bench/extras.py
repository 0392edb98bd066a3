"""Extras: what a run measures beside CPU a message: latency at a rate, memory, start-up, the native floor, a profile."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workload import Workload

RATE = 2000
#: The default libraries, and the extra `fast`.
LIBRARIES = {
    "websockets, asyncio": ("GW_RUNTIME__WEBSOCKET=websockets", "GW_RUNTIME__LOOP=asyncio"),
    "picows, uvloop": ("GW_RUNTIME__WEBSOCKET=picows", "GW_RUNTIME__LOOP=uvloop"),
}
PAIRS = 50
#: Depth and how many books.
MEMORY = ((10, 2000), (1000, 50))
#: (environment, script, arguments) -> what it printed
Run = Callable[[str, str, Sequence[str]], dict[str, Any]]


def measure_extras(run: Run, workload: Workload, place: str, rounds: int) -> dict[str, Any]:
    """All but latency, which comes by rounds with the contestants."""
    return {
        "floor": run("gwcore", "floor.py", (str(workload.path), place)),
        "memory": [run("gwcore", "memory.py", (str(depth), str(books))) for depth, books in MEMORY],
        "start_up": {
            name: [run("gwcore", "start_up.py", (str(PAIRS), *settings)) for _ in range(rounds)]
            for name, settings in LIBRARIES.items()
        },
        "where": run("gwcore", "where.py", (str(workload.path),)),
    }


def faults(extras: Mapping[str, Any]) -> list[str]:
    """Why the figures don't hold."""
    runs = {"floor": [extras["floor"]], "memory": extras["memory"], "profile": [extras["where"]]}
    runs |= {f"start-up with {name}": found for name, found in extras["start_up"].items()}
    found = [f"{name} gave no figure: {run['error']}" for name, each in runs.items() for run in each if "error" in run]
    for variant, figures in extras["floor"].items():
        if variant != "error" and figures.get("counts", {}).get("bad"):
            found.append(f"the floor ({variant}) found {figures['counts']['bad']} wrong checksums")
    for name, each in extras["start_up"].items():
        ends = [run["books"] for run in each if "error" not in run]
        found += [f"start-up with {name} ended with {books}" for books in ends if books != {"LIVE": PAIRS}]
    return found


def sections(extras: Mapping[str, Any], latency: Mapping[str, Sequence[Mapping[str, Any]]], names: Any) -> list[str]:
    """Markdown."""
    return [*_latency(latency, names), *_others(extras), *_profile(extras["where"])]


def _latency(latency: Mapping[str, Sequence[Mapping[str, Any]]], names: Any) -> list[str]:
    if not latency:
        return []
    lines = [
        f"## Latency at {RATE:,} messages a second",
        "",
        "One frame at a time, from the venue's `send` to the user's callback with the book applied; for the gateway that is",
        "the callback in the client's process, behind the Unix socket. This machine's scheduling is in it.",
        "",
        "| contestant | p50 us | p99 us | CPU us/message at that rate | updates told |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key, runs in latency.items():
        good = [run for run in runs if "p50_us" in run]
        p50, p99, cpu = ([run[what] for run in good] for what in ("p50_us", "p99_us", "cpu_us"))
        told = sum(run["told"] for run in good) / max(1, sum(run["updates"] for run in good))
        lines.append(f"| {names[key]} | {_spread(p50)} | {_spread(p99)} | {_spread(cpu)} | {told:.1%} |")
    return [*lines, ""]


def _others(extras: Mapping[str, Any]) -> list[str]:
    lines = ["## Floor, memory, start-up", ""]
    for variant, figures in extras["floor"].items():
        if variant == "error":
            continue
        said = f"skipped: {figures['skipped']}" if "skipped" in figures else f"{figures['cpu_us']:.2f} us CPU a message"
        lines.append(f"- native floor, C++ that parses, keeps the books and checks, in process ({variant}): {said}")
    for run in extras["memory"]:
        if "error" not in run:
            size = f"{run['bytes_a_book'] / 1024:.1f} KiB"
            lines.append(f"- memory of a book of depth {run['depth']}: {size} (resident, over {run['books']:,} books)")
    for name, runs in extras["start_up"].items():
        times = [run["took_s"] for run in runs if "took_s" in run]
        lines.append(f"- `gw run` to {PAIRS} of {PAIRS} simulated books LIVE, {name}: {_spread(times, 2)} s")
    return [*lines, ""]


def _profile(where: Mapping[str, Any]) -> list[str]:
    if "error" in where:
        return []
    total = sum(where["parts"].values())
    lines = [
        "## Where the time goes, by profile",
        "",
        f"cProfile of {where['frames']:,} frames from the connection to the journal and one client's bytes, in process.",
        "It costs more for code of many small calls, so these are shares and no times.",
        "",
        "| part | share |",
        "| --- | --- |",
        *(f"| {part} | {seconds / total:.0%} |" for part, seconds in where["parts"].items()),
        "",
        "| function | calls a frame | share by itself |",
        "| --- | --- | --- |",
        *(
            f"| `{name}` | {calls / where['frames']:.1f} | {seconds / total:.1%} |"
            for name, calls, seconds in where["functions"]
        ),
        "",
    ]
    return lines


def _spread(values: Sequence[float], digits: int = 0) -> str:
    if not values:
        return "none"
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"
