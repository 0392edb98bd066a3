"""OrderTracker: one account's orders and requests as a client sees them. Pure: events in, outcomes and orders change.

It never guesses. What was asked on a connection that broke is UNKNOWN until a word about it comes, or until another life
of the gateway has told all that its journal holds and there is none: what was never written there never left, cancels apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.client.trading.outcome import Order, Outcome
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CreateOrder,
    Event,
    Fate,
    OrderAck,
    OrderError,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    TradeUpdate,
)
from gwcore.wire import RequestError

#: Orders that ended and are still known; the oldest are forgotten first.
DONE_MAX = 10_000
#: Requests without a known fate that are followed; above it the oldest stays UNKNOWN for good.
OPEN_MAX = 10_000

#: What leaves though the journal is slow or fails.
_EXITS = (CancelOrder, CancelAllOrders, CancelAllAfter)
_BATCHES = ("create_orders", "cancel_orders")
_RESTARTED = "the gateway started anew and its journal has no word of it: it never left"
_UNWRITTEN = "the gateway started anew and has no word of it, but it may have left: see how the orders stand"
_NEVER_CAME = "the gateway knows no such order: the request did not reach it"


class OrderTracker:
    """Of one account and the user who asks."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.user = ""  # whom the gateway takes this client for
        self.connection = 0  # counts them
        self.gateway = ""  # the gateway's present life, by a session id of it
        self._orders: dict[str, Order] = {}  # by the user's id
        self._foreign: dict[str, Order] = {}  # by the venue's id: placed by another way, or by others
        self._done: dict[Order, None] = {}  # oldest first
        self._open: dict[int, list[Outcome]] = {}  # by request number: those whose fate is not known
        self._has_gap = False  # words of this account are missing since the last life of the gateway

    # --- what the user sees -------------------------------------------------------------------------------------------

    def orders(self) -> list[Order]:
        """Orders that are, or may be, open, oldest first."""
        return [order for order in [*self._orders.values(), *self._foreign.values()] if not order.is_done]

    def order(self, order_id: str) -> Order | None:
        """One order of the user; None: not known here."""
        return self._orders.get(order_id)

    def doubts(self) -> list[Outcome]:
        """Requests whose fate is not known."""
        return [outcome for outcomes in self._open.values() for outcome in outcomes]

    # --- requests -----------------------------------------------------------------------------------------------------

    def add(self, requests: Sequence[OrderRequest], request_id: int) -> list[Outcome]:
        """Requests that leave now; those of one batch have one number, or each its own."""
        found = []
        for request in requests:
            outcome = Outcome(request, request.request_id or request_id, self._order_of(request))
            outcome.batch = 0 if outcome.request_id == request_id else request_id
            outcome.connection, outcome.gateway = self.connection, self.gateway
            self._open.setdefault(outcome.request_id, []).append(outcome)
            found.append(outcome)
        while len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        return found

    def _order_of(self, request: OrderRequest) -> Order | None:
        if isinstance(request, CreateOrder) and not request.validate_only:
            order = Order(_asked(request, self.user))
            # An id that was used before stays the order that it was: the gateway refuses the second one.
            return self._orders.setdefault(request.order_id, order)
        name = getattr(request, "order_id", "")
        venue_order_id = getattr(request, "venue_order_id", None)
        return self._orders.get(name) or self._foreign.get(venue_order_id or "")

    # --- what comes ---------------------------------------------------------------------------------------------------

    def on_connected(self, user: str, gateway: str) -> None:
        """The gateway said who it takes us for, and which life of it this is."""
        if gateway != self.gateway:
            self._has_gap = False
        self.user, self.gateway = user, gateway
        self.connection += 1

    def on_lost(self, cause: str) -> None:
        """The connection is gone: nobody can tell now what became of what is under way."""
        for outcome in self.doubts():
            outcome.doubt(f"the connection to the gateway was lost: {cause}")

    def on_gap(self, partition: str | None) -> None:
        """Events are missing."""
        if partition in (None, f"ex.{self.account}"):
            self._has_gap = True

    def on_whole(self) -> None:
        """All that happened before now was told."""
        if self._has_gap:
            return
        for outcome in self.doubts():
            if outcome.ack is None and "" != outcome.gateway != self.gateway != "":
                if isinstance(outcome.request, _EXITS):
                    self._unwritten(outcome)
                else:
                    self._never_left(outcome, _RESTARTED)

    def on_event(self, event: Event) -> None:
        """An ack, an order, fills: those of other accounts are left out, acks of other users too."""
        if isinstance(event, OrderAck):
            if event.account == self.account and event.user == self.user:
                self._on_ack(event)
        elif isinstance(event, OrderUpdate):
            if event.account == self.account:
                self._on_update(event)
        elif isinstance(event, TradeUpdate) and event.account == self.account:
            order = self._find(event.user, event.order_id, event.venue_order_id)
            if order is not None:
                order.on_trade(event)

    def on_error(self, error: RequestError) -> bool:
        """The gateway did not take a request. Returns whether it was one of ours."""
        number = error.request_id or 0
        outcomes = self._open.get(number) or [one for one in self.doubts() if one.batch == number and one.ack is None]
        if not number or not outcomes:
            return False
        outcomes = list(outcomes)
        for outcome in outcomes:
            self._close(outcome)
            self._refused(outcome, error.code.upper(), error.text)
        return True

    def _on_ack(self, ack: OrderAck) -> None:
        for outcome in self._asked_for(ack):
            outcome.on_ack(ack)
            if not (outcome.is_known or outcome.is_over):
                continue
            self._close(outcome)
            if outcome.fate is Fate.NOT_DONE:
                self._refused(outcome, outcome.error or "", outcome.text)
        if ack.request == "cancel_order" and ack.error == OrderError.UNKNOWN_ORDER.value and ack.order_id:
            for outcome in self.doubts():
                # The connection that it was said on is gone, and with it what was not read.
                created = isinstance(outcome.request, CreateOrder) and outcome.request.order_id == ack.order_id
                if created and outcome.ack is None and outcome.connection != self.connection:
                    self._never_left(outcome, _NEVER_CAME)

    def _asked_for(self, ack: OrderAck) -> list[Outcome]:
        outcomes = self._open.get(ack.client_request_id or 0, [])
        if ack.order_id is None and ack.request in _BATCHES:
            return list(outcomes)  # refused as a whole
        return [one for one in outcomes if _is_about(ack, one.request)]

    def _on_update(self, update: OrderUpdate) -> None:
        order = self._find(update.user, update.order_id, update.venue_order_id)
        if order is None:
            order = Order(update)
            if update.order_id and update.user == self.user:
                self._orders[update.order_id] = order
            else:
                self._foreign[update.venue_order_id or f"{update.user} {update.order_id}"] = order
        elif update.order_id and update.user == self.user:
            self._foreign.pop(update.venue_order_id or "", None)  # it was taken for somebody else's
        order.on_update(update)
        self._note_done(order)

    def _find(self, user: str | None, order_id: str | None, venue_order_id: str | None) -> Order | None:
        if order_id and user == self.user:
            return self._orders.get(order_id)
        return self._foreign.get(venue_order_id or f"{user} {order_id}")

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _never_left(self, outcome: Outcome, text: str) -> None:
        self._close(outcome)
        outcome.know(Fate.NOT_DONE, OrderError.NOT_FOUND.value, text)
        self._refused(outcome, OrderError.NOT_FOUND.value, text)

    def _unwritten(self, outcome: Outcome) -> None:
        """What takes orders away may leave before it is durable, so silence proves nothing: the order tells, or nobody."""
        self._close(outcome)
        order = outcome.order
        if not isinstance(outcome.request, CancelOrder) or order is None or not order.is_done:
            outcome.give_up(_UNWRITTEN)
        elif order.status is OrderStatus.CANCELED:
            outcome.know(Fate.DONE)
        else:
            outcome.know(Fate.NOT_DONE, OrderError.ORDER_DONE.value, f"the order is {order.status.value}")

    def _refused(self, outcome: Outcome, error: str, text: str) -> None:
        """The order of a create that was not done ends, unless more is known of it: an id may have been used before."""
        if not outcome.is_known:
            outcome.know(Fate.NOT_DONE, error, text)
        order, request = outcome.order, outcome.request
        if order is not None and isinstance(request, CreateOrder) and order.update == _asked(request, self.user):
            order.on_update(_asked(request, self.user, OrderStatus.REJECTED, text))
            self._note_done(order)

    def _close(self, outcome: Outcome) -> None:
        outcomes = self._open.get(outcome.request_id, [])
        if outcome in outcomes:
            outcomes.remove(outcome)
        if not outcomes:
            self._open.pop(outcome.request_id, None)

    def _note_done(self, order: Order) -> None:
        if not order.is_done:
            self._done.pop(order, None)
            return
        self._done[order] = None
        while len(self._done) > DONE_MAX:
            oldest = next(iter(self._done))
            del self._done[oldest]
            if self._orders.get(oldest.order_id or "") is oldest:
                del self._orders[oldest.order_id or ""]
            self._foreign.pop(oldest.venue_order_id or "", None)


def _is_about(ack: OrderAck, request: OrderRequest) -> bool:
    name = getattr(request, "order_id", "")
    is_named = not name or not ack.order_id or name == ack.order_id
    return is_named and ack.request == str(type(request).__struct_config__.tag)


def cancel_of(order: Order | str, account: str, request_id: int) -> CancelOrder:
    """The request that cancels an order, or one by its id."""
    if isinstance(order, str):
        return CancelOrder(account=account, order_id=order, request_id=request_id)
    venue_order_id = None if order.order_id else order.venue_order_id
    return CancelOrder(
        account=account, order_id=order.order_id or "", venue_order_id=venue_order_id, request_id=request_id
    )


def _asked(
    request: CreateOrder, user: str, status: OrderStatus = OrderStatus.UNKNOWN, reason: str | None = None
) -> OrderUpdate:
    """An order of which nothing was heard yet: it may be, or not."""
    return OrderUpdate(
        account=request.account,
        order_id=request.order_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        order_status=status,
        quantity=request.quantity,
        price=request.price,
        stop_price=request.stop_price,
        reason=reason,
        user=user,
        strategy=request.strategy,
    )
