"""Run one contestant's own network client against the stand-in venue; prints one JSON object.

    python loopback.py CONTESTANT WORKLOAD [--uvloop] [--rate N] [--opt key=value ...]

With a rate the frames come one at a time, N a second, and it tells how long each book update took from the stand-in's `send`
to the user's callback.

CPU is user and system time of the contestant's process with all its threads, over the frames of the stream.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from contestants.base import LoopbackContestant
from workload import Workload

TIMEOUT_S = 150.0


def measure(contestant: LoopbackContestant, ws_port: int, rest_port: int, use_uvloop: bool) -> dict[str, Any]:
    """Run it once."""

    async def run() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await contestant.run(f"ws://127.0.0.1:{ws_port}/v2", f"http://127.0.0.1:{rest_port}")

    if use_uvloop:
        import uvloop

        uvloop.run(run())
    else:
        asyncio.run(run())
    usage = contestant.meter.usage
    assert usage is not None
    per_frame = 1e6 / contestant.workload.frame_count
    return {
        "cpu_us": usage.cpu_s * per_frame,
        "system_us": usage.system_s * per_frame,
        "wall_us": usage.wall_s * per_frame,
        "counts": contestant.counts(),
        "wrong_books": contestant.wrong_books()[:5],
        "books": len(contestant.workload.endings),
    }


def latencies(samples: Sequence[Sequence[Any]], times: Path) -> dict[str, Any]:
    """Quantiles of the time from `send` to callback, and how many of the updates were told."""
    deadline_s = time.monotonic() + 10
    while not times.exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)  # the stand-in is about to write it
    sent = {(symbol, us): ns for symbol, us, ns in json.loads(times.read_text(encoding="utf-8"))}
    took = sorted((ns - sent[symbol, us]) / 1000 for symbol, us, ns in samples if (symbol, us) in sent)
    cuts = statistics.quantiles(took, n=1000)
    return {"p50_us": cuts[499], "p99_us": cuts[989], "told": len(took), "updates": len(sent)}


def _say(pipe: IO[bytes]) -> None:
    pipe.write(b"begin\n")
    pipe.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("workload", type=Path)
    parser.add_argument("--opt", action="append", default=[])
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--rate", type=int, default=0)
    arguments = parser.parse_args()
    options = dict(option.split("=", 1) for option in arguments.opt)
    module = importlib.import_module(f"contestants.{arguments.contestant}")
    contestant = module.Loopback(Workload(arguments.workload), **options)
    command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), str(arguments.workload)]
    times = arguments.workload.with_name(f"times-{os.getpid()}.json")
    if arguments.rate:
        contestant.samples = []
        command += ["--rate", str(arguments.rate), "--times", str(times)]
    stand_in = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    result: dict[str, Any] = {"name": contestant.name, "version": contestant.version}
    result["python"] = platform.python_version()
    try:
        assert stand_in.stdin is not None
        assert stand_in.stdout is not None
        contestant.start_stream = partial(_say, stand_in.stdin)
        ports = json.loads(stand_in.stdout.readline())
        result |= measure(contestant, ports["ws"], ports["rest"], arguments.uvloop)
        if contestant.samples is not None:
            result |= latencies(contestant.samples, times)
    except Exception:
        result["error"] = traceback.format_exc(limit=4)
    finally:
        stand_in.kill()
        stand_in.wait()
        times.unlink(missing_ok=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
