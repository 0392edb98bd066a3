"""Orders that wait for a price (sheet 3.6): what triggers look at, when they are reached, trailing stops that follow.

The index price is the last one unless the fault `index` fixes it. Trades tell their prices here; what they trigger happens
next, at the same time, once all that they did to the book has been told.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from gw_sim_kraken import modes
from gw_sim_kraken.accounts.amounts import from_scaled
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.orders import new_order
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

INDEX, LAST = "index", "last"


class Triggers:
    """Waiting orders by market, in the order in which they came."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._waiting: dict[PairMarket, dict[str, OwnOrder]] = {}
        self._index: dict[PairMarket, Decimal] = {}

    def reference(self, market: PairMarket, name: str) -> Decimal:
        """The price that triggers look at now."""
        if name == INDEX and market in self._index:
            return self._index[market]
        return Decimal(market.trades[-1].price)

    def add(self, order: OwnOrder, now_ns: int) -> None:
        """An order waits from now on; it goes on at once where its trigger is reached already."""
        trigger = order.trigger
        assert trigger is not None, "it waits for something"
        self._waiting.setdefault(order.market, {})[order.order_id] = order
        self._exchange.schedule.at(now_ns, self._look, order)

    def drop(self, order: OwnOrder) -> None:
        """It waits no more."""
        self._waiting.get(order.market, {}).pop(order.order_id, None)

    def fix_index(self, market: PairMarket, price: Decimal | None) -> None:
        """Set the index price of a market; None: it is the last price again."""
        if price is None:
            self._index.pop(market, None)
            return
        self._index[market] = price
        self._exchange.schedule.at(self._exchange.now_ns, self._see, market, INDEX, (price,))

    def restore(self) -> None:
        """No index is fixed."""
        self._index.clear()

    def on_prices(self, market: PairMarket, now_ns: int, prices: Sequence[int]) -> None:
        """Trades of one event, in their order."""
        if self._waiting.get(market):
            seen = [from_scaled(price, market.pair.price_precision) for price in prices]
            self._exchange.schedule.at(now_ns, self._see, market, LAST, seen)

    def _see(self, when_ns: int, market: PairMarket, name: str, prices: Sequence[Decimal]) -> None:
        for price in prices:
            for order in list(self._waiting.get(market, {}).values()):
                assert order.trigger is not None, "it waits for something"
                follows = order.trigger.reference == name or (name == LAST and market not in self._index)
                if follows and order.is_open:
                    self._show(order, price, when_ns)

    def _look(self, when_ns: int, order: OwnOrder) -> None:
        """Look at the reference as it is now; once a second while nothing is matched."""
        if not (order.is_open and order.is_waiting):
            return
        assert order.trigger is not None, "it waits for something"
        self._show(order, self.reference(order.market, order.trigger.reference), when_ns)

    def _show(self, order: OwnOrder, price: Decimal, when_ns: int) -> None:
        """One price for one order."""
        trigger = order.trigger
        assert trigger is not None, "it waits for something"
        trigger.last_price = price
        account, streams = self._exchange.accounts.get(order.account), self._exchange.streams
        if order.is_trailing and new_order.trail(order, price):
            streams.report(account, order, "status", when_ns)
        if not new_order.is_reached(order, price):
            return
        if not modes.matches(self._exchange, order.market.pair):
            self._exchange.schedule.at(when_ns + SECOND_NS, self._look, order)
            return
        trigger.fired_price, trigger.fired_ns = price, when_ns
        self.drop(order)
        streams.report(account, order, "status", when_ns)
        self._exchange.order_desk.execute(account, order, when_ns)
