"""What rows of the fault matrix about orders are made of: the row itself, and the few words they are all written in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from order_trader import ACCOUNT, SYMBOL

from gwcore.model import CreateOrder, OrderStatus, OrderType, Side

ENDED = ("ACCEPTED", "REJECTED")


class Row(NamedTuple):
    """One row: what is switched on, who plays it, and where it can be played."""

    name: str
    what: str
    play: Callable[[Any], Awaitable[str]]
    virtual: bool = True
    real: bool = True
    doomed: Mapping[str, Any] | None = None  # settings of a second user; the first one then sees what is everybody's
    small_disk: bool = False  # its state directory is on a volume that can be filled up
    nats: bool = False  # clients come over NATS too


def order(order_id: str, price: str = "100.0", quantity: str = "0.1", **fields: Any) -> CreateOrder:
    """A buy far below the market, which rests."""
    chosen: dict[str, Any] = {"side": Side.BUY, "order_type": OrderType.LIMIT, "price": price, **fields}
    return CreateOrder(account=ACCOUNT, order_id=order_id, symbol=SYMBOL, quantity=quantity, **chosen)


def ended(field: Any, order_id: str, request: str = "create_order") -> bool:
    """Whether a request has its last ack."""
    words = field.told.words(order_id, request)
    return bool(words) and words[-1].split()[0] in ENDED


def of_ours(field: Any) -> list[dict[str, Any]]:
    """Orders of ours at the venue."""
    return [one for one in field.truth()["orders"] if one["cl_ord_id"]]


def is_told(field: Any, name: str, *statuses: OrderStatus) -> bool:
    """Whether the last that was told of an order is one of these."""
    update = field.told.last(name)
    return update is not None and update.order_status in statuses


def venue_status(field: Any, name: str) -> str:
    """How an order of ours stands at the venue; empty: it has none such."""
    update = field.told.last(name)
    if update is None:
        return ""
    return next((str(row["status"]) for row in of_ours(field) if row["order_id"] == update.venue_order_id), "")


async def place(field: Any, *names: str, **fields: Any) -> None:
    """Resting orders."""
    for name in names:
        await field.submit(order(name, **fields))
    for name in names:
        await field.until(f"{name} works", lambda name=name: is_told(field, name, OrderStatus.WORKING))


def agree(field: Any) -> None:
    """Every order of ours is told as the venue has it, and is there once."""
    rows = of_ours(field)
    assert len({row["cl_ord_id"] for row in rows}) == len(rows), "an order was placed twice"
    words = {"new": "WORKING", "canceled": "CANCELED", "filled": "FILLED", "partially_filled": "PARTIALLY_FILLED"}
    told = {update.venue_order_id: update for update in field.told.events if hasattr(update, "order_status")}
    for row in rows:
        ours = told.get(row["order_id"])
        assert ours is not None, f"{row['order_id']} is not told"
        assert ours.order_status.value == words.get(row["status"], row["status"]), (ours, row)
        assert Decimal(ours.traded_quantity or 0) == Decimal(row["filled"]), (ours, row)
        assert ours.price is None or Decimal(ours.price) == Decimal(row["limit_price"] or 0), (ours, row)
