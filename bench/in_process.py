"""Run one contestant's message handler on the frames of a workload, no socket; prints one JSON object. For profiles.

python in_process.py CONTESTANT WORKLOAD [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import importlib
import json
import platform
import pstats
import statistics
import time
from pathlib import Path

from contestants.base import InProcessContestant, Meter
from workload import Workload

#: Share of the updates that is not measured: caches fill, memos are made.
WARM_UP = 0.1
#: Frames measured at once; the quickest tenth of such slices is what the code costs where no neighbour disturbs.
SLICE_FRAMES = 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("workload", type=Path)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    workload = Workload(arguments.workload)
    contestant: InProcessContestant = importlib.import_module(f"contestants.{arguments.contestant}").InProcess(workload)
    frames = workload.frames()
    first = workload.first_update + int((len(frames) - workload.first_update) * WARM_UP)
    contestant.feed(frames[:first])
    rest = frames[first:]
    gc.collect()
    if arguments.profile:
        profile = cProfile.Profile()
        profile.runcall(contestant.feed, rest)
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        return
    meter = Meter()
    slices_us = []
    meter.begin()
    for start in range(0, len(rest), SLICE_FRAMES):
        part = rest[start : start + SLICE_FRAMES]
        begun_ns = time.thread_time_ns()
        contestant.feed(part)
        slices_us.append((time.thread_time_ns() - begun_ns) / len(part) / 1000)
    meter.end()
    assert meter.usage is not None
    print(
        json.dumps(
            {
                "name": contestant.name,
                "version": contestant.version,
                "python": platform.python_version(),
                "quiet_us": statistics.quantiles(slices_us, n=10)[0],
                "cpu_us": meter.usage.cpu_s / len(rest) * 1e6,
                "wall_us": meter.usage.wall_s / len(rest) * 1e6,
                "counts": contestant.counts(),
                "wrong_books": contestant.wrong_books()[:5],
                "books": len(workload.endings),
            }
        )
    )


if __name__ == "__main__":
    main()
