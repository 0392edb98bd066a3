"""Issue 8, line 3: kill -9 with working orders, again and again on one state directory; the simulator is the judge.

Two gateways, each with a simulator of its own and on a core of its own. Each cycle starts one, trades at it from one client
(orders that rest, changes, cancels, on two accounts and four markets, all the time) as soon as it takes any, and kills it at
a seeded moment, with requests on their way: the venue is made slow, as real ones are. Some die while they still start,
recover and download. After the last one everything is counted: every order of ours that the venue holds is known by its user
and id and told as it is, none was placed twice, and every request that was told ended once and truly.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e"), str(Path(__file__).parent)]

import account_processes as processes
from killed_judge import figures, judge, requests_of, unanswered
from order_trader import Told, Trader, make_config

from gwcore.model import CancelAllOrders, CancelOrder, CreateOrder, Event, ModifyOrder, OrderAck, OrderType, Side
from gwcore.testing.processes import Gw, Sim

GATEWAYS = 2
ACCOUNTS = ("account1", "account2")
#: Symbol, quantity, and prices far below the market in units of the last number.
MARKETS = (
    ("BTC/USD", "0.001", 5_000, 9_000, "0.1"),
    ("ETH/USD", "0.01", 5_000, 9_000, "0.01"),
    ("SOL/USD", "0.1", 500, 900, "0.01"),
    ("XRP/USD", "2", 3_000, 5_000, "0.0001"),
)
#: A gateway lives this long once its first order left; one of so many dies earlier, while it starts.
TRADED_S = (0.01, 1.2)
EARLY_EVERY = 6
#: Pause between two requests; while none is taken yet, and once they are.
KNOCK_S, REQUEST_S = 0.05, 0.01
#: How late the venue takes orders and answers all else: what makes requests be on their way when the kill comes.
SLOW_MS = 120
#: A busy machine gets its time to start.
START_S = 240.0
#: Orders of one life beyond which all are cancelled at the next chance.
OPEN_MAX = 60
#: Requests in doubt are settled by then, and looked at so often.
SETTLE_S, LOOK_S = 180.0, 5.0


@dataclass(slots=True)
class Outcome:
    """What one gateway's lives gave."""

    kills: int = 0
    early: int = 0
    requests: int = 0
    starts_s: list[float] = field(default_factory=list)  # from the start of the process to the first order that leaves
    born_ns: list[int] = field(default_factory=list)  # when each life began, by the wall clock
    wrong: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)
    settled_s: float = 0.0
    took_s: float = 0.0


class Trading:
    """One client over all lives of one gateway."""

    def __init__(self, chance: random.Random, outcome: Outcome) -> None:
        self.chance = chance
        self.outcome = outcome
        self.number = 0
        self._left = threading.Event()

    def live(self, gateway: Gw, began_s: float) -> None:
        """Knock until an order leaves, then trade for some time."""
        self._left.clear()
        trader = self._come_in(gateway)
        trader.on_event = self._on_event
        mine: list[tuple[str, str]] = []
        try:
            end_s = began_s + START_S
            while not self._left.wait(KNOCK_S):
                self._send(trader, self._create(mine))
                assert time.monotonic() < end_s, "no order left: " + gateway.errors()[-2000:]
            self.outcome.starts_s.append(time.monotonic() - began_s)
            end_s = time.monotonic() + self.chance.uniform(*TRADED_S)
            while time.monotonic() < end_s:
                self._send(trader, self._request(mine))
                time.sleep(REQUEST_S)
        finally:
            trader.close()

    def _come_in(self, gateway: Gw) -> Trader:
        gateway.wait_for("the socket", gateway.socket_path.exists, timeout_s=START_S)
        for _ in range(1_000):
            with contextlib.suppress(OSError):  # the socket of the life before, until this one listens
                return Trader(gateway.socket_path, Told())
            time.sleep(KNOCK_S)
        raise AssertionError("nobody listens: " + gateway.errors()[-2000:])

    def _on_event(self, event: Event) -> None:
        if isinstance(event, OrderAck) and event.status.value == "FORWARDED":
            self._left.set()

    def _send(self, trader: Trader, request: Any) -> None:
        trader.send(request)
        self.outcome.requests += 1

    def _create(self, mine: list[tuple[str, str]]) -> CreateOrder:
        chance = self.chance
        self.number += 1
        account, (symbol, quantity, *prices) = chance.choice(ACCOUNTS), chance.choice(MARKETS)
        mine.append((account, f"k{self.number}"))
        return CreateOrder(
            account=account,
            order_id=f"k{self.number}",
            symbol=symbol,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            quantity=quantity,
            price=_price(chance, *prices),
        )

    def _request(self, mine: list[tuple[str, str]]) -> Any:
        kind, chance = self.chance.random(), self.chance
        if kind < 0.55:
            return self._create(mine)
        account, name = chance.choice(mine[-20:])
        if kind < 0.75:
            # Of any market: most of these are refused here or there, as prices that do not fit.
            return ModifyOrder(account=account, order_id=name, price=_price(chance, *chance.choice(MARKETS)[2:]))
        if kind < 0.97 and len(mine) < OPEN_MAX:
            return CancelOrder(account=account, order_id=name)
        del mine[:-1]
        return CancelAllOrders(account=account)


def _price(chance: random.Random, low: int, high: int, unit: str) -> str:
    decimals = len(unit.partition(".")[2])
    number = str(chance.randint(low, high)).rjust(decimals + 1, "0")
    return f"{number[:-decimals]}.{number[-decimals:]}"


