"""OrderRecall: what the journal says of one account's orders, read at start: whose they are, and what is not answered. Pure.

What has no FORWARDED in the journal never left. What has one, and no answer, may have: it is in doubt until the venue tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gwcore.engine.orders.desk import OrderDesk
from gwcore.engine.orders.order import Ask, OwnOrder, Stage, kind_of, pending_update
from gwcore.engine.orders.owners import OrderIds, OwnOrders
from gwcore.model import (
    AckStatus,
    CancelAllAfter,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    Event,
    OrderAck,
    OrderError,
    OrderStatus,
    OrderUpdate,
    TradeUpdate,
)

#: What is in doubt after a restart is settled so long after its deadline; the venue's own time is not known by then.
RESUME_SETTLE_S: Final = 90.0
#: Requests for the venue's timer, none of them accepted, that are remembered; the oldest of so many has long ended.
TIMERS_MAX: Final = 1000
NANOSECONDS: Final = 1_000_000_000


@dataclass(slots=True)
class _Open:
    """A request that is not answered."""

    ask: Ask
    published_ns: int  # wall clock, when FORWARDED was
    was_told: bool = False  # that it is UNKNOWN


@dataclass(slots=True)
class _Timer:
    """A request that arms the venue's dead-man timer, and what is known of it."""

    user: str
    timeout_s: int
    published_ns: int  # wall clock, when FORWARDED was
    statuses: list[AckStatus]


class OrderRecall:
    """Fills the desk of one account. Call `recall` for each event in order, then `finish` once."""

    def __init__(self, desk: OrderDesk, ids: OrderIds) -> None:
        self._desk = desk
        self._own: OwnOrders = desk.own
        self._ids = ids
        self._left_ns = 0  # when the last request left
        self._open: dict[str, _Open] = {}
        self._timers: dict[str, _Timer] = {}  # requests that may have armed the venue's timer, oldest first

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
            foreign = self._own.of_venue(update.venue_order_id or "")
            if foreign is not None and foreign.is_foreign:
                self._own.note(foreign, update)
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
        if isinstance(ack.asked, CancelAllAfter) or ack.request_id in self._timers:
            self._note_timer(ack, published_ns)
        if ack.status is AckStatus.FORWARDED:
            self._left_ns = max(self._left_ns, published_ns)
            self._note_forwarded(ack, published_ns)
        elif ack.status is AckStatus.UNKNOWN and ack.error != OrderError.SUPERSEDED.value:
            if ack.request_id in self._open:
                self._open[ack.request_id].was_told = True
        else:
            self._open.pop(ack.request_id, None)
            if order is not None and ack.status is AckStatus.ACCEPTED:
                order.was_seen = True

    def _note_timer(self, ack: OrderAck, published_ns: int) -> None:
        """Whoever armed the timer: it counts on, and is to be off before maintenance."""
        if isinstance(ack.asked, CancelAllAfter):
            self._timers[ack.request_id] = _Timer(ack.user or "", ack.asked.timeout_s, published_ns, [])
        self._timers[ack.request_id].statuses.append(ack.status)
        is_newest = ack.request_id == next(reversed(self._timers))
        if ack.status is AckStatus.ACCEPTED and is_newest:  # it alone counts from here on
            self._timers = {ack.request_id: self._timers[ack.request_id]}
        elif len(self._timers) > TIMERS_MAX:
            del self._timers[next(iter(self._timers))]

    def _resume_timers(self, now_ns: int) -> None:
        for timer in self._timers.values():
            written_ns = self._desk.monotonic_of(timer.published_ns, now_ns)
            if timer.timeout_s and written_ns + timer.timeout_s * NANOSECONDS > now_ns:  # it has not ended
                for status in dict.fromkeys(timer.statuses):
                    self._desk.acks.heed_timer(timer.user, timer.timeout_s, status, written_ns)
        self._timers.clear()

    def finish(self, now_ns: int) -> None:
        """All is read: what is not answered is in doubt from now on. Publishes what that changes."""
        self._resume_timers(now_ns)
        open_orders = dict.fromkeys(self._own.live())
        if self._left_ns:
            self._desk.resume_left(self._left_ns, now_ns)
        for own in open_orders:
            own.taken_ns = now_ns  # it is older than that, and dearer to cancel is the safe side
        for open_one in self._open.values():
            if open_one.ask.order is not None:
                open_orders.pop(open_one.ask.order, None)
            self._resume(open_one, now_ns)
        self._open.clear()
        for order in open_orders:
            self._resume_order(order)

    def _note_forwarded(self, ack: OrderAck, published_ns: int) -> None:
        if isinstance(ack.asked, CreateOrders | CancelOrders) or ack.asked is None:
            return
        ask = Ask(kind_of(ack.asked), ack.asked, self._order_of(ack), ack.user or "", int(ack.request_id))
        ask.client_request_id, ask.version = ack.client_request_id, ack.version
        if ask.order is None:
            self._desk.account_doubts.name(ask, ack.number_of_affected_orders)
        self._open[ack.request_id] = _Open(ask, published_ns)

    def _resume(self, open_one: _Open, now_ns: int) -> None:
        """A request of an earlier life of the gateway that the journal has no answer to."""
        desk, ask = self._desk, open_one.ask
        desk.now_ns = now_ns
        settle_ns = int(RESUME_SETTLE_S * NANOSECONDS)
        ask.staged_ns = desk.monotonic_of(open_one.published_ns, now_ns)
        ask.due_ns = max(open_one.published_ns, getattr(ask.request, "deadline_ns", None) or 0) + settle_ns
        ask.stage = Stage.UNKNOWN if open_one.was_told else Stage.SENT
        if not open_one.was_told:
            desk.doubt(ask, OrderError.DISCONNECTED, "the gateway ended before the answer came")
        elif ask.order is not None:
            ask.order.doubt(ask)
            desk.doubts.add(ask.order, now_ns)
        else:
            desk.account_doubts.add(ask, now_ns)

    def _resume_order(self, order: OwnOrder) -> None:
        """An order of an earlier life with no request under way."""
        if not order.was_seen and order.update.order_status is OrderStatus.PENDING:
            reason = "the gateway ended before it left"
            self._desk.change(order, {"order_status": OrderStatus.REJECTED, "reason": reason})

    def _order_of(self, ack: OrderAck) -> OwnOrder | None:
        if ack.order_id is None:
            return None if ack.venue_order_id is None else self._of_venue(ack.venue_order_id)
        order = self._own.find(ack.user or "", ack.order_id)
        if order is None and isinstance(ack.asked, CreateOrder) and ack.venue_client_id is not None:
            order = OwnOrder(pending_update(ack.asked, ack.user or "", ack.venue_client_id))
            if not ack.asked.validate_only:
                self._ids.use(order.user, order.order_id)
                self._own.add(order)
        return order

    def _of_venue(self, venue_order_id: str) -> OwnOrder | None:
        """One that is named by the venue's id alone: placed elsewhere."""
        update = self._desk.listed(venue_order_id)
        return self._own.of_venue(venue_order_id) or (None if update is None else self._own.foreign(update))
