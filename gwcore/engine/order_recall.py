"""OrderRecall: what the journal says of one account's orders, read at start: whose they are, and what is not answered. Pure.

What has no FORWARDED in the journal never left. What has one, and no answer, may have: it is in doubt until the venue tells.
"""

from __future__ import annotations

from gwcore.engine.order_desk import OrderDesk
from gwcore.engine.order_owners import OrderIds, OwnOrders
from gwcore.engine.orders import Ask, OwnOrder, kind_of, pending_update
from gwcore.model import (
    AckStatus,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    Event,
    OrderAck,
    OrderUpdate,
    TradeUpdate,
)


class OrderRecall:
    """Fills the desk of one account. Call `recall` for each event in order, then `finish` once."""

    def __init__(self, desk: OrderDesk, ids: OrderIds) -> None:
        self._desk = desk
        self._own: OwnOrders = desk.own
        self._ids = ids
        self._left_ns = 0  # when the last request left
        self._open: dict[str, tuple[OrderAck, int, bool]] = {}  # FORWARDED, when, and whether UNKNOWN was told

    def recall(self, event: Event, published_ns: int) -> None:
        """One event of the account."""
        if isinstance(event, OrderUpdate):
            self._on_order(event)
        elif isinstance(event, TradeUpdate):
            self._own.told(event)
        elif isinstance(event, OrderAck):
            self._on_ack(event, published_ns)

    def _on_order(self, update: OrderUpdate) -> None:
        if update.order_id is None or update.external:
            return
        user = update.user or ""
        order = self._own.find(user, update.order_id)
        if order is None:
            order = OwnOrder(update)
            self._ids.use(user, update.order_id)
            self._own.add(order)
            return
        self._own.recall(order, update)

    def _on_ack(self, ack: OrderAck, published_ns: int) -> None:
        if ack.request_id.isdigit():
            self._desk.acks.last_number = max(self._desk.acks.last_number, int(ack.request_id))
        order = self._own.find(ack.user or "", ack.order_id) if ack.order_id is not None else None
        if order is not None and ack.version is not None:
            order.requests = max(order.requests, ack.version)
        if ack.status is AckStatus.FORWARDED:
            self._left_ns = max(self._left_ns, published_ns)
            self._open[ack.request_id] = (ack, published_ns, False)
        elif ack.status is AckStatus.UNKNOWN:
            if ack.request_id in self._open:
                self._open[ack.request_id] = (*self._open[ack.request_id][:2], True)
        else:
            self._open.pop(ack.request_id, None)
            if order is not None and ack.status is AckStatus.ACCEPTED:
                order.was_seen = True

    def finish(self, now_ns: int) -> None:
        """All is read: what is not answered is in doubt from now on. Publishes what that changes."""
        open_orders = dict.fromkeys(self._own.live())
        if self._left_ns:
            self._desk.resume_left(self._left_ns, now_ns)
        for own in open_orders:
            own.taken_ns = now_ns  # it is older than that, and dearer to cancel is the safe side
        for ack, published_ns, was_told in self._open.values():
            if isinstance(ack.asked, CreateOrders | CancelOrders) or ack.asked is None:
                continue
            order = self._order_of(ack)
            ask = Ask(kind_of(ack.asked), ack.asked, order, ack.user or "", int(ack.request_id))
            ask.client_request_id, ask.version = ack.client_request_id, ack.version
            if order is not None:
                open_orders.pop(order, None)
            self._desk.resume(ask, published_ns, now_ns, was_told=was_told)
        self._open.clear()
        for order in open_orders:
            self._desk.resume_order(order)

    def _order_of(self, ack: OrderAck) -> OwnOrder | None:
        if ack.order_id is None:
            return None if ack.venue_order_id is None else self._desk.own.of_venue(ack.venue_order_id)
        order = self._own.find(ack.user or "", ack.order_id)
        if order is None and isinstance(ack.asked, CreateOrder) and ack.venue_client_id is not None:
            order = OwnOrder(pending_update(ack.asked, ack.user or "", ack.venue_client_id))
            if not ack.asked.validate_only:
                self._ids.use(order.user, order.order_id)
                self._own.add(order)
        return order
