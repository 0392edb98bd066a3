"""Issue 8, line 3: kill -9 with working orders, again and again on one state directory; the simulator is the judge.

Each cycle starts the gateway, trades at it from one client (orders that rest, changes, cancels, all the time), and kills it
at a seeded instant; some die while they still start. After the last one everything is counted: every order of ours that the
venue holds is known by its user and id and told as it is, none was placed twice, and every request that was told ended truly.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(ROOT / "tests" / "simulation"), str(Path(__file__).parent)]

import account_processes as processes
from order_trader import ACCOUNT, SYMBOL, Told, Trader, make_config

from gwcore.model import CancelAllOrders, CancelOrder, CreateOrder, ModifyOrder, OrderType, Side
from gwcore.testing.processes import Gw, Sim

#: A gateway lives this long once it is ready and traded at; one of so many dies while it starts.
TRADED_S = (0.05, 1.5)
EARLY_EVERY, EARLY_S = 6, (0.3, 2.0)
REQUEST_S = 0.02
#: Open orders beyond which all are cancelled at the next chance.
OPEN_MAX = 60
#: Requests in doubt are settled by then.
SETTLE_S = 150.0
ENDS = ("ACCEPTED", "REJECTED")


class Trading:
    """One client over all lives of the gateway."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.number = 0
        self.requests = 0

    def trade(self, trader: Trader, seconds: float) -> None:
        """Ask for one thing after the other."""
        end_s = time.monotonic() + seconds
        mine: list[str] = []
        while time.monotonic() < end_s:
            with contextlib.suppress(OSError):
                trader.send(self._request(mine))
                self.requests += 1
            time.sleep(REQUEST_S)

    def _request(self, mine: list[str]) -> Any:
        kind = self.chance.random()
        if kind < 0.55 or not mine:
            self.number += 1
            mine.append(f"k{self.number}")
            return CreateOrder(
                account=ACCOUNT,
                order_id=mine[-1],
                symbol=SYMBOL,
                side=Side.BUY,
                order_type=OrderType.LIMIT,
                quantity="0.001",
                price=f"{self.chance.randint(500, 900)}.0",
            )
        name = self.chance.choice(mine[-10:])
        if kind < 0.75:
            return ModifyOrder(account=ACCOUNT, order_id=name, price=f"{self.chance.randint(500, 900)}.0")
        if kind < 0.97 and len(mine) < OPEN_MAX:
            return CancelOrder(account=ACCOUNT, order_id=name)
        mine.clear()
        return CancelAllOrders(account=ACCOUNT)


def wait_ready(gateway: Gw) -> None:
    """A busy machine gets its time."""
    gateway.wait_for("the gateway to be ready", lambda: gateway.status().get("ready"), timeout_s=240.0)


def kill_again_and_again(folder: Path, sim: Sim, cycles: int, limit_s: float, trading: Trading) -> int:
    """All kills; how many were done."""
    config, began_s = make_config(folder), time.monotonic()
    for number in range(1, cycles + 1):
        gateway = processes.start(folder, sim, config, "--symbols", SYMBOL)
        try:
            if number % EARLY_EVERY == 0:
                time.sleep(trading.chance.uniform(*EARLY_S))
            else:
                wait_ready(gateway)
                trader = Trader(gateway.socket_path, Told())
                trading.trade(trader, trading.chance.uniform(*TRADED_S))
                trader.close()
        finally:
            gateway.kill()
        if number % 10 == 0:
            seconds = time.monotonic() - began_s
            print(f"  {number} kills in {seconds:.0f} s, {trading.requests} requests", flush=True)
        if time.monotonic() - began_s > limit_s:
            return number
    return cycles


def unanswered(acks: list[Any]) -> list[str]:
    """Requests that have no end, those about the whole account apart."""
    told: dict[str, list[Any]] = {}
    for ack in acks:
        told.setdefault(ack["request_id"], []).append(ack)
    return [
        request_id
        for request_id, each in told.items()
        if not any(one["status"] in ENDS for one in each) and each[0]["request"] != "cancel_all_orders"
    ]