def _start(folder: Path, sim: Sim) -> Gw:
    gateway: Gw = processes.start(folder, sim, folder / "accounts.toml")
    return gateway


def kill_again_and_again(folder: Path, sim: Sim, cycles: int, limit_s: float, trading: Trading) -> None:
    """All kills."""
    outcome, chance, began_s = trading.outcome, trading.chance, time.monotonic()
    for number in range(1, cycles + 1):
        born_s = time.monotonic()
        outcome.born_ns.append(time.time_ns())
        gateway = _start(folder, sim)
        try:
            if outcome.starts_s and number % EARLY_EVERY == 0:
                time.sleep(chance.uniform(0.2, 1.0) * outcome.starts_s[-1])
                outcome.early += 1
            else:
                trading.live(gateway, born_s)
        finally:
            gateway.kill()
        outcome.kills += 1
        seconds = time.monotonic() - began_s
        if number % 10 == 0:
            sys.stdout.write(f"  {number} kills in {seconds:.0f} s, {outcome.requests} requests\n")
            sys.stdout.flush()
        if seconds > limit_s:
            return


def finish(folder: Path, sim: Sim, outcome: Outcome) -> Gw:
    """A last life that is not killed: until nothing is in doubt."""
    sim.fault("restore")
    began_s = time.monotonic()
    outcome.born_ns.append(time.time_ns())
    gateway = _start(folder, sim)
    gateway.wait_for("the gateway to be ready", lambda: gateway.status().get("ready"), timeout_s=START_S)
    while unanswered(requests_of(gateway.state_dir, outcome.born_ns)) and time.monotonic() - began_s < SETTLE_S:
        time.sleep(LOOK_S)
    outcome.settled_s = time.monotonic() - began_s
    time.sleep(1.0)
    gateway.end()
    return gateway


def play(seed: int, kills: int, limit_s: float) -> Outcome:
    """One gateway and its simulator."""
    outcome, began_s = Outcome(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gw-") as name:
        folder = Path(name)
        # A hundred starts in ten minutes are more than the venue's limits allow one key and address.
        loose = ("engine_limits=false", "rest_limits=false", "connects_max=0", "levels=20", "deep_pairs=0")
        market = ("--pairs", "4", "--rate", "10")
        sim = processes.make_sim(folder, *market, *(word for one in loose for word in ("--set", one)), accounts=2)
        try:
            make_config(folder)
            for method in ("batch_add", "add_order"):
                sim.fault("take_late", ms=SLOW_MS, count=1_000_000, method=method)
            for method in ("amend_order", "cancel_order", "batch_cancel", "cancel_all"):
                sim.fault("late_replies", ms=SLOW_MS, count=1_000_000, method=method)
            kill_again_and_again(folder, sim, kills, limit_s, Trading(random.Random(seed), outcome))
            gateway = finish(folder, sim, outcome)
            held = [processes.truth(sim, account)["orders"] for account in ACCOUNTS]
            rows = [row for orders in held for row in orders if row["cl_ord_id"]]
            requests = requests_of(gateway.state_dir, outcome.born_ns)
            outcome.wrong, outcome.figures = judge(rows, gateway.state_dir, requests), figures(rows, requests)
            outcome.figures["invalid nonces"] = sim.stats()["simulator"]["invalid_nonces"]
        finally:
            sim.end()
    outcome.took_s = time.monotonic() - began_s
    return outcome


def main() -> int:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--limit", type=float, default=660.0, help="seconds after which no further kill begins")
    chosen = parser.parse_args()
    each = -(-chosen.kills // GATEWAYS)
    with ProcessPoolExecutor(GATEWAYS, mp_context=get_context("spawn")) as pool:
        seeds = range(chosen.seed, chosen.seed + GATEWAYS)
        outcomes = list(pool.map(play, seeds, [each] * GATEWAYS, [chosen.limit] * GATEWAYS))
    return tell(outcomes, each * GATEWAYS)


def tell(outcomes: list[Outcome], wanted: int) -> int:
    """The figures; 0 where all holds."""
    total, wrong = Counter[str](), [each for outcome in outcomes for each in outcome.wrong]
    for outcome in outcomes:
        total += outcome.figures
    kills, starts_s = sum(one.kills for one in outcomes), sorted(s for one in outcomes for s in one.starts_s)
    took_s, early = max(one.took_s for one in outcomes), sum(one.early for one in outcomes)
    print(f"{kills} kills of {GATEWAYS} gateways in {took_s:.0f} s, {early} of them while they started")
    middle_s = statistics.median(starts_s)
    print(f"from the start of a process to its first order that leaves: {middle_s:.1f} s, at most {starts_s[-1]:.1f} s")
    print(f"{sum(one.requests for one in outcomes)} requests sent")
    print(*(f"{count:6} {what}" for what, count in total.items()), sep="\n")
    print(f"nothing in doubt {max(one.settled_s for one in outcomes):.0f} s after the last start")
    print(*wrong[:20], sep="\n")
    flying = total["kills with some in flight"]
    if flying < kills // 2:
        wrong.append(f"only {flying} kills met a request in flight")
        print(wrong[-1])
    held = not wrong and kills >= wanted and not total["invalid nonces"]
    print("holds" if held else f"DOES NOT HOLD: {len(wrong)} wrong, {kills} of {wanted} kills")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
