"""Issue 4, line 3: outages of the whole way to the venue, and the client's trades against the simulator's.

Usage: trade_outages.py [SEEDS] [PROCESSES]. Seeds of ten outages of 1 to 120 s run on virtual time; then one outage of real
processes. Prints a line for each and exits 1 where a client's trades are not the venue's, each once, in order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

from outages import Played, Row, differences, play

from gwcore.client import connect
from gwcore.model import Gap, GatewayStatus, Origin, TradeSummary
from gwcore.testing.processes import Gw, Sim, ask, ending

SEEDS = 4
OUTAGES = 10
PAIRS, RATE = 4, 200.0
#: The public limit that must hold, for each pair (API sheet §2.4).
REST_DISTANCE_S = 1.0
REAL_OUTAGE_S = 12.0
REAL_WAIT_S = 60.0


def lengths(seed: int) -> list[float]:
    """Ten outages between 1 and 120 s, the shortest and the longest among them."""
    rng = random.Random(seed)
    found = [1.0, 120.0, *(round(rng.uniform(1.0, 120.0), 1) for _ in range(OUTAGES - 2))]
    rng.shuffle(found)
    return found


def one(seed: int) -> Played:
    """One seed; what no program may do is a fault too."""
    logging.getLogger("gwcore").setLevel(logging.CRITICAL)
    try:
        return play(seed, lengths(seed), pairs=PAIRS, rate=RATE)
    except Exception as error:
        return Played(seed, lengths(seed), faults=[f"{type(error).__name__}: {error}"])


def show_seeds(count: int, processes: int) -> bool:
    """All seeds, one line each."""
    good = True
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for played in pool.map(one, range(1, count + 1)):
            lost = played.gaps["LOST"]
            holds = not played.faults and not lost and played.backfilled > 0
            holds = holds and played.request_distance_s >= REST_DISTANCE_S
            good = good and holds
            print(
                f"seed {played.seed}: outages of {', '.join(f'{each:g}' for each in played.outages_s)} s: "
                f"{played.trades} trades, {played.backfilled} of them filled in, {played.gaps['OPEN']} gaps, {lost} lost, "
                f"{played.bars_backfilled} candles fetched, {played.requests} REST requests at least "
                f"{played.request_distance_s:.3f} s apart by pair: {'as at the venue' if holds else 'NOT as at the venue'}"
            )
            for fault in played.faults:
                print(f"  {fault}")
    return good


async def _collect(
    address: str, sim: Sim
) -> tuple[dict[str, list[Row]], dict[str, list[Row]], list[GatewayStatus], int]:
    """Trades at the client and at the venue after one outage of real connections, the recovery's events, trades filled in."""
    got: dict[str, list[Row]] = {}
    told: list[GatewayStatus] = []
    filled = lost = 0

    async with await connect(address, name="show") as client:
        await client.subscribe([], ["trade_summary", "gap", "gateway_status"], from_start=True)

        async def read() -> None:
            nonlocal filled, lost
            async for envelope in client:
                event = envelope.event
                if isinstance(event, TradeSummary):
                    rows = [(str(t.trade_id), t.price, t.quantity, t.side.value) for t in event.trades]
                    got.setdefault(event.symbol, []).extend(rows)
                    filled += len(rows) if event.origin is Origin.BACKFILL else 0
                elif isinstance(event, Gap):
                    lost += event.state.value == "LOST"
                elif isinstance(event, GatewayStatus) and event.trades_backfilled is not None:
                    told.append(event)

        reading = asyncio.create_task(read())
        await asyncio.sleep(5.0)
        for fault, options in (("refuse", {"count": 1000, "status": 503}), ("http", {"status": 503}), ("close", {})):
            await asyncio.to_thread(sim.fault, fault, **options)
        await asyncio.sleep(REAL_OUTAGE_S)
        await asyncio.to_thread(sim.fault, "restore")
        for _ in range(int(REAL_WAIT_S)):
            await asyncio.sleep(1.0)
            if told:
                break
        await asyncio.sleep(3.0)
        await asyncio.to_thread(sim.fault, "freeze")
        await asyncio.sleep(2.0)
        if reading.done():
            reading.result()
        reading.cancel()
    truth = {symbol: await asyncio.to_thread(_truth, sim, symbol) for symbol in got}
    return got, truth, told, filled if not lost else -lost


def _truth(sim: Sim, symbol: str) -> list[Row]:
    answer = msgspec.json.decode(ask(f"{sim.rest_url}/sim/trades?symbol={symbol}"))
    return [(str(t["trade_id"]), t["price"], t["quantity"], t["side"].upper()) for t in answer["trades"]]


def show_processes() -> bool:
    """One outage of real processes over loopback."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sim = Sim(folder, "--pairs", "2", "--rate", "800")
        with ending(sim):
            gateway = Gw(folder, sim, "--transport", "unix")
            with ending(gateway):
                gateway.wait_ready()
                got, truth, told, filled = asyncio.run(_collect(str(gateway.socket_path), sim))
    faults = [fault for symbol in sorted(got) for fault in differences(symbol, got[symbol], truth[symbol])]
    holds = bool(got) and not faults and filled > 0 and len(told) == 1
    print(
        f"real processes: an outage of {REAL_OUTAGE_S:g} s: {sum(map(len, got.values()))} trades, {filled} filled in: "
        + ("as at the venue" if holds else "NOT as at the venue")
    )
    for event in told:
        print(
            f"  {event.component}: {event.cause}: gone for {(event.outage_ns or 0) / 1e9:.3f} s, "
            f"{event.trades_backfilled} trades filled in, {event.trades_lost} lost"
        )
    for fault in faults:
        print(f"  {fault}")
    return holds


if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else max(1, os.cpu_count() or 1)
    results = [show_seeds(seeds, workers), show_processes()]
    print("holds" if all(results) else "DOES NOT HOLD")
    sys.exit(0 if all(results) else 1)
