"""HandVenue: a venue small enough to be read at a glance, for tests of the order engine: what it took, did and would list.

It is the truth. What of its words arrives, when and in which order, is the test's business.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

from gwcore.model import Fate, Fill, OrderError, OrderStatus, OrderUpdate, Side, TradeUpdate
from gwcore.testing.order_stage import ACCOUNT, START_NS, SYMBOL, Sent
from gwcore.venue import AccountMessage, AccountSnapshot, OrderAnswer, OrderKey

_OPEN = (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)


@dataclasses.dataclass
class VenueOrder:
    """One order as the venue has it."""

    order_id: str
    client_id: str
    price: Decimal
    quantity: Decimal
    status: OrderStatus = OrderStatus.WORKING
    traded: Decimal = Decimal(0)
    fills: list[Fill] = dataclasses.field(default_factory=list)
    created: int = 0  # times it was asked to be made

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in _OPEN


class HandVenue:
    """One account's orders, all of one symbol, all bought."""

    def __init__(self) -> None:
        self.orders: dict[str, VenueOrder] = {}  # by client id
        self.taken: list[Sent] = []
        self.done: set[tuple[int, int]] = set()  # (identity of a request, 0) of those that were carried out
        self._trades = 0

    def take(self, sent: Sent, now_ns: int) -> list[AccountMessage]:
        """A request arrives: its answer, then what the stream says."""
        deadline_ns = getattr(sent.what, "deadline_ns", None)
        if deadline_ns is not None and START_NS + now_ns > deadline_ns:
            return [OrderAnswer(sent.wire_id, Fate.NOT_DONE, OrderError.DEADLINE, "deadline")]
        self.taken.append(sent)
        act = {"create": self._create, "modify": self._modify, "cancel": self._cancel}[sent.verb]
        return act(sent)

    def _create(self, sent: Sent) -> list[AccountMessage]:
        client_id = sent.client_id or ""
        known = self.orders.get(client_id)
        if known is not None:
            known.created += 1
            return [OrderAnswer(sent.wire_id, Fate.NOT_DONE, OrderError.INVALID_ARGUMENTS, "client id is in use")]
        order = VenueOrder(
            f"O{len(self.orders)}", client_id, Decimal(sent.what.price), Decimal(sent.what.quantity), created=1
        )
        self.orders[client_id] = order
        return [OrderAnswer(sent.wire_id, Fate.DONE, venue_order_id=order.order_id), self.row(order)]

    def _refused(self, sent: Sent) -> list[AccountMessage]:
        return [OrderAnswer(sent.wire_id, Fate.NOT_DONE, OrderError.UNKNOWN_ORDER, "Unknown order")]

    def _modify(self, sent: Sent) -> list[AccountMessage]:
        order = self.orders.get(sent.client_id or "")
        if order is None or not order.is_open:
            return self._refused(sent)
        if sent.what.price is not None:
            order.price = Decimal(sent.what.price)
        if sent.what.quantity is not None:
            order.quantity = Decimal(sent.what.quantity)
        self.done.add((id(sent), 0))
        return [OrderAnswer(sent.wire_id, Fate.DONE), self.row(order)]

    def _cancel(self, sent: Sent) -> list[AccountMessage]:
        order = self.orders.get(sent.client_id or "")
        if order is None or not order.is_open:
            return self._refused(sent)
        order.status = OrderStatus.CANCELED
        self.done.add((id(sent), 0))
        return [OrderAnswer(sent.wire_id, Fate.DONE), self.row(order)]

    def was_done(self, sent: Sent) -> bool:
        """Whether a change or a cancel was carried out."""
        return (id(sent), 0) in self.done

    def fill(self, client_id: str, quantity: str) -> list[AccountMessage]:
        """Somebody trades with an order; what the stream says."""
        order = self.orders[client_id]
        amount = min(Decimal(quantity), order.quantity - order.traded)
        if not order.is_open or amount <= 0:
            return []
        self._trades += 1
        one = Fill(
            trade_id=f"T{self._trades}",
            price=str(order.price),
            quantity=str(amount),
            market_trade_id=str(self._trades),
            venue_time_ns=START_NS + self._trades,
        )
        order.fills.append(one)
        order.traded += amount
        order.status = OrderStatus.FILLED if order.traded == order.quantity else OrderStatus.PARTIALLY_FILLED
        return [self._trade(order, one), self.row(order)]

    def row(self, order: VenueOrder) -> OrderUpdate:
        """The order as a list, or the stream, tells it."""
        return OrderUpdate(
            account=ACCOUNT,
            venue_order_id=order.order_id,
            venue_client_id=order.client_id,
            symbol=SYMBOL,
            side=Side.BUY,
            order_status=order.status,
            quantity=str(order.quantity),
            price=str(order.price),
            traded_quantity=str(order.traded),
            opened_ns=START_NS,
            venue_time_ns=START_NS,
        )

    def _trade(self, order: VenueOrder, one: Fill) -> TradeUpdate:
        return TradeUpdate(account=ACCOUNT, venue_order_id=order.order_id, symbol=SYMBOL, side=Side.BUY, fills=(one,))

    def stream(self) -> AccountSnapshot:
        """The stream's snapshot: what is open."""
        return AccountSnapshot(orders=tuple(self.row(order) for order in self.orders.values() if order.is_open))

    def rest(self) -> AccountSnapshot:
        """What REST lists: open orders, ended ones, all fills."""
        return AccountSnapshot(
            orders=tuple(self.row(order) for order in self.orders.values() if order.is_open),
            closed=tuple(self.row(order) for order in self.orders.values() if not order.is_open),
            trades=tuple(self._trade(order, one) for order in self.orders.values() for one in order.fills),
        )

    def find(self, key: OrderKey) -> AccountSnapshot:
        """What it lists of one order."""
        order = self.orders.get(key.venue_client_id or "")
        if order is None:
            return AccountSnapshot(orders=())
        rows = (self.row(order),)
        trades = tuple(self._trade(order, one) for one in order.fills)
        if order.is_open:
            return AccountSnapshot(orders=rows, trades=trades)
        return AccountSnapshot(orders=(), closed=rows, trades=trades)

    def answer_flow(self, kind: str, asked: Any, now_ns: int) -> Any:
        """What a flow of the stage ends with."""
        if kind == "find":
            return self.find(asked)
        if kind == "request":
            return [one for one in self.take(asked, now_ns) if isinstance(one, OrderAnswer)]
        return [] if kind == "funds" else self.rest()
