"""The JetStream sink per event against a bare window of acknowledgements in the same run, in turns (bench/jetstream.py)."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"
#: Goal of the design: CPU an event, the sink with ids, headers and fence against a window with ids alone.
RATIO_MAX = 1.2


def main() -> int:
    """Print a Markdown table; exit code 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=30_000, help="events of each in one round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "jetstream.py",
            str(options.records),
            str(options.rounds),
            str(Path(folder, "state")),
        ]
        done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return 1
    figures = json.loads(done.stdout)
    print(f"JetStream, {options.records} events a round, {options.rounds} rounds in turns, one nats-server beside it\n")
    print("| | CPU µs an event, median | lowest to highest | events/s, median |")
    print("|---|---|---|---|")
    for name, title in (("sink", "the sink's own window"), ("bare", "a bare window")):
        cpu_us = sorted(figure["cpu_us"] for figure in figures[name])
        rate = 1e6 / statistics.median(figure["wall_us"] for figure in figures[name])
        print(f"| {title} | {statistics.median(cpu_us):.1f} | {cpu_us[0]:.1f} to {cpu_us[-1]:.1f} | {rate:,.0f} |")
    pairs = zip(figures["sink"], figures["bare"], strict=True)
    ratio = statistics.median(sink["cpu_us"] / bare["cpu_us"] for sink, bare in pairs)
    print(f"\nratio of CPU, median of the rounds: {ratio:.2f} (goal: at most {RATIO_MAX})")
    print("holds" if ratio <= RATIO_MAX else "DOES NOT HOLD")
    return 0 if ratio <= RATIO_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
