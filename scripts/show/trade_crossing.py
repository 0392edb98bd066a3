"""Hands that meet: one changes or cancels what another placed, and all trade at the same time while the market moves."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from trade_hands import OURS, Hand, OurHand
from trade_play import numbers_of
from trade_table import Table

#: Requests of each hand while all trade at once.
REQUESTS = 40


def cross(hands: Sequence[Hand], table: Table, ours: OurHand) -> list[str]:
    """Each hand places one that the next changes and the one after that cancels; returns complaints."""
    complaints: list[str] = []
    symbols = table.symbols
    for number, placer in enumerate(hands):
        changer, canceler = hands[(number + 1) % len(hands)], hands[(number + 2) % len(hands)]
        if changer.name == OURS:
            # The gateway changes what it placed alone.
            changer = hands[(number + 2) % len(hands)]
        market = table.market(symbols[number % len(symbols)])
        wish = {"symbol": market.symbol, "side": "buy", "type": "limit"}
        wish |= {"quantity": market.quantity(number), "price": market.price(market.bid * Decimal("0.85"))}
        [key] = placer.ask("place", **wish)["ids"]
        wrong = table.wait_seen(key, {"status": "open", **numbers_of(wish)})
        wish |= {"quantity": market.quantity(number + 9), "price": market.price(market.bid * Decimal("0.86"))}
        answers = [changer.ask("amend", id=key, **wish)]
        wrong = wrong or table.wait_seen(key, {"status": "open", **numbers_of(wish)})
        answers.append(canceler.ask("cancel", id=key))
        wrong = wrong or table.wait_seen(key, {"status": "canceled", **numbers_of(wish)})
        if own := ours.orders.get(key):
            seen = (own.status.value, own.price, own.quantity)
            if seen != ("CANCELED", Decimal(wish["price"]), Decimal(wish["quantity"])):
                wrong = wrong or f"its trader sees {seen}"
        who = f"{placer.name}, changed by {changer.name}, canceled by {canceler.name}"
        complaints += [f"{who}: {text}" for text in [wrong, *(answer.get("refused") for answer in answers)] if text]
    print(f"--- {len(hands)} orders placed by one, changed by the next, canceled by a third: {len(complaints)} wrong")
    return complaints


class Trader:
    """One hand that trades at random. What the venue refuses is refused: markets move, and orders end meanwhile."""

    def __init__(self, hand: Hand, table: Table, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._hand = hand
        self._table = table
        self._rng = random.Random(seed)
        self._open: list[dict[str, Any]] = []

    def trade(self) -> None:
        """All requests."""
        for number in range(REQUESTS):
            verb = self._rng.choice(("place", "place", "amend", "cancel")) if self._open else "place"
            answer = getattr(self, f"_{verb}")(number)
            self.done[verb] += "refused" not in answer
            if "refused" in answer:
                self.refused[answer["refused"]] += 1

    def _place(self, number: int) -> dict[str, Any]:
        market = self._table.market(self._rng.choice(self._table.symbols))
        side = self._rng.choice(("buy", "sell"))
        wish = {"symbol": market.symbol, "side": side, "type": "limit", "quantity": market.quantity(number)}
        near = market.bid if side == "buy" else market.ask
        wish["price"] = market.price(near * Decimal(str(self._rng.choice((1, 1, 0.9995, 1.0005)))))
        answer = self._hand.ask("place", **wish)
        self._open += [{"id": key, **wish} for key in answer.get("ids", ())]
        return answer

    def _amend(self, number: int) -> dict[str, Any]:
        wish = self._rng.choice(self._open)
        market = self._table.market(wish["symbol"])
        wish["quantity"] = market.quantity(number + 5)
        wish["price"] = market.price(market.bid if wish["side"] == "buy" else market.ask)
        return self._hand.ask("amend", **wish)

    def _cancel(self, number: int) -> dict[str, Any]:
        return self._hand.ask("cancel", id=self._open.pop(self._rng.randrange(len(self._open)))["id"])


def all_at_once(hands: Sequence[Hand], table: Table) -> None:
    """The market moves, and every process trades by its ways in turn, all processes at the same time."""
    sim = table.stage.sim
    traders = [Trader(hand, table, seed) for seed, hand in enumerate(hands)]
    by_process: dict[str, list[Trader]] = {}
    for hand, trader in zip(hands, traders, strict=True):
        by_process.setdefault(hand.name.partition(" by ")[0], []).append(trader)
    sim.fault("freeze", on=False)
    with ThreadPoolExecutor(len(by_process)) as pool:
        list(pool.map(lambda each: [one.trade() for one in each], by_process.values()))
    sim.fault("freeze")
    print("--- all at once:")
    for hand, trader in zip(hands, traders, strict=True):
        refused = "; ".join(f"{count} {text:.100}" for text, count in trader.refused.most_common())
        print(f"  {hand.name}: {dict(sorted(trader.done.items()))}, refused: {refused or 'none'}", flush=True)
