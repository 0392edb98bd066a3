"""Sample requests about orders: every order type, time in force and field of the model, for any venue. Made-up numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gwcore.model import (
    ConditionalClose,
    CreateOrder,
    FeeAsset,
    ModifyOrder,
    OrderType,
    PriceType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerReference,
)

#: 2026-11-26T22:40:00Z, and what is left over of a millisecond and of a second.
SAMPLE_NS = 1_795_732_800_000_000_000
ODD_NS = 123_999_999


def sample_order(**fields: Any) -> CreateOrder:
    """A limit order, with these fields instead of its own; None leaves one out."""
    whole: dict[str, Any] = {
        "account": "main",
        "order_id": "mine",
        "symbol": "BTC/USD",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": "0.01000000",
        "price": "63377.2",
    }
    return CreateOrder(**{name: value for name, value in (whole | fields).items() if value is not None})


def sample_change(**fields: Any) -> ModifyOrder:
    """A change of an order."""
    return ModifyOrder(account="main", order_id="mine", **fields)


def sample_orders() -> Iterator[tuple[str, CreateOrder]]:
    """Name and request of each sample."""
    yield from _types()
    yield from _terms()
    yield from _relative()


def _types() -> Iterator[tuple[str, CreateOrder]]:
    yield "market", sample_order(order_type=OrderType.MARKET, price=None)
    yield "limit", sample_order()
    yield "whole numbers", sample_order(side=Side.SELL, quantity="5", price="63377")
    yield "iceberg", sample_order(order_type=OrderType.ICEBERG, quantity="1.5", display_quantity="0.10000000")
    for kind in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT):
        yield kind.value.lower(), sample_order(order_type=kind, side=Side.SELL, price=None, stop_price="60000.0")
    for kind in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
        yield kind.value.lower(), sample_order(order_type=kind, side=Side.SELL, price="59990.1", stop_price="60000.0")
    yield "settle part of a position", sample_order(order_type=OrderType.SETTLE_POSITION, price=None, margin=True)
    yield (
        "settle a position",
        sample_order(order_type=OrderType.SETTLE_POSITION, price=None, quantity=None, margin=True),
    )


def _terms() -> Iterator[tuple[str, CreateOrder]]:
    yield "immediate or cancel", sample_order(time_in_force=TimeInForce.IOC)
    yield "fill or kill", sample_order(time_in_force=TimeInForce.FOK)
    yield "good till date", sample_order(time_in_force=TimeInForce.GTD, expire_time_ns=SAMPLE_NS + ODD_NS)
    yield "starts later", sample_order(effective_time_ns=SAMPLE_NS + ODD_NS)
    yield "deadline", sample_order(deadline_ns=SAMPLE_NS + ODD_NS)
    yield "post only", sample_order(post_only=True)
    yield "margin, reduce only", sample_order(margin=True, reduce_only=True)
    for asset in FeeAsset:
        yield f"fee in {asset.value.lower()}", sample_order(fee_asset=asset)
    for prevention in SelfTradePrevention:
        yield prevention.value.lower(), sample_order(self_trade_prevention=prevention)
    yield (
        "cash quantity",
        sample_order(order_type=OrderType.MARKET, price=None, quantity=None, cash_quantity="100.5000"),
    )
    yield "validate only", sample_order(validate_only=True)
    close = ConditionalClose(order_type=OrderType.STOP_LOSS_LIMIT, stop_price="60000.0", price="59990.1")
    yield "conditional close", sample_order(conditional_close=close)


def _relative() -> Iterator[tuple[str, CreateOrder]]:
    percent, quote = PriceType.PERCENT, PriceType.QUOTE
    yield (
        "trailing stop",
        sample_order(order_type=OrderType.TRAILING_STOP, price=None, stop_price="1.5", stop_price_type=percent),
    )
    yield (
        "trailing stop limit",
        sample_order(
            order_type=OrderType.TRAILING_STOP_LIMIT,
            price="12.5",
            price_type=quote,
            stop_price="100",
            stop_price_type=quote,
            trigger=TriggerReference.INDEX,
        ),
    )
    yield (
        "relative trigger",
        sample_order(
            order_type=OrderType.STOP_LOSS,
            price=None,
            stop_price="2.5",
            stop_price_type=percent,
            trigger=TriggerReference.LAST,
        ),
    )
    close = ConditionalClose(order_type=OrderType.TRAILING_STOP, stop_price="1.0", stop_price_type=percent)
    yield "trailing close", sample_order(conditional_close=close)


def sample_changes() -> Iterator[tuple[str, ModifyOrder]]:
    """Name and request of each sample."""
    yield "quantity", sample_change(quantity="0.02000000")
    yield (
        "price, post only, deadline",
        sample_change(price="63000.5", post_only=True, deadline_ns=SAMPLE_NS + ODD_NS),
    )
    yield (
        "trigger and limit, relative",
        sample_change(stop_price="2", stop_price_type=PriceType.PERCENT, price="5", price_type=PriceType.QUOTE),
    )
    yield "display quantity", sample_change(display_quantity="0.2", post_only=False)
