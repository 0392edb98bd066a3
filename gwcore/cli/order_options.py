"""The options of `gw order create` and `modify`: every field of the model that a trader may set."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

import click

from gwcore.client.trading.order_forms import close_form
from gwcore.model import (
    ConditionalClose,
    FeeAsset,
    OrderType,
    PriceType,
    SelfTradePrevention,
    TimeInForce,
    TriggerReference,
)

F = TypeVar("F", bound=Callable[..., Any])


def _words(kind: type[Enum]) -> click.Choice[str]:
    return click.Choice([str(member.value).lower() for member in kind], case_sensitive=False)


_PRICES = [
    click.option("--quantity", metavar="N", help="In the base asset."),
    click.option("--price", metavar="N", help="The limit."),
    click.option("--stop-price", metavar="N", help="What triggers, or the distance of a trailing stop."),
    click.option("--display-quantity", metavar="N", help="What an iceberg shows."),
    click.option("--price-type", type=_words(PriceType), help="How the price is given."),
    click.option("--stop-price-type", type=_words(PriceType), help="How the stop price is given."),
    click.option("--deadline-ns", metavar="NS", type=int, help="The venue may not take it after this (epoch, ns)."),
]
_CREATE = [
    click.option("--order-id", metavar="ID", help="Your id for it, never used before; made where it is not given."),
    click.option("--type", "order_type", type=_words(OrderType), help="Type of the order."),
    *_PRICES,
    click.option("--cash-quantity", metavar="N", help="In the quote asset, in place of --quantity."),
    click.option("--time-in-force", type=_words(TimeInForce), help="How long it stands; gtd with --expire-time-ns."),
    click.option("--post-only", is_flag=True, default=None, help="Refused where it would trade at once."),
    click.option("--reduce-only", is_flag=True, default=None, help="Only to make a position smaller."),
    click.option("--margin", is_flag=True, default=None, help="On margin."),
    click.option("--strategy", metavar="NAME", help="A name to cancel and to find it by."),
    click.option("--trigger", type=_words(TriggerReference), help="The price that the trigger looks at."),
    click.option("--self-trade-prevention", type=_words(SelfTradePrevention), help="What to cancel of two own orders."),
    click.option("--fee-asset", type=_words(FeeAsset), help="The asset in which fees are wanted."),
    click.option("--effective-time-ns", metavar="NS", type=int, help="It starts then (epoch, ns)."),
    click.option("--expire-time-ns", metavar="NS", type=int, help="It ends then (epoch, ns)."),
    click.option("--close-type", type=_words(OrderType), help="Type of an order that closes each fill."),
    click.option("--close-price", metavar="N", help="Its limit."),
    click.option("--close-stop-price", metavar="N", help="Its trigger."),
    click.option("--close-price-type", type=_words(PriceType), help="How its price is given."),
    click.option("--close-stop-price-type", type=_words(PriceType), help="How its stop price is given."),
]
_MODIFY = [
    *_PRICES,
    click.option("--post-only/--no-post-only", default=None, help="Refused where it would trade at once."),
    click.option("--version", metavar="N", type=int, help="Only if the order's last accepted version is this one."),
]
_CLOSE = ("type", "price", "stop_price", "price_type", "stop_price_type")


def create_options(function: F) -> F:
    """Give a command the options of an order to place."""
    return _given(function, _CREATE)


def modify_options(function: F) -> F:
    """Give a command the options of a change."""
    return _given(function, _MODIFY)


def close_of(fields: dict[str, Any]) -> ConditionalClose | None:
    """Take the conditional close out of the options of an order. Raises ValueError."""
    given = {name: fields.pop(f"close_{name}") for name in _CLOSE}
    order_type = given.pop("type")
    if order_type is not None:
        return close_form(order_type, **given)
    if any(value is not None for value in given.values()):
        raise ValueError("--close-price and its like go with --close-type: which order is to close?")
    return None


def _given(function: F, options: list[Any]) -> F:
    for option in reversed(options):
        function = option(function)
    return function
