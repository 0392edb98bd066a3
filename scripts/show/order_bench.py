"""Issue 8, line 5: how long a request takes from the client's socket to the venue, and a report from there to the client.

500 orders a second over 500 pairs, each its own, beside 2,000 market-data messages a second, all on this machine: the
simulated Kraken, the gateway with its journal, and this client are a process each. Every order is written and synced
before it leaves, so the first figure has a disk in it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "simulation"), str(Path(__file__).parent)]

import account_processes as processes
from order_trader import ACCOUNT, Told, Trader, make_config

from gwcore.client import connect_sync
from gwcore.model import (
    AckStatus,
    CreateOrder,
    Instrument,
    OrderAck,
    OrderStatus,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
)
from gwcore.testing.processes import Gw

PAIRS, RATE = 500, 2000.0


class Timed:
    """When each order was asked for and what came back, by monotonic ns."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        self.client_id: dict[str, str] = {}
        self.reported: dict[str, int] = {}
        self.ended: dict[str, str] = {}

    def on_event(self, event: Any) -> None:
        """One event at the client."""
        at_ns = time.monotonic_ns()
        if isinstance(event, OrderAck) and event.order_id is not None:
            if event.status is AckStatus.FORWARDED:
                self.client_id[event.order_id] = event.venue_client_id or ""
            else:
                self.ended[event.order_id] = f"{event.status.value} {event.error or ''} {event.text or ''}".strip()
        elif (
            isinstance(event, OrderUpdate)
            and event.order_id is not None
            and event.order_status is not OrderStatus.PENDING
        ):
            self.reported.setdefault(event.order_id, at_ns)


def cpu_of(pid: int) -> float:
    """Processor seconds that a process used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantiles(name: str, values_ns: list[int]) -> bool:
    """Print p50 and p99."""
    values = sorted(values_ns)
    if not values:
        print(f"{name}: no figure")
        return False
    p50, p99, most = values[len(values) // 2], values[int(len(values) * 0.99)], values[-1]
    print(f"{name}: p50 {p50 / 1e6:.2f} ms, p99 {p99 / 1e6:.2f} ms, most {most / 1e6:.2f} ms of {len(values)}")
    return True


def symbols_of(gateway: Gw) -> dict[str, str]:
    """Each pair with its least quantity."""
    with connect_sync(str(gateway.socket_path)) as client:
        envelopes = client.snapshot((), ["reference_data"])
    found = [envelope.event for envelope in envelopes if isinstance(envelope.event, Instrument)]
    return {one.symbol: one.min_quantity or one.lot_size for one in found}


def offer(trader: Trader, timed: Timed, symbols: dict[str, str], rate: float, seconds: float) -> None:
    """One order after the other, each to the pair whose turn it is, evenly spaced."""
    names = sorted(symbols)
    begun_ns = time.monotonic_ns()
    for number in range(int(rate * seconds)):
        due_ns = begun_ns + int(number * 1e9 / rate)
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)
        symbol = names[number % len(names)]
        request = CreateOrder(
            account=ACCOUNT,
            order_id=f"b{number}",
            symbol=symbol,
            side=Side.SELL,
            order_type=OrderType.LIMIT,
            quantity=symbols[symbol],
            price="1000000",  # a multiple of every tick, and nobody buys there
            time_in_force=TimeInForce.IOC,  # gone at once: the simulator's sums over open orders are not what is measured
        )
        timed.asked[request.order_id] = time.monotonic_ns()
        trader.send(request)


def run(folder: Path, chosen: argparse.Namespace) -> bool:
    """The whole bench."""
    times = folder / "times"
    arguments = [str(folder / "simkeys"), str(times), str(PAIRS), str(RATE)]
    venue = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("timed_venue.py")), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert venue.stdout is not None
    _, ws_url, rest_url = venue.stdout.readline().split()
    sim: Any = SimpleNamespace(ws_url=f"{ws_url}/v2", rest_url=rest_url)
    config = make_config(folder, ACCOUNT)
    timed = Timed()
    gateway = processes.start(folder, sim, config)
    try:
        gateway.wait_for("the gateway to be ready", lambda: gateway.status().get("ready"), timeout_s=240.0)
        symbols = symbols_of(gateway)
        trader = Trader(gateway.socket_path, Told())
        trader.on_event = timed.on_event
        before, cpu_s = gateway.status()["events"], (cpu_of(gateway.pid), cpu_of(venue.pid))
        begun_s = time.monotonic()
        offer(trader, timed, symbols, chosen.rate, chosen.seconds)
        took_s = time.monotonic() - begun_s
        used = [
            (now - then) / took_s for now, then in zip((cpu_of(gateway.pid), cpu_of(venue.pid)), cpu_s, strict=True)
        ]
        print(f"processor: gateway {used[0]:.0%}, simulated venue {used[1]:.0%} of a core")
        end_s = time.monotonic() + 20.0
        while time.monotonic() < end_s and len(timed.ended) < len(timed.asked):
            time.sleep(0.2)
        events = gateway.status()["events"] - before
        trader.close()
    finally:
        gateway.end()
        venue.send_signal(signal.SIGTERM)
        venue.wait(60)
    return tell(timed, times, took_s, events, len(symbols))


def tell(timed: Timed, times: Path, took_s: float, events: int, pairs: int) -> bool:
    """The figures."""
    at_venue = {}
    for line in times.read_text().splitlines():
        name, arrived, left = line.split()
        at_venue[name] = int(arrived), int(left)
    out, back = [], []
    for order_id, asked_ns in timed.asked.items():
        arrived_ns, left_ns = at_venue.get(timed.client_id.get(order_id, ""), (0, 0))
        if arrived_ns:
            out.append(arrived_ns - asked_ns)
        if left_ns and order_id in timed.reported:
            back.append(timed.reported[order_id] - left_ns)
    print(
        f"{len(timed.asked)} orders over {pairs} pairs in {took_s:.1f} s ({len(timed.asked) / took_s:.0f}/s) beside "
        f"{RATE:g} market-data messages/s; {events / took_s:.0f} events/s published"
    )
    held = quantiles("request at the client's socket to frame at the venue (journal synced between)", out)
    held &= quantiles("report at the venue to event at the client (journal synced between)", back)
    ends: dict[str, int] = {}
    for end in timed.ended.values():
        ends[end] = ends.get(end, 0) + 1
    print("answers:", ends)
    return held and ends.get("ACCEPTED", 0) == len(timed.asked)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        held = run(Path(folder), parser.parse_args())
    print("holds" if held else "DOES NOT HOLD: not every order was accepted")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
