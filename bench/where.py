"""Where the time goes: cProfile of the chain from received frame to journal and client's bytes, in process, by part.

    python where.py WORKLOAD

The profiler costs more for code of many small calls, so shares are a guide and no measure. What C functions take is told of
their callers. Prints one JSON object: seconds by part, and the functions that take most by themselves.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
from pathlib import Path
from typing import Any

from contestants import published
from workload import Workload

#: The first that is in a file's path names its part.
PARTS = (
    ("gw_venue_kraken/market/checksum.py", "book and checksum"),
    ("gw_venue_kraken/", "decode: the venue's codec"),
    ("gwcore/numbers.py", "decode: the venue's codec"),
    ("gwcore/book.py", "book and checksum"),
    ("gwcore/engine/publisher.py", "number and encode events"),
    ("gwcore/wire.py", "frames for the client"),
    ("gwcore/engine/clients/fanout.py", "clients: sessions and state"),
    ("gwcore/engine/clients/session.py", "clients: sessions and state"),
    ("gwcore/engine/clients/selection.py", "clients: sessions and state"),
    ("gwcore/engine/clients/state.py", "clients: sessions and state"),
    ("gwcore/engine/", "machines: subscriptions, books, trades"),
    ("gwcore/journal/", "journal: append, commit, sync"),
    ("gwcore/runtime/journal/storage.py", "journal: append, commit, sync"),
    ("gwcore/runtime/", "connection"),
)
FUNCTIONS = 15
Function = tuple[str, int, str]


def part_of(function: Function) -> str:
    """The part a Python function belongs to."""
    return next((part for text, part in PARTS if text in function[0]), "the rest")


def shares(stats: dict[Function, Any]) -> dict[str, float]:
    """Seconds by part, largest first."""
    parts: dict[str, float] = {}
    for function, (_, _, own_s, _, callers) in stats.items():
        spent = {caller: times[2] for caller, times in callers.items()} if function[0] == "~" else {function: own_s}
        for each, seconds in spent.items():
            parts[part_of(each)] = parts.get(part_of(each), 0.0) + seconds
    return dict(sorted(parts.items(), key=lambda item: -item[1]))


def main() -> None:
    workload = Workload(Path(sys.argv[1]))
    contestant = published.InProcess(workload)
    frames = workload.frames()
    contestant.feed(frames[: workload.first_update])
    profile = cProfile.Profile()
    profile.runcall(contestant.feed, frames[workload.first_update :])
    stats: dict[Function, Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    most = sorted(stats.items(), key=lambda item: -item[1][2])[:FUNCTIONS]
    functions = [
        [f"{'/'.join(Path(file).parts[-2:])}:{name}" if file != "~" else name, calls, own_s]
        for (file, _, name), (_, calls, own_s, _, _) in most
    ]
    print(json.dumps({"frames": len(frames) - workload.first_update, "parts": shares(stats), "functions": functions}))


if __name__ == "__main__":
    main()
