"""SmallDesk: takes requests about orders and tells what a test says about them; it stands where an account's desk stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gwcore.model import (
    AckStatus,
    CancelAllOrders,
    CreateOrder,
    Fill,
    OrderAck,
    OrderStatus,
    OrderUpdate,
    Origin,
    TradeUpdate,
)


class SmallDesk:
    """Implements `OrderPort`. `words`: statuses told for each request that comes, or a refusal (code, text) by itself."""

    def __init__(self, publish: Callable[..., Any]) -> None:
        self._publish = publish
        self.words: tuple[str, ...] = ("FORWARDED", "ACCEPTED")
        self.refusal: tuple[str, str] | None = None
        self.requests: list[Any] = []
        self.users: list[str] = []

    def submit(self, request: Any, requester: Any, reply: Callable[[str, str], None]) -> None:
        self.requests.append(request)
        self.users.append(requester.user)
        if self.refusal is not None:
            reply(*self.refusal)
            return
        for each in getattr(request, "orders", ()) or (request,):
            self.tell(each, *self.words)

    def tell(self, request: Any, *words: str) -> None:
        """These acks, and the order's state where it was accepted."""
        for word in words:
            self._publish(self.ack(request, word), partition="ex.main")
            if word == "ACCEPTED" and isinstance(request, CreateOrder):
                self._publish(self.update(request, "WORKING"), partition="ex.main")

    def ack(self, request: Any, word: str) -> OrderAck:
        return OrderAck(
            account="main",
            request_id=str(len(self.requests)),
            request=str(type(request).__struct_config__.tag),
            order_id=getattr(request, "order_id", None),
            symbol=getattr(request, "symbol", None),
            status=AckStatus(word),
            origin=Origin.VENUE,
            error="TIMEOUT" if word == "UNKNOWN" else None,
            client_request_id=request.request_id,
            user=self.users[-1],
            number_of_affected_orders=2 if isinstance(request, CancelAllOrders) else None,
        )

    def update(self, request: CreateOrder, status: str, **more: Any) -> OrderUpdate:
        return OrderUpdate(
            account="main",
            order_id=request.order_id,
            symbol=request.symbol,
            side=request.side,
            quantity=request.quantity,
            price=request.price,
            order_status=OrderStatus(status),
            user=self.users[-1],
            **more,
        )

    def fill(self, request: CreateOrder, name: str, user: str = "") -> None:
        """All of it at once."""
        fill = Fill(trade_id=name, price=request.price or "1", quantity=request.quantity or "0")
        trade = TradeUpdate(
            account="main", order_id=request.order_id, symbol=request.symbol, user=user or self.users[-1], fills=(fill,)
        )
        self._publish(
            trade, msgspec.structs.replace(self.update(request, "FILLED"), user=trade.user), partition="ex.main"
        )
