"""The table that hands trade at: the market as the simulator's book has it, the crowd on the other side, and what our client
sees of each order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Any
from urllib.parse import urlencode

from referee_stage import ACCOUNT, Stage, processes

from gwcore.client import connect_sync
from gwcore.model import Instrument
from gwcore.testing.processes import ProcessError, ask, wait_for

CROWD = "account2"
#: How long an order may take to our client.
SEEN_S = 15.0


@dataclass(frozen=True)
class Market:
    """A market now: the best of each side, and its steps."""

    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    tick: Decimal
    lot: Decimal
    quantity_min: Decimal

    def price(self, price: Decimal) -> str:
        """At or below it, on the tick, as text."""
        return format((price / self.tick).to_integral_value(ROUND_DOWN) * self.tick, "f")

    def quantity(self, number: int) -> str:
        """A small quantity with all its digits, another for each number."""
        return format(3 * self.quantity_min + (2 * number + 1) * self.lot, "f")


class Table:
    """One simulated account that all trade on."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        with connect_sync(stage.gateway.socket_path) as client:
            envelopes = client.snapshot((), ["reference_data"])
        found = [one.event for one in envelopes if isinstance(one.event, Instrument)]
        self._instruments = {one.symbol: one for one in found}

    @property
    def symbols(self) -> list[str]:
        """All markets."""
        return sorted(self._instruments)

    def market(self, symbol: str) -> Market:
        """As it is now."""
        known = self._instruments[symbol]
        # What REST tells of a book has rounded quantities (sheet 2.5).
        query = urlencode({"symbol": symbol, "depth": 1})
        book = json.loads(ask(f"{self.stage.sim.rest_url}/sim/truth?{query}"))["book"]
        [(bid, bid_quantity)], [(ask_price, ask_quantity)] = book["bids"], book["asks"]
        best = (Decimal(text) for text in (bid, bid_quantity, ask_price, ask_quantity))
        steps = (Decimal(text) for text in (known.tick_size, known.lot_size, known.min_quantity or known.lot_size))
        return Market(symbol, *best, *steps)

    def crowd_sells(self, symbol: str, quantity: str) -> None:
        """Somebody else sells at the market."""
        processes.do(self.stage.sim, "order", account=CROWD, symbol=symbol, side="sell", quantity=quantity)

    def venue_orders(self) -> dict[str, Any]:
        """What the venue itself has of the account's orders, by id."""
        return {order["order_id"]: order for order in processes.truth(self.stage.sim, ACCOUNT)["orders"]}

    def wait_seen(self, order_id: str, facts: dict[str, Any]) -> str:
        """Until our client sees an order with these facts; else what it sees instead. Empty: it does."""

        def is_seen() -> bool:
            row = self.stage.client.reading()["orders"].get(order_id)
            return row is not None and all(row[name] == value for name, value in facts.items())

        try:
            wait_for("our client", is_seen, timeout_s=SEEN_S)
        except ProcessError:
            row = self.stage.client.reading()["orders"].get(order_id, {})
            seen = {name: str(row.get(name)) for name in facts}
            return (
                f"order {order_id} should have { ({k: str(v) for k, v in facts.items()}) }, and our client sees {seen}"
            )
        return ""