def finish(folder: Path, sim: Sim) -> Gw:
    """A last life that is not killed: until nothing is in doubt."""
    gateway = processes.start(folder, sim, folder / "accounts.toml", "--symbols", SYMBOL)
    wait_ready(gateway)
    trader, end_s = Trader(gateway.socket_path, Told()), time.monotonic() + SETTLE_S
    while time.monotonic() < end_s and unanswered(processes.log_events(gateway, "order_ack")):
        time.sleep(2.0)
    trader.close()
    time.sleep(1.0)
    gateway.end()
    return gateway


def judge(sim: Sim, gateway: Gw) -> tuple[list[str], dict[str, int]]:
    """The venue's lists against the journal."""
    rows = [row for row in processes.truth(sim, ACCOUNT)["orders"] if row["cl_ord_id"]]
    acks, updates = processes.log_events(gateway, "order_ack"), processes.log_events(gateway, "order_update")
    found = [f"request {name} has no end" for name in unanswered(acks)]
    counts = Counter(row["cl_ord_id"] for row in rows)
    found += [f"{name} was placed {count} times" for name, count in counts.items() if count > 1]
    last = {update["order_id"]: update for update in updates if update.get("order_id")}
    by_client = {update["venue_client_id"]: update for update in last.values()}
    words = {"new": "WORKING", "canceled": "CANCELED", "filled": "FILLED", "partially_filled": "PARTIALLY_FILLED"}
    for row in rows:
        ours = by_client.get(row["cl_ord_id"])
        if ours is None or ours.get("user") != "me":
            found.append(f"order {row['order_id']} of ours is not known")
        elif ours["order_status"] != words.get(row["status"], row["status"]):
            found.append(f"{ours['order_id']} is told {ours['order_status']}, at the venue {row['status']}")
        elif Decimal(ours["price"]) != Decimal(row["limit_price"]):
            found.append(f"{ours['order_id']} is told at {ours['price']}, at the venue {row['limit_price']}")
    for ours in last.values():
        if ours["venue_client_id"] not in counts and ours["order_status"] != "REJECTED":
            found.append(f"{ours['order_id']} is told {ours['order_status']}, and the venue has no such order")
    for ack in acks:
        is_end = ack["request"] == "create_order" and ack["status"] in ENDS and "venue_client_id" in ack
        if is_end and (ack["venue_client_id"] in counts) != (ack["status"] == "ACCEPTED"):
            found.append(f"create of {ack['order_id']} is {ack['status']}")
    figures = {
        "orders at the venue": len(rows),
        "still open": sum(1 for row in rows if row["status"] in ("new", "partially_filled")),
        "requests told": len({ack["request_id"] for ack in acks}),
        "UNKNOWN": sum(1 for ack in acks if ack["status"] == "UNKNOWN"),
        "settled afterwards": sum(1 for ack in acks if ack["status"] in ENDS and ack["origin"] == "RECONCILIATION"),
        "NOT_FOUND": sum(1 for ack in acks if ack.get("error") == "NOT_FOUND"),
        "invalid nonces": sim.stats()["simulator"]["invalid_nonces"],
    }
    return found, figures


def main() -> int:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--limit", type=float, default=660.0, help="seconds after which no further kill begins")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        folder = Path(name)
        # A hundred starts in ten minutes are more than the venue's limits allow one key and address.
        loose = ("engine_limits=false", "rest_limits=false", "connects_max=0")
        sim = processes.make_sim(folder, *(word for each in loose for word in ("--set", each)), accounts=2)
        try:
            trading = Trading(random.Random(chosen.seed))
            kills = kill_again_and_again(folder, sim, chosen.kills, chosen.limit, trading)
            gateway = finish(folder, sim)
            found, figures = judge(sim, gateway)
        finally:
            sim.end()
    print(f"{kills} kills, {trading.requests} requests sent:", ", ".join(f"{n} {what}" for what, n in figures.items()))
    print(*found[:20], sep="\n")
    held = not found and kills >= min(chosen.kills, 100) and not figures["invalid nonces"]
    print("holds" if held else f"DOES NOT HOLD: {len(found)} wrong")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
