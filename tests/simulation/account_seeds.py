"""One seed of two accounts under fire: other people's trading, faults, kills; then the venue's own lists are the judge."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from account_play import AccountPlay, perform, violations

from gwcore.model import Discrepancy, FundsUpdate, OrderUpdate, TradeUpdate
from gwcore.testing.seeds import SeededRandom

#: How long things happen, and how long after the last of them everything may take to be told.
BUSY_S, SETTLE_S = 60.0, 160.0
DEPOSITS = ("USD", "BTC")


@dataclass(slots=True)
class Outcome:
    """What one seed gave. No violation: all held."""

    seed: int
    violations: list[str] = field(default_factory=list)
    struck: Counter[str] = field(default_factory=Counter)
    fills: int = 0
    orders: int = 0
    funds: int = 0
    recovered: int = 0
    discrepancies: int = 0
    invalid_nonces: int = 0


def one(seed: int) -> Outcome:
    """Play one seed."""
    outcome = Outcome(seed)

    async def act(play: AccountPlay) -> None:
        await _Fire(play, outcome, SeededRandom(seed, "fire")).run()

    try:
        perform(
            act, seed=seed, sim={"pairs": 2, "rate": 1.0, "levels": 20, "deep_pairs": 0}, account={"check_s": 120.0}
        )
    except Exception as error:  # what no program may do is a violation too
        outcome.violations.append(f"{type(error).__name__}: {error}")
    return outcome


class _Fire:
    def __init__(self, play: AccountPlay, outcome: Outcome, rng: SeededRandom) -> None:
        self.play = play
        self.outcome = outcome
        self.rng = rng
        self.symbols = tuple(play.simulator.feed.listing.pairs)
        self.open: list[tuple[str, str]] = []
        self.recovered = 0

    async def run(self) -> None:
        play, rng = self.play, self.rng
        await play.ready()
        kinds = [rng.pick(tuple(self._faults())) for _ in range(3)]
        ends_s = play.loop.time() + BUSY_S
        planned = sorted(rng.uniform(5.0, BUSY_S - 10.0) for _ in kinds)
        begun_s = play.loop.time()
        while play.loop.time() < ends_s:
            while planned and play.loop.time() - begun_s >= planned[0]:
                planned.pop(0)
                await self._strike(kinds.pop())
            self._trade()
            await asyncio.sleep(rng.uniform(0.2, 4.0))
        play.fault("restore")
        await play.ready(1_200.0)
        for name in play.names:
            play.do("cancel_all", account=name)
        await asyncio.sleep(SETTLE_S)
        await play.ready()
        self._judge()
        await play.stop()

    # --- what happens ---------------------------------------------------------------------------------------------

    def _trade(self) -> None:
        """Somebody does something with an account, by another way than ours."""
        play, rng = self.play, self.rng
        account, symbol = rng.pick(tuple(play.names)), rng.pick(self.symbols)
        try:
            kind = rng.pick(("fills", "fills", "maker", "order", "order", "amend", "cancel", "deposit"))
            if kind in ("fills", "maker"):
                play.do("fills", count=rng.integer(1, 12), account=account, symbol=symbol, maker=kind == "maker")
            elif kind == "order":
                quantity, price = f"0.{rng.integer(1, 99):02}", str(rng.integer(100, 900))
                order = play.do("order", symbol=symbol, side="buy", quantity=quantity, price=price, account=account)
                self.open.append((account, order["order_id"]))
            elif kind == "deposit":
                play.do("deposit", asset=rng.pick(DEPOSITS), amount=f"{rng.integer(1, 99)}.25", account=account)
            elif self.open:
                owner, order_id = self.open.pop(rng.integer(0, len(self.open) - 1))
                if kind == "cancel":
                    play.do("cancel", order_id=order_id, account=owner)
                else:
                    play.do("amend", order_id=order_id, account=owner, price=str(rng.integer(100, 900)))
        except ValueError:
            return  # the venue refused: too little money, an order that is gone

    def _burst(self) -> None:
        """More fills of one order than the stream's own snapshot holds."""
        play, rng = self.play, self.rng
        account, symbol = rng.pick(tuple(play.names)), rng.pick(self.symbols)
        play.do("fills", count=rng.integer(51, 150), account=account, symbol=symbol, maker=True)

    def _faults(self) -> dict[str, Callable[[], Any]]:
        play, rng = self.play, self.rng
        account = rng.pick((*play.names, ""))
        return {
            "end_session": lambda: play.fault("end_session", account=account, abort=rng.chance(0.5)),
            "close": lambda: play.fault("close", abort=rng.chance(0.5)),
            "refuse": lambda: (
                play.fault("refuse", count=rng.integer(1, 20), status=503),
                play.fault("end_session", account=account),
            ),
            "rest_lag": lambda: (
                play.fault("rest_lag", ms=rng.integer(1_000, 50_000)),
                self._burst(),
                play.fault("end_session", account=account),
            ),
            "outage": lambda: (
                play.fault("refuse", count=rng.integer(5, 20), status=503),
                play.fault("rest_lag", ms=rng.integer(1_000, 50_000)),
                play.fault("end_session"),
                self._burst(),
            ),
            "drop_with_gap": lambda: play.fault("drop_executions", count=rng.integer(1, 5)),
            "drop_in_silence": lambda: play.fault("drop_executions", count=rng.integer(1, 5), gap=False),
            "drop_balances": lambda: play.fault("drop_executions", count=rng.integer(1, 3), channel="balances"),
            "duplicates": lambda: play.fault("duplicate_executions", count=5, same_sequence=rng.chance(0.5)),
            "replay": lambda: play.fault("replay_fills", kind=rng.pick(("snapshot", "update"))),
            "token": lambda: (
                play.fault("refuse_token", where=rng.pick(("rest", "websocket"))),
                play.fault("end_session"),
            ),
            "html": lambda: (play.fault("http", body="html"), play.fault("end_session", account=account)),
            "clock": lambda: setattr(play.clock, "skew_ns", rng.integer(-3_600, 3_600) * 1_000_000_000),
            "kill": None,  # type: ignore[dict-item]  # see _strike
        }

    async def _strike(self, name: str) -> None:
        self.outcome.struck[name] += 1
        if name != "kill":
            self._faults()[name]()
            await asyncio.sleep(self.rng.uniform(0.5, 8.0))
            if name in ("refuse", "outage", "token", "html"):
                self.play.fault("restore")
            if name == "outage":
                self.play.fault("rest_lag", ms=self.rng.integer(1_000, 50_000))
            return
        self._count()
        await self.play.crash()
        await asyncio.sleep(self.rng.uniform(0.1, 10.0))
        self.play.start()

    # --- what must hold -------------------------------------------------------------------------------------------

    def _count(self) -> None:
        self.outcome.recovered += sum(each.machine.recovered for each in self.play.gateway.accounts.connections)

    def _judge(self) -> None:
        play, outcome = self.play, self.outcome
        outcome.violations += violations(play)
        self._count()
        outcome.fills = len(play.events(TradeUpdate))
        outcome.orders = len({update.venue_order_id for update in play.events(OrderUpdate)})
        outcome.funds = len(play.events(FundsUpdate))
        outcome.discrepancies = len(play.events(Discrepancy))
        outcome.invalid_nonces = play.simulator.stats()["invalid_nonces"]
