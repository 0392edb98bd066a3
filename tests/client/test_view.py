"""DecimalView: every text field of the model is known to be a number or not to be one."""

from __future__ import annotations

import typing
from decimal import Decimal

import msgspec

from gwcore.client import decimals
from gwcore.client.view import NUMBER_FIELDS, PAIR_FIELDS
from gwcore.model import EVENT_TYPES, FundsUpdate, ReferenceData, Trade
from gwcore.testing.events import book_snapshot, top, trade

#: Text that is no number. A new field of the model goes here or into NUMBER_FIELDS.
TEXT_FIELDS = frozenset(
    {
        "account",
        "action",
        "aliases",
        "asset",
        "base",
        "base_class",
        "base_status",
        "cause",
        "channel",
        "component",
        "detail",
        "error",
        "execution_venue",
        "expected",
        "fee_volume_currency",
        "first_trade_id",
        "found",
        "last_trade_id",
        "market_trade_id",
        "name",
        "order_id",
        "order_ids",
        "order_type",
        "partition",
        "quote",
        "quote_class",
        "quote_status",
        "reason",
        "result",
        "request",
        "request_id",
        "session_id",
        "subject",
        "symbol",
        "text",
        "trade_id",
        "upcoming_maintenance",
        "user",
        "venue_client_id",
        "parent_venue_order_id",
        "strategy",
        "venue_order_id",
        "venue_status",
        "venue_symbol",
        "volume_currency",
        "version",
        "wallet",
    }
)


def text_fields() -> set[str]:
    found: set[str] = set()
    waiting: list[typing.Any] = list(EVENT_TYPES)
    seen = set()
    while waiting:
        struct = waiting.pop()
        if struct in seen:
            continue
        seen.add(struct)
        for field in msgspec.structs.fields(struct):
            parts = [field.type]
            while parts:
                part = parts.pop()
                if part is str:
                    found.add(field.name)
                elif isinstance(part, type) and issubclass(part, msgspec.Struct):
                    waiting.append(part)
                parts += typing.get_args(part)
    return found


def test_every_text_field_is_classed() -> None:
    assert text_fields() == NUMBER_FIELDS | TEXT_FIELDS | PAIR_FIELDS.keys()
    assert not NUMBER_FIELDS & TEXT_FIELDS


def test_numbers_are_decimal_and_the_rest_is_as_it_was() -> None:
    view = decimals(top())
    assert view.bid_price == Decimal("100.0")
    assert str(view.bid_price) == "100.0"
    assert view.symbol == "BTC/USD"
    assert view.venue_time_ns is None
    assert view.event == top()


def test_what_is_inside_is_a_view_too() -> None:
    assert decimals(book_snapshot()).bids[0].price == Decimal("100.0")
    [one] = decimals(trade()).trades
    assert isinstance(one.event, Trade)
    assert one.quantity == Decimal("0.50")


def test_pairs() -> None:
    reference = ReferenceData(
        symbol="A/B",
        base="A",
        quote="B",
        price_decimals=1,
        quantity_decimals=1,
        tick_size="0.1",
        lot_size="0.1",
        aliases=("AB",),
        taker_fees=(("0", "0.26"),),
    )
    assert decimals(reference).taker_fees == ((Decimal(0), Decimal("0.26")),)
    assert decimals(reference).aliases == ("AB",)


def test_small_numbers_stay_exact() -> None:
    assert decimals(FundsUpdate(account="a", asset="X", total="0.00000001")).total == Decimal("1E-8")
