"""What the desk of an account's orders asks of the parts around it: whether a request may leave (guard), and when (pace)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

from gwcore.engine.clients.access import Grant
from gwcore.model import CreateOrder, ModifyOrder, OrderError, OrderRequest, OrderUpdate, RateLimit, Side
from gwcore.venue import OrderLimits, RequestKind


class Requester(NamedTuple):
    """Who asks: a client, or the gateway itself (an empty user, session 0, which may everything)."""

    user: str
    session: int
    grant: Grant


class Refusal(NamedTuple):
    """Why a request does not leave, in one sentence that says what to do. `retry_at_ns`: wall clock, where that helps."""

    error: OrderError
    text: str
    retry_at_ns: int | None = None


class OpenOrder(NamedTuple):
    """One order that is, or may be, open, as a guard needs it: the most of it that a change under way may make.

    `remaining` is in the base asset; None: of an order for an amount of cash, so that nobody knows what it will come to.
    """

    order_id: str | None
    user: str | None
    symbol: str
    side: Side
    remaining: Decimal | None
    price: Decimal | None  # None: at the market


class OrderView(Protocol):
    """What a guard may look at: the orders of one account, or (`AllOrders`) of all accounts of the gateway."""

    def open_orders(self) -> Iterable[OpenOrder]:
        """Working orders, those on their way and those whose fate is not known."""
        ...

    def traded(self, user: str, symbol: str) -> Decimal:
        """What a user bought less what he sold of a symbol through the gateway, over restarts; fills not told yet count."""
        ...


class OrderGuard(Protocol):
    """Judges requests before they leave. Knows users' limits, halts, the market's state and books."""

    def check_request(self, account: str, request: OrderRequest, requester: Requester, now_ns: int) -> Refusal | None:
        """Every request, first: trading on, halts, message rate. Halts let every kind of cancel through."""
        ...

    def check_create(self, request: CreateOrder, requester: Requester, view: OrderView) -> Refusal | None:
        """An order to be placed: market state, digits, size, notional, open orders, position, price band, book LIVE."""
        ...

    def check_modify(
        self, request: ModifyOrder, order: OrderUpdate, requester: Requester, view: OrderView
    ) -> Refusal | None:
        """A change of `order`, judged as the order that it would become; changes before it may be under way."""
        ...

    def check_turn(self, user: str, account: str, symbol: str) -> Refusal | None:
        """A create or a change that was taken and has waited for its turn: what an operator halted meanwhile."""
        ...


class OrderPace(Protocol):
    """The venue's counters for one account, as far as they can be known, and whose turn it is. Times are monotonic ns.

    The desk asks `wait_ns` before each request leaves and calls `spent` when it did. Cancels come before modifications, these
    before creates, and budget is kept back for cancels.
    """

    def configure(self, limits: OrderLimits) -> None:
        """The limits of the connection that came up."""
        ...

    def wait_ns(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> int:
        """How long until so many requests of this kind may leave as one; 0: now."""
        ...

    def queue_ns(self, kind: RequestKind, symbol: str, queued: int, user: str, now_ns: int) -> int:
        """How long, about, until a request leaves that comes behind so many of the same user."""
        ...

    def spent(self, kind: RequestKind, symbol: str, age_s: float, orders: int, user: str, now_ns: int) -> None:
        """It left."""
        ...

    def assume(self, until_ns: int) -> None:
        """Requests that were not counted here, as those of an earlier life, may have left until then."""
        ...

    def refused(self, symbol: str, now_ns: int, retry_ns: int | None) -> None:
        """The venue said that the counter is over its maximum: believe it, and nothing but cancels until it decayed."""
        ...

    def corrected(self, name: str, symbol: str | None, value: float, now_ns: int) -> bool:
        """The venue said where a counter stands. True: `forecast` tells of it."""
        ...

    def forecast(self, now_ns: int) -> tuple[RateLimit, ...]:
        """Where the counters stand, for RateLimitsUpdate."""
        ...


class Chore(Protocol):
    """What has to be done at times, beside requests."""

    def next_ns(self) -> int | None:
        """When; None: nothing planned."""
        ...

    def on_timer(self, now_ns: int) -> None:
        """Do what is due."""
        ...
