"""Rows of `executions` about orders: every kind of report, every field we keep. Made by hand from the API sheet (§4.12)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from gw_venue_kraken.accounts import executions
from gw_venue_kraken.accounts.account import KrakenAccount
from gw_venue_kraken.orders.ids import client_id

from gwcore.model import (
    OrderStatus,
    OrderType,
    OrderUpdate,
    PriceType,
    RateLimit,
    RateLimitsUpdate,
    TimeInForce,
    TriggerReference,
)

AT = "2026-09-22T10:33:05.709950Z"
Make = Callable[..., tuple[Any, KrakenAccount]]


def frame(*rows: dict[str, Any], sequence: int | None = None) -> bytes:
    whole = {"channel": "executions", "type": "update", "data": rows}
    return json.dumps(whole if sequence is None else {**whole, "sequence": sequence}).encode()


def row(**fields: Any) -> dict[str, Any]:
    return {"order_id": "O1", "timestamp": AT, "order_status": "new", "exec_type": "status"} | fields


def update(codec: KrakenAccount, **fields: Any) -> OrderUpdate:
    [found] = codec.decode(frame(row(**fields)), 0)
    assert isinstance(found, OrderUpdate)
    return found


@pytest.mark.parametrize(
    ("kind", "word", "status"),
    [
        ("pending_new", "pending_new", OrderStatus.PENDING),
        ("new", "new", OrderStatus.WORKING),
        ("filled", "filled", OrderStatus.FILLED),
        ("iceberg_refill", "partially_filled", OrderStatus.PARTIALLY_FILLED),
        ("canceled", "canceled", OrderStatus.CANCELED),
        ("expired", "expired", OrderStatus.EXPIRED),
        ("amended", "new", OrderStatus.WORKING),
        ("restated", "partially_filled", OrderStatus.PARTIALLY_FILLED),
        ("status", "new", OrderStatus.WORKING),
        ("surprise", "surprise", OrderStatus.UNKNOWN),
    ],
)
def test_every_report_says_where_the_order_stands(orders_of: Make, kind: str, word: str, status: OrderStatus) -> None:
    found = update(orders_of()[1], exec_type=kind, order_status=word, reason="User requested")
    assert (found.order_status, found.reason) == (status, "User requested")
    assert (found.opened_ns is not None) == (kind == "pending_new")


def test_a_trade_told_again_without_totals_says_nothing_of_its_order(orders_of: Make) -> None:
    trade = {
        "exec_type": "trade",
        "order_status": "filled",
        "exec_id": "T1",
        "last_qty": 1,
        "last_price": 1,
        "trade_id": 1,
    }
    for totals, status in (({}, OrderStatus.UNKNOWN), ({"cum_qty": 1}, OrderStatus.FILLED)):
        _, told = orders_of()[1].decode(frame(row(**trade, **totals)), 0)
        assert told.order_status is status


def test_an_order_of_ours_is_known_by_its_client_id(orders_of: Make) -> None:
    ours = client_id(7)
    dashed = f"{ours[:8]}-{ours[8:12]}-{ours[12:16]}-{ours[16:20]}-{ours[20:]}"
    assert update(orders_of()[1], cl_ord_id=dashed).venue_client_id == ours
    assert update(orders_of()[1], cl_ord_id="mine too").venue_client_id == "mine too"


def test_all_that_a_row_tells_of_an_order(orders_of: Make) -> None:
    found = update(
        orders_of()[1],
        symbol="BTC/USD",
        side="sell",
        order_type="trailing-stop-limit",
        order_qty=1.5,
        display_qty=0.1,
        limit_price=12.5,
        limit_price_type="quote",
        triggers={"price": 1.5, "price_type": "pct", "reference": "index", "status": "untriggered"},
        time_in_force="GTD",
        effective_time="2026-09-22T11:00:00Z",
        expire_time="2026-09-23T11:00:00Z",
        post_only=True,
        reduce_only=True,
        margin=True,
        ord_ref_id="OPAREN-TPARE-NTPARE",
    )
    assert (found.order_type, found.time_in_force) == (OrderType.TRAILING_STOP_LIMIT, TimeInForce.GTD)
    assert (found.quantity, found.display_quantity) == ("1.5", "0.1")
    assert (found.price, found.price_type) == (None, PriceType.QUOTE)  # offset, or where it is now: not told
    assert (found.stop_price, found.stop_price_type, found.trigger) == (
        "1.5",
        PriceType.PERCENT,
        TriggerReference.INDEX,
    )
    assert (found.post_only, found.reduce_only, found.margin) == (True, True, True)
    assert found.effective_time_ns is not None
    assert found.expire_time_ns == found.effective_time_ns + 86_400_000_000_000
    assert found.parent_venue_order_id == "OPAREN-TPARE-NTPARE"
    assert update(orders_of()[1], cash_order_qty=100.5).cash_quantity == "100.5"
    fixed = update(orders_of()[1], limit_price=100.5, limit_price_type="static")
    assert (fixed.price, fixed.price_type) == ("100.5", PriceType.STATIC)


def test_a_delta_leaves_out_what_it_does_not_say(orders_of: Make) -> None:
    found = update(orders_of()[1])
    told = {"account", "venue_order_id", "order_status", "update_type", "origin", "external", "venue_time_ns"}
    assert {name for name in found.__struct_fields__ if getattr(found, name) is not None} == told


def test_a_count_goes_to_the_counter_of_its_order_s_market(orders_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    _, codec = orders_of()
    result = {"channel": "executions", "maxratecount": 125, "snap_orders": True}
    _, limits = codec.decode(
        json.dumps({"method": "subscribe", "req_id": 1, "success": True, "result": result}).encode(), 0
    )
    assert limits == RateLimitsUpdate(account="main", limits=(RateLimit(name="orders", limit="125"),))
    codec.decode(frame(row(symbol="BTC/USD")), 0)
    _, count = codec.decode(frame(row(ratecount="17.25")), 0)
    assert isinstance(count, RateLimitsUpdate)
    assert count.limits == (RateLimit(name="orders.BTC/USD", value="17.25", limit="125"),)
    assert len(codec.decode(frame(row(order_id="O2", ratecount=1)), 0)) == 1  # of which market is not known
    monkeypatch.setattr(executions, "SYMBOLS_MAX", 1)
    codec.decode(frame(row(order_id="O3", symbol="ETH/USD")), 0)
    assert len(codec.decode(frame(row(ratecount=1)), 0)) == 1  # the oldest was forgotten
