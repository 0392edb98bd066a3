"""The NATS transport: CPU an event against bare nats-py in the same run, and how late a subscriber hears a busy gateway."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nats_ears import Ear

from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Sim, ending

BENCH = Path(__file__).parents[2] / "bench"
#: CPU an event, the transport to `Client.publish` with the same headers.
RATIO_MAX = 0.5
#: Messages a second on NATS at which the delay is looked at: venue messages, and how many events come of each.
RATE = 2_000
EVENTS_PER_MESSAGE = 1.25
PAIRS = 5
WARM_S = 3.0
#: From the gateway's publication to the subscriber, loopback: the linger (1 ms), and two cores that do much else.
P50_MAX_MS = 5.0
P99_MAX_MS = 50.0

_PUBLISHED = re.compile(rb'"published_ns":(\d+)')
_RECEIVED = re.compile(rb'"received_ns":(\d+)')


class Stopwatch(Ear):
    """A subscriber that notes how late each event is, in nanoseconds."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(0, host, port)
        self.is_timing = False
        self.since_published: list[int] = []
        self.since_received: list[int] = []

    def _event(self, session: str, sequence: int, buffer: bytes, start: int, end: int) -> None:
        if self.is_timing:
            now_ns = time.time_ns()
            if published := _PUBLISHED.search(buffer, start, end):
                self.since_published.append(now_ns - int(published[1]))
            if received := _RECEIVED.search(buffer, start, end):
                self.since_received.append(now_ns - int(received[1]))
        super()._event(session, sequence, buffer, start, end)


def quantiles_ms(found: list[int]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(found, n=100)
    return cuts[49] / 1e6, cuts[98] / 1e6


async def listen(url: str, seconds: float) -> tuple[Stopwatch, float]:
    """A subscriber for so long; events a second."""
    host, _, port = url.removeprefix("nats://").partition(":")
    watch = Stopwatch(host, int(port))
    await watch.connect()
    await asyncio.sleep(WARM_S)
    watch.is_timing = True
    before, began_s = watch.events, time.monotonic()
    await asyncio.sleep(seconds)
    watch.is_timing = False
    return watch, (watch.events - before) / (time.monotonic() - began_s)


def delays(folder: Path, seconds: float) -> tuple[Stopwatch, float]:
    """A real gateway on a simulated exchange."""
    server = NatsServer(folder / "nats").start()
    try:
        rate = str(round(RATE / EVENTS_PER_MESSAGE))
        sim = Sim(folder, "--pairs", str(PAIRS), "--rate", rate, "--seed", "11")
        gateway = Gw(folder, sim, "--transport", "nats", "--nats-url", server.url)
        with ending(gateway, sim):
            gateway.wait_ready()
            return asyncio.run(listen(server.url, seconds))
    finally:
        server.kill()


def cpu(folder: Path, records: int, rounds: int) -> dict[str, Any]:
    """Figures of bench/nats_live.py."""
    command = [sys.executable, "nats_live.py", str(records), str(rounds), str(folder)]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print Markdown tables; exit code 1 where a line does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=30_000, help="events of each in one round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the delay is looked at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gw-show-") as folder:
        figures = cpu(Path(folder, "cpu"), options.records, options.rounds)
        Path(folder, "delay").mkdir()
        watch, rate = delays(Path(folder, "delay"), options.seconds)
    print(f"{options.records} events a round, {options.rounds} rounds in turns, one nats-server beside it\n")
    print("| | CPU µs an event, median | lowest to highest |\n|---|---|---|")
    for name, title in (("transport", "the NATS transport"), ("bare", "bare nats-py, `publish` with headers")):
        cpu_us = sorted(figure["cpu_us"] for figure in figures[name])
        print(f"| {title} | {statistics.median(cpu_us):.2f} | {cpu_us[0]:.2f} to {cpu_us[-1]:.2f} |")
    pairs = zip(figures["transport"], figures["bare"], strict=True)
    ratio = statistics.median(ours["cpu_us"] / bare["cpu_us"] for ours, bare in pairs)
    print(f"\nratio of CPU, median of the rounds: {ratio:.2f} (at most {RATIO_MAX})\n")
    p50_ms, p99_ms = quantiles_ms(watch.since_published)
    from_p50_ms, from_p99_ms = quantiles_ms(watch.since_received)
    print(f"`gw run` on `gw sim kraken`, {rate:,.0f} messages a second to one subscriber, {watch.twice} twice\n")
    print("| from | to | p50 ms | p99 ms |\n|---|---|---|---|")
    print(f"| publication by the gateway | the subscriber | {p50_ms:.2f} | {p99_ms:.2f} |")
    print(f"| receipt of the venue's frame | the subscriber | {from_p50_ms:.2f} | {from_p99_ms:.2f} |")
    holds = ratio <= RATIO_MAX and p50_ms <= P50_MAX_MS and p99_ms <= P99_MAX_MS and rate > 0.8 * RATE
    print(f"\n{'holds' if holds else 'DOES NOT HOLD'}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
