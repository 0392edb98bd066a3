"""Hands on one account: somebody who trades, a referee by one of its ways or our client through the gateway, asked alike.

A wish has the fields of `Wish` in bench/referees/account_referee.py. An answer is `{"ids"}` of the orders by the venue's id,
`{"count"}` of what was canceled, or `{"refused"}` with the words of whoever said no.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from referee_process import RefereeProcess

from gwcore.client import Order, Outcome
from gwcore.client.trading.sync_trader import SyncTrader
from gwcore.testing.processes import ProcessError, wait_for

Wish = dict[str, Any]
Answer = dict[str, Any]
OURS = "our client"
#: How long a request may wait for its turn within the venue's counters, which others use up too.
SETTLE_S = 60.0


class Hand(Protocol):
    """Somebody who trades."""

    @property
    def name(self) -> str:
        """Who and by what way."""
        ...

    @property
    def verbs(self) -> Sequence[str]:
        """What it can do, and the fields of a wish that not everybody can say."""
        ...

    def ask(self, verb: str, **wish: Any) -> Answer:
        """Have it done. Raises ProcessError where nobody knows what became of it."""
        ...


class RefereeHand:
    """A referee, by one of its ways."""

    def __init__(self, referee: str, process: RefereeProcess, way: str, verbs: Sequence[str]) -> None:
        self.name = f"{referee} by {way}"
        self.verbs = verbs
        self._process = process
        self._way = way

    def ask(self, verb: str, **wish: Any) -> Answer:
        """As `Hand.ask`."""
        return self._process.ask(f"trade {json.dumps({'way': self._way, 'verb': verb, 'order': wish})}")


class OurHand:
    """Our client. It knows its orders by their venue's ids, and those of others, which it sees by its drop copy."""

    name = OURS
    #: The gateway changes an order in place, and has no edit, which makes another one of it.
    verbs = ("place", "place_many", "amend", "cancel", "cancel_many", "cancel_all", "fee_asset")

    def __init__(self, trader: SyncTrader) -> None:
        self.trader = trader
        self.orders: dict[str, Order] = {}

    def ask(self, verb: str, **wish: Any) -> Answer:
        """As `Hand.ask`."""
        method: Callable[[Wish], Answer] = getattr(self, f"_{verb}")
        return method(wish)

    def _place(self, wish: Wish) -> Answer:
        return self._placed([self.trader.create(**_form(wish))])

    def _place_many(self, wish: Wish) -> Answer:
        return self._placed(self.trader.create_batch([self.trader.form(**_form(one)) for one in wish["orders"]]))

    def _placed(self, outcomes: Sequence[Outcome]) -> Answer:
        for outcome in outcomes:
            if refused := self._refused(outcome):
                return refused
        orders = [outcome.order for outcome in outcomes]
        ids = [wait_for("the venue's id", lambda one=order: one.venue_order_id) for order in orders]
        self.orders |= dict(zip(ids, orders, strict=True))
        return {"ids": ids}

    def _amend(self, wish: Wish) -> Answer:
        outcome = self.trader.modify(self._known(wish["id"]), quantity=wish["quantity"], price=wish["price"])
        return self._refused(outcome) or {"ids": [wish["id"]]}

    def _cancel(self, wish: Wish) -> Answer:
        return self._refused(self.trader.cancel(self._known(wish["id"]))) or {"count": 1}

    def _cancel_many(self, wish: Wish) -> Answer:
        outcomes = self.trader.cancel_batch([self._known(one) for one in wish["ids"]])
        return next(filter(None, map(self._refused, outcomes)), {"count": len(outcomes)})

    def _cancel_all(self, wish: Wish) -> Answer:
        outcome = self.trader.cancel_all(user="*")
        return self._refused(outcome) or {"count": outcome.count}

    def _refused(self, outcome: Outcome) -> Answer | None:
        if not self.trader.settle(outcome, timeout_s=SETTLE_S):
            raise ProcessError(f"nobody knows what became of {outcome.request}: {outcome.text}")
        return None if outcome.is_done else {"refused": f"{outcome.error}: {outcome.text}"}

    def _known(self, order_id: str) -> Order:
        if order_id in self.orders:
            return self.orders[order_id]
        return next(order for order in self.trader.orders() if order.venue_order_id == order_id)


def _form(wish: Wish) -> dict[str, Any]:
    """The fields of our own form; ids by which the venue knows an order are the gateway's."""
    names = ("symbol", "side", "quantity", "price", "stop_price", "post_only", "time_in_force", "fee_asset")
    form = {name: wish[name] for name in names if name in wish}
    return form | ({"order_type": wish["type"].replace("-", "_")} if "type" in wish else {})
