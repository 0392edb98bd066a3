"""Run one contestant's own network client against the stand-in venue; prints one JSON object.

    python loopback.py CONTESTANT WORKLOAD [--uvloop] [--opt key=value ...]

CPU is user and system time of the contestant's process with all its threads, over the frames of the stream.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import platform
import subprocess
import sys
import traceback
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


def _say(pipe: IO[bytes]) -> None:
    pipe.write(b"begin\n")
    pipe.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("contestant")
    parser.add_argument("workload", type=Path)
    parser.add_argument("--opt", action="append", default=[])
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    options = dict(option.split("=", 1) for option in arguments.opt)
    module = importlib.import_module(f"contestants.{arguments.contestant}")
    contestant = module.Loopback(Workload(arguments.workload), **options)
    stand_in = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("stand_in.py")), str(arguments.workload)],
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
    except Exception:
        result["error"] = traceback.format_exc(limit=4)
    finally:
        stand_in.kill()
        stand_in.wait()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
