"""Orders of ours: one order with its requests, and what the venue's words about it mean for each of them. Pure.

An order's state is the venue's (`OrderTable`); what stands here is what was asked of it and what is known of each request.
A request ends by positive evidence only: the venue's answer, the state of the order, or, long after it could have been
taken, that every list of the venue was asked and shows nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Final, Protocol

import msgspec

from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CreateOrder,
    Fate,
    ModifyOrder,
    OrderError,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    Origin,
)
from gwcore.venue import OrderKey, Orders, Outbound, RequestKind

#: Changes of one order that wait for an answer to the request before them; one more is refused. Of its cancels as many.
WAITING_MAX: Final = 16
ENDED = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})
_CHANGEABLE: Final = ("quantity", "price", "stop_price", "display_quantity")


class Stage(Enum):
    """How far a request has come."""

    WAITING = 0  # for its turn
    STAGED = 1  # told and written; it leaves when it is durable
    SENT = 2
    UNKNOWN = 3  # it may have left, and nothing was heard of it
    ENDED = 4


class Ask:
    """One request on its way. `order` is None where it is about the account."""

    __slots__ = (
        "batch",
        "by_rest",
        "client_request_id",
        "due_ns",
        "group",
        "kind",
        "named",
        "number",
        "order",
        "parcel",
        "reply",
        "request",
        "sent_ns",
        "stage",
        "staged_ns",
        "unnamed",
        "user",
        "version",
    )

    def __init__(
        self, kind: RequestKind, request: OrderRequest, order: OwnOrder | None, user: str, number: int
    ) -> None:
        self.kind = kind
        self.request = request
        self.order = order
        self.user = user
        self.number = number  # the gateway's, unique per account
        self.client_request_id: int | None = request.request_id
        self.version: int | None = None
        self.stage = Stage.WAITING
        self.batch: object = None  # requests of one batch name the same
        self.parcel: Parcel | None = None  # what it left in, or leaves
        self.staged_ns = 0  # monotonic
        self.sent_ns = 0  # monotonic
        self.due_ns = 0  # wall clock: from then on, what no list of the venue shows was not taken
        self.by_rest = False
        self.group: Group | None = None
        self.named: tuple[str | OwnOrder, ...] = ()  # of one about the account: the orders it was about (AccountDoubts)
        self.unnamed = 0  # so many of them it may not have been about, which ones is not known
        self.reply: Reply | None = None

    @property
    def is_exit(self) -> bool:
        """Whether it can only take orders away."""
        return self.kind in (RequestKind.CANCEL, RequestKind.CANCEL_ALL, RequestKind.CANCEL_BATCH)

    @property
    def is_check(self) -> bool:
        """Whether the venue only checks, and places nothing."""
        return isinstance(self.request, CreateOrder) and self.request.validate_only


class Parcel:
    """Requests that leave as one: mostly one, several of a batch where the venue has that."""

    __slots__ = ("asks", "outbound", "way", "wire_id")

    def __init__(self, asks: list[Ask], wire_id: int, way: Orders, outbound: Outbound) -> None:
        self.asks = asks  # the place in it is the place in the batch
        self.wire_id = wire_id
        self.way = way  # what `outbound` was made by
        self.outbound: Outbound | None = outbound


class Reply(Protocol):
    """Says something to the client that asked, and to nobody else."""

    def __call__(self, code: str, text: str, request_id: int | None = None) -> None:
        """About the request, or about the one in it that has this number (an order of a batch)."""
        ...


class Group:
    """A CancelAllOrders that became one cancel for each order."""

    __slots__ = ("ask", "count", "done", "failed", "open", "unknown")

    def __init__(self, ask: Ask, count: int) -> None:
        self.ask = ask
        self.count = self.open = count  # `open`: those that have not ended
        self.done = 0
        self.unknown = 0
        self.failed: tuple[OrderError | None, str] | None = None  # why an order that may be open was not cancelled


class OwnOrder:
    """One order that was placed through us (or an external one that is being cancelled: `client_id` None)."""

    __slots__ = (
        "active",
        "client_id",
        "doubts",
        "is_given_up",
        "order_id",
        "requests",
        "taken_ns",
        "told",
        "update",
        "user",
        "venue_order_id",
        "version",
        "waiting",
        "was_seen",
    )

    def __init__(self, update: OrderUpdate) -> None:
        self.update = update  # all that is known of it
        self.user = update.user or ""
        self.order_id = update.order_id or ""
        self.client_id = update.venue_client_id
        self.venue_order_id = update.venue_order_id
        self.version = update.version or 0  # of the last request that was accepted
        self.requests = self.version  # so many requests were made
        self.was_seen = update.venue_order_id is not None  # the venue told of it
        self.is_given_up = False  # it was in no list of the venue when all should have been there
        self.taken_ns = 0  # monotonic, when it was created or last changed, for the venue's counters
        self.told = Decimal(0)  # of what it traded, the fills that were told
        self.active: Ask | None = None  # the one request that is on its way
        self.waiting: deque[Ask] = deque()
        self.doubts: list[Ask] = []  # requests whose fate is not known

    @property
    def symbol(self) -> str:
        """Its symbol."""
        return self.update.symbol or ""

    @property
    def is_foreign(self) -> bool:
        """Whether it was placed elsewhere."""
        return not self.order_id

    @property
    def is_done(self) -> bool:
        """Whether it is known to have ended."""
        return self.update.order_status in ENDED

    @property
    def key(self) -> OrderKey:
        """How the venue knows it."""
        return OrderKey(self.symbol, self.client_id, self.venue_order_id)

    def remaining_max(self) -> Decimal | None:
        """The most that may still trade of it: what is left, or would be by a change that is under way or in doubt.

        None: it is for an amount of cash, and the venue has not said what that comes to.
        """
        update = self.update
        left = update.remaining_quantity or update.quantity
        if left is None and update.cash_quantity is not None:
            return None
        traded = Decimal(update.traded_quantity or 0)
        totals = (Decimal(one.quantity) - traded for one in self._changes() if one.quantity is not None)
        return max(Decimal(left or 0), Decimal(0), *totals)

    def at_most(self) -> OrderUpdate:
        """What is known of it, as large and as dear as the changes make it that are under way, wait, or are in doubt."""
        found = self.update
        for change in self._changes():
            larger = {
                name: value
                for name in ("quantity", "price", "stop_price")
                if (value := getattr(change, name)) is not None
                and ((known := getattr(found, name)) is None or Decimal(value) > Decimal(known))
            }
            found = msgspec.structs.replace(found, **larger) if larger else found
        return found

    def _changes(self) -> Iterator[ModifyOrder]:
        for ask in (self.active, *self.waiting, *self.doubts):
            if ask is not None and isinstance(ask.request, ModifyOrder):
                yield ask.request

    def enqueue(self, ask: Ask) -> bool:
        """Let a request wait for its turn; a cancel goes ahead of changes. False: too many of its kind wait."""
        cancels = sum(1 for one in self.waiting if one.kind is RequestKind.CANCEL)
        is_cancel = ask.kind is RequestKind.CANCEL
        if (cancels if is_cancel else len(self.waiting) - cancels) >= WAITING_MAX:
            return False
        if is_cancel:
            self.waiting.insert(cancels, ask)
        else:
            self.waiting.append(ask)
        return True

    def next(self) -> Ask | None:
        """The request whose turn it is now. Only a cancel goes behind one whose fate is not known."""
        if self.active is not None or not self.waiting:
            return None
        if self.doubts and not self.is_done and self.waiting[0].kind is not RequestKind.CANCEL:
            return None
        self.active = self.waiting.popleft()
        return self.active

    def drop(self, ask: Ask) -> None:
        """A request is over, or waits no more."""
        if self.active is ask:
            self.active = None
        if ask in self.doubts:
            self.doubts.remove(ask)
        if ask in self.waiting:
            self.waiting.remove(ask)

    def doubt(self, ask: Ask) -> None:
        """The fate of a request is not known."""
        ask.stage = Stage.UNKNOWN
        if self.active is ask:
            self.active = None
        if ask not in self.doubts:
            self.doubts.append(ask)


def pending_update(request: CreateOrder, user: str, client_id: str) -> OrderUpdate:
    """An order as it was asked for."""
    return OrderUpdate(
        account=request.account,
        order_id=request.order_id,
        symbol=request.symbol,
        side=request.side,
        order_type=request.order_type,
        order_status=OrderStatus.PENDING,
        quantity=request.quantity,
        price=request.price,
        stop_price=request.stop_price,
        traded_quantity="0",
        remaining_quantity=request.quantity,
        origin=Origin.GATEWAY,
        time_in_force=request.time_in_force,
        venue_client_id=client_id,
        user=user,
        strategy=request.strategy,
        version=1,
        display_quantity=request.display_quantity,
        cash_quantity=request.cash_quantity,
        price_type=request.price_type if request.price is not None else None,
        stop_price_type=request.stop_price_type if request.stop_price is not None else None,
        trigger=request.trigger,
        post_only=request.post_only or None,
        reduce_only=request.reduce_only or None,
        margin=request.margin or None,
        effective_time_ns=request.effective_time_ns,
        expire_time_ns=request.expire_time_ns,
    )


def changes(request: ModifyOrder, known: OrderUpdate) -> dict[str, str]:
    """What of an order is not as the request wants it."""
    return {
        name: value
        for name in _CHANGEABLE
        if (value := getattr(request, name)) is not None and not _same(value, getattr(known, name))
    }


def _same(one: str, other: str | None) -> bool:
    return other is not None and Decimal(one) == Decimal(other)


def verb_of(request: OrderRequest) -> str:
    """What an OrderAck calls the request."""
    return str(type(request).__struct_config__.tag)


def kind_of(request: OrderRequest) -> RequestKind:
    """What limits and priorities call it."""
    if isinstance(request, CreateOrder):
        return RequestKind.CREATE
    if isinstance(request, ModifyOrder):
        return RequestKind.MODIFY
    if isinstance(request, CancelOrder):
        return RequestKind.CANCEL
    assert isinstance(request, CancelAllOrders | CancelAllAfter)
    return RequestKind.CANCEL_ALL


def judge(ask: Ask, *, is_final: bool, listed: OrderUpdate | None = None) -> tuple[Fate, OrderError | None] | None:
    """What the state of its order proves of a request whose answer did not come; None: nothing yet.

    `is_final`: the venue was asked at a time when all that it took was in its lists, and that is what is known now.
    `listed`: the order as the venue listed it then.
    """
    order = ask.order
    if order is None:
        return None
    request, status = ask.request, order.update.order_status
    if isinstance(request, CreateOrder):
        if order.was_seen:
            return Fate.DONE, None
        if status is OrderStatus.REJECTED:
            return Fate.NOT_DONE, None  # a restart came between the two words about it
        return (Fate.NOT_DONE, OrderError.NOT_FOUND) if is_final else None
    if isinstance(request, CancelOrder):
        if status is OrderStatus.CANCELED:
            return Fate.DONE, None
        if status in ENDED:
            return Fate.NOT_DONE, OrderError.ORDER_DONE
        return (Fate.NOT_DONE, OrderError.NOT_FOUND) if is_final else None
    if isinstance(request, ModifyOrder):
        # REST may list what a change made of an order that ended before the stream told it.
        if any(known is not None and not changes(request, known) for known in (listed, order.update)):
            return Fate.DONE, None
        if is_final:
            return Fate.NOT_DONE, OrderError.ORDER_DONE if status in ENDED else OrderError.NOT_FOUND
    return None
