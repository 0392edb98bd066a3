"""PaperRecords: the orders and fills of one paper account that are remembered, and what has to outlive the process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from gwcore.model import OrderError, OrderUpdate, TradeUpdate
from gwcore.paper.order import PaperOrder

#: Orders that ended, and fills, that are remembered for downloads and searches.
CLOSED_MAX: Final = 10_000
FILLS_MAX: Final = 20_000


class PaperRefused(Exception):
    """The exchange does not take a request."""

    def __init__(self, error: OrderError, text: str) -> None:
        super().__init__(text)
        self.error = error


class PaperFact(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that has to outlive the process: an order as it now is, a fill, or what an asset's total now is."""

    order: PaperOrder | None = None
    fill: TradeUpdate | None = None
    totals: dict[str, Decimal] | None = None


class PaperRecords:
    """Of one account. Open orders by client id; ended ones and fills as far back as they are kept."""

    def __init__(self) -> None:
        self.open: dict[str, PaperOrder] = {}
        self._closed: OrderedDict[str, PaperOrder] = OrderedDict()
        self._fills: OrderedDict[str, TradeUpdate] = OrderedDict()
        self.numbers = 0  # of the newest order
        self.trades = 0  # fills so far

    def restore(self, fact: PaperFact) -> None:
        """A fact of an earlier process, in order."""
        if fact.fill is not None:
            self.keep_fill(fact.fill)
        if fact.order is not None:
            order = fact.order
            self.numbers = max(self.numbers, order.number)
            if order.is_open:
                self.open[order.client_id] = order
            else:
                self.close(order)

    def facts(self) -> Iterator[PaperFact]:
        """All that is known, to begin a log anew with."""
        yield from (PaperFact(fill=fill) for fill in self._fills.values())
        yield from (PaperFact(order=order) for order in (*self._closed.values(), *self.open.values()))

    def find(self, key: str) -> PaperOrder:
        """An open order by its client id or the exchange's. Raises PaperRefused."""
        order = self.open.get(key)
        if order is None:
            order = next((each for each in self.open.values() if each.venue_order_id == key), None)
        if order is None:
            raise PaperRefused(OrderError.UNKNOWN_ORDER, f"no open paper order {key}")
        return order

    def any(self, client_id: str | None, venue_order_id: str | None) -> PaperOrder | None:
        """One order, open or ended."""
        for order in (*self.open.values(), *reversed(self._closed.values())):
            if venue_order_id is not None and order.venue_order_id == venue_order_id:
                return order
            if venue_order_id is None and order.client_id == client_id:
                return order
        return None

    def close(self, order: PaperOrder) -> None:
        """An order ended."""
        self.open.pop(order.client_id, None)
        self._closed[order.venue_order_id] = order
        while len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)

    def keep_fill(self, trade: TradeUpdate) -> None:
        """There was a fill."""
        fill = trade.fills[0]
        self.trades = max(self.trades, int(fill.market_trade_id or 0))
        self._fills[fill.trade_id] = trade
        while len(self._fills) > FILLS_MAX:
            self._fills.popitem(last=False)

    def open_orders(self) -> tuple[OrderUpdate, ...]:
        """All that is open."""
        return tuple(order.update() for order in self.open.values())

    def closed_orders(self, since_ns: int) -> tuple[OrderUpdate, ...]:
        """Orders that ended since then, oldest first."""
        return tuple(order.update() for order in self._closed.values() if order.changed_ns >= since_ns)

    def fills(self, since_ns: int, venue_order_id: str | None = None) -> tuple[TradeUpdate, ...]:
        """Fills since then (of one order), oldest first."""
        return tuple(
            fill
            for fill in self._fills.values()
            if (fill.venue_time_ns or 0) >= since_ns and venue_order_id in (None, fill.venue_order_id)
        )
