"""Trader: places, changes and cancels orders of one account through a Client, and follows them.

A call returns an Outcome when the fate of the request is known, or cannot be known at present (UNKNOWN). It raises only where
nothing was sent: TypeError and ValueError for arguments, NotConnected without a gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gwcore.client.trading.order_forms import Number, OrderNumbers, create_form, modify_form, word
from gwcore.client.trading.order_tracker import OrderTracker, cancel_of
from gwcore.client.trading.outcome import Order, Outcome
from gwcore.errors import ProtocolError
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    OrderRequest,
    Side,
)
from gwcore.wire import REQUEST_BYTES_MAX, decode_request, encode

if TYPE_CHECKING:
    from gwcore.client.aio import Client

#: How long a call waits for the fate of its request before it says UNKNOWN.
ANSWER_TIMEOUT_S = 10.0


class Trader:
    """One account. Made by `Client.trader`. Cancelling a call (or its time-out) never cancels the order."""

    def __init__(self, client: Client, tracker: OrderTracker, numbers: OrderNumbers) -> None:
        self._client = client
        self._tracker = tracker
        self._numbers = numbers

    @property
    def account(self) -> str:
        """The account."""
        return self._tracker.account

    @property
    def user(self) -> str:
        """Whom the gateway takes this client for."""
        return self._tracker.user

    def orders(self) -> list[Order]:
        """Orders that are, or may be, open, oldest first: with `drop_copy` those of others and external ones too."""
        return self._tracker.orders()

    def order(self, order_id: str) -> Order | None:
        """One order of this user by its id; None: not known here (any more)."""
        return self._tracker.order(order_id)

    def doubts(self) -> list[Outcome]:
        """Requests whose fate is not known now."""
        return self._tracker.doubts()

    # --- requests -----------------------------------------------------------------------------------------------------

    def form(self, symbol: str, side: Side | str, *, order_id: str | None = None, **fields: Any) -> CreateOrder:
        """An order for `create_batch`, as `create` makes it. Raises TypeError, ValueError."""
        name = self._numbers.order_id() if order_id is None else order_id
        return create_form(self.account, symbol, side, name, **fields)

    async def create(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number | None = None,
        price: Number | None = None,
        *,
        order_id: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        **fields: Any,
    ) -> Outcome:
        """Place an order; `fields` are those of `CreateOrder`. LIMIT where there is a price, else MARKET.

        `order_id` is made where it is not given. The order is `outcome.order`. Raises TypeError, ValueError, NotConnected.
        """
        form = self.form(symbol, side, order_id=order_id, quantity=quantity, price=price, **fields)
        return await self.send(form, timeout_s=timeout_s)

    async def send(self, form: CreateOrder, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """Place an order made by `form`, whose id is known before it leaves. Raises NotConnected."""
        request = msgspec.structs.replace(form, request_id=self._numbers.request_id())
        return (await self._ask(request, [request], timeout_s))[0]

    async def create_batch(self, forms: Sequence[CreateOrder], *, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Outcome]:
        """Place several orders, made by `form`, together. One outcome each, in order. Raises ValueError, NotConnected."""
        requests = [msgspec.structs.replace(form, request_id=self._numbers.request_id()) for form in forms]
        batch = CreateOrders(account=self.account, orders=tuple(requests), request_id=self._numbers.request_id())
        return await self._ask(batch, requests, timeout_s)

    async def modify(
        self,
        order: Order | str,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        **fields: Any,
    ) -> Outcome:
        """Change a working order in place, by itself or its id; None leaves as it is. `quantity` is the new total.

        Raises TypeError, ValueError, NotConnected.
        """
        request = modify_form(self.account, _name(order), quantity=quantity, price=price, **fields)
        request = msgspec.structs.replace(request, request_id=self._numbers.request_id())
        return (await self._ask(request, [request], timeout_s))[0]

    async def cancel(self, order: Order | str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """Cancel an order, by itself or its id. NOT_DONE with ORDER_DONE: it had ended.

        Raises TypeError, ValueError, NotConnected.
        """
        if not isinstance(order, Order) or order.order_id:
            order = _name(order)
        request = cancel_of(order, self.account, self._numbers.request_id())
        return (await self._ask(request, [request], timeout_s))[0]

    async def cancel_batch(
        self, orders: Sequence[Order | str], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> list[Outcome]:
        """Cancel several orders together. One outcome each, in their order. Raises TypeError, ValueError, NotConnected."""
        if isinstance(orders, str):
            raise TypeError(f"orders is the text {orders!r:.80}: give a list of them, or call cancel")
        request_id = self._numbers.request_id()
        names = tuple(_name(order) for order in orders)
        parts = [CancelOrder(account=self.account, order_id=name, request_id=request_id) for name in names]
        return await self._ask(
            CancelOrders(account=self.account, order_ids=names, request_id=request_id), parts, timeout_s
        )

    async def cancel_all(
        self,
        symbol: str | None = None,
        side: Side | str | None = None,
        *,
        strategy: str | None = None,
        user: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> Outcome:
        """Cancel all working orders that match; `count` of the outcome says how many. `user` "*": everybody's.

        Raises ValueError, NotConnected.
        """
        request = CancelAllOrders(
            account=self.account,
            symbol=symbol,
            side=None if side is None else word("side", Side, side),
            strategy=strategy,
            user=user,
            request_id=self._numbers.request_id(),
        )
        return (await self._ask(request, [request], timeout_s))[0]

    async def cancel_all_after(self, seconds: int, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Outcome:
        """Arm the venue's dead-man timer of the whole account; 0 disarms. Raises TypeError, NotConnected."""
        if isinstance(seconds, bool) or not isinstance(seconds, int):
            raise TypeError(f"seconds is a {type(seconds).__name__}: give an int")
        request = CancelAllAfter(account=self.account, timeout_s=seconds, request_id=self._numbers.request_id())
        return (await self._ask(request, [request], timeout_s))[0]

    # --- waiting ------------------------------------------------------------------------------------------------------

    async def settle(self, outcome: Outcome, *, timeout_s: float | None = None) -> bool:
        """Wait until the fate of a request is known; False: the time is over and it is still UNKNOWN, or it `is_over`."""
        await _until(outcome, lambda: outcome.is_known or outcome.is_over, timeout_s)
        return outcome.is_known

    async def ended(self, order: Order, *, timeout_s: float | None = None) -> bool:
        """Wait until an order ended; False: the time is over."""
        return await _until(order, lambda: order.is_done, timeout_s)

    async def _ask(self, request: OrderRequest, parts: Sequence[OrderRequest], timeout_s: float) -> list[Outcome]:
        if not parts:
            raise ValueError("no order is named: give one at least")
        frame = encode(request)
        try:
            decode_request(frame)
        except ProtocolError as error:  # the gateway would end the connection
            raise ValueError(f"{type(request).__struct_config__.tag!s}: {error}") from None
        size = len(frame)
        if size >= REQUEST_BYTES_MAX:
            raise ValueError(f"a request of {size} bytes; {REQUEST_BYTES_MAX} is the limit: ask for less at once")
        outcomes = self._client.send_order(self._tracker, request, parts)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        for outcome in outcomes:
            if not await _until(outcome, lambda one=outcome: one.has_word, max(0.0, deadline - loop.time())):  # type: ignore[misc]
                outcome.doubt(f"no answer within {timeout_s:g} s{self._client.backlog_hint}")
        return outcomes


def _name(order: Order | str) -> str:
    if isinstance(order, str):
        if not order:
            raise ValueError("the order's id is empty: name an order")
        return order
    if not isinstance(order, Order):
        raise TypeError(f"the order is a {type(order).__name__}: give an Order, or its id")
    if not order.order_id:
        raise ValueError("the order was not placed through this gateway: only `cancel` takes it")
    return order.order_id


async def _until(one: Order | Outcome, is_so: Callable[[], bool], timeout_s: float | None) -> bool:
    changed = asyncio.Event()
    one.watch(changed.set)
    try:
        async with asyncio.timeout(timeout_s):
            while not is_so():
                changed.clear()
                await changed.wait()
    except TimeoutError:
        return is_so()
    finally:
        one.unwatch(changed.set)
    return True
