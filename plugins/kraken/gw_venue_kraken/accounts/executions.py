"""Rows of the `executions` channel as our orders and fills (API sheet §4.12). Pure functions.

A row is a delta: what it does not say is None here, and the engine keeps what it knew.
"""

from __future__ import annotations

from collections.abc import Sequence

from gw_venue_kraken.accounts.private_messages import ExecutionFrame, ExecutionRow
from gw_venue_kraken.orders.ids import optional_plain_id
from gw_venue_kraken.times import time_ns
from gwcore.model import (
    Fill,
    Liquidity,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PriceType,
    RateLimit,
    RateLimitsUpdate,
    Side,
    TimeInForce,
    TradeUpdate,
    TriggerReference,
    UpdateType,
)
from gwcore.numbers import decimal_text, optional_text
from gwcore.venue import AccountMessage, AccountSnapshot

#: Orders whose market is remembered, because a delta may leave it out.
SYMBOLS_MAX = 10_000
STATUSES = {
    "pending_new": OrderStatus.PENDING,
    "new": OrderStatus.WORKING,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
}
SIDES = {"buy": Side.BUY, "sell": Side.SELL}
LIQUIDITY = {"m": Liquidity.MAKER, "t": Liquidity.TAKER}
PRICE_TYPES = {"static": PriceType.STATIC, "pct": PriceType.PERCENT, "quote": PriceType.QUOTE}
TRIGGERS = {"last": TriggerReference.LAST, "index": TriggerReference.INDEX}
_TYPES = {each.value: each for each in OrderType}
_TIMES = {each.value: each for each in TimeInForce}


def order_type(word: str | None) -> OrderType | None:
    """`stop-loss-limit`, or REST's `stop loss limit`; None for one this version does not know."""
    return None if word is None else _TYPES.get(word.replace("-", "_").replace(" ", "_").upper())


def time_in_force(word: str | None) -> TimeInForce | None:
    """`GTC` on the stream, `gtc` in requests."""
    return None if word is None else _TIMES.get(word.upper())


def read_executions(
    account: str, frame: ExecutionFrame, rate_max: str | None, symbols: dict[str, str]
) -> Sequence[AccountMessage]:
    """All of a frame; `rate_max`: the limit of the order counter, as the venue said; `symbols`: by order, kept from frame to
    frame. Raises ValueError for numbers and times that are none."""
    for row in frame.data:
        _remember(row, symbols)
    if frame.type == "snapshot":
        # A trade of the snapshot is history: its row says FILLED, and nothing of where the order stands now.
        return [
            AccountSnapshot(
                orders=tuple(
                    _order(account, row, UpdateType.SNAPSHOT) for row in frame.data if row.exec_type != "trade"
                ),
                trades=tuple(_trade(account, row) for row in frame.data if row.exec_type == "trade"),
            )
        ]
    messages: list[AccountMessage] = []
    for row in frame.data:
        if row.exec_type == "trade":
            messages.append(_trade(account, row))
        messages.append(_order(account, row, UpdateType.INCREMENTAL))
        if row.ratecount is not None and rate_max is not None:
            # One counter a pair (§3.7): a count that can't be told whose it is says nothing.
            symbol = row.symbol or symbols.get(row.order_id)
            if symbol is not None:
                limit = RateLimit(name=f"orders.{symbol}", value=decimal_text(row.ratecount), limit=rate_max)
                messages.append(RateLimitsUpdate(account=account, limits=(limit,)))
    return messages


def _remember(row: ExecutionRow, symbols: dict[str, str]) -> None:
    if row.symbol is None or symbols.get(row.order_id) == row.symbol:
        return
    if len(symbols) >= SYMBOLS_MAX:
        del symbols[next(iter(symbols))]
    symbols[row.order_id] = row.symbol


def _order(account: str, row: ExecutionRow, update_type: UpdateType) -> OrderUpdate:
    at_ns = time_ns(row.timestamp)
    stop = row.triggers.price if row.triggers is not None else row.stop_price
    stop_type = None if row.triggers is None else PRICE_TYPES.get(row.triggers.price_type or "")
    reference = row.triggers.reference if row.triggers is not None else row.trigger
    return OrderUpdate(
        account=account,
        venue_order_id=row.order_id,
        symbol=row.symbol,
        side=SIDES.get(row.side or ""),
        order_type=order_type(row.order_type),
        order_status=_status(row),
        update_type=update_type,
        quantity=optional_text(row.order_qty),
        # Behind a trailing stop: whether the offset is meant or where it is now, nobody tells. REST does, and so do requests.
        price=price_text(row.limit_price) if row.limit_price_type in (None, "static") else None,
        stop_price=price_text(stop),
        traded_quantity=optional_text(row.cum_qty),
        average_price=price_text(row.avg_price),
        reason=row.reason or row.cancel_reason,
        venue_time_ns=at_ns,
        cost=optional_text(row.cum_cost),
        time_in_force=time_in_force(row.time_in_force),
        opened_ns=at_ns if row.exec_type == "pending_new" and update_type is UpdateType.INCREMENTAL else None,
        venue_client_id=optional_plain_id(row.cl_ord_id),
        display_quantity=optional_text(row.display_qty),
        cash_quantity=optional_text(row.cash_order_qty),
        price_type=PRICE_TYPES.get(row.limit_price_type or ""),
        stop_price_type=stop_type,
        trigger=TRIGGERS.get(reference or ""),
        post_only=row.post_only,
        reduce_only=row.reduce_only,
        margin=row.margin,
        effective_time_ns=_optional_ns(row.effective_time),
        expire_time_ns=_optional_ns(row.expire_time),
        parent_venue_order_id=row.ord_ref_id,
    )


def _status(row: ExecutionRow) -> OrderStatus:
    """A trade without totals is history, told again (§4.12): its `filled` says nothing of where the order stands."""
    if row.exec_type == "trade" and row.cum_qty is None:
        return OrderStatus.UNKNOWN
    return STATUSES.get(row.order_status, OrderStatus.UNKNOWN)


def _optional_ns(text: str | None) -> int | None:
    return None if text is None else time_ns(text)


def _trade(account: str, row: ExecutionRow) -> TradeUpdate:
    if row.exec_id is None:
        raise ValueError(f"a trade of order {row.order_id} without exec_id")
    at_ns = time_ns(row.timestamp)
    return TradeUpdate(
        account=account,
        venue_order_id=row.order_id,
        symbol=row.symbol,
        side=SIDES.get(row.side or ""),
        fills=(
            Fill(
                trade_id=row.exec_id,
                price=decimal_text(row.last_price),
                quantity=decimal_text(row.last_qty),
                cost=optional_text(row.cost),
                liquidity=LIQUIDITY.get(row.liquidity_ind or ""),
                fees=tuple((fee.asset, decimal_text(fee.qty)) for fee in row.fees),
                venue_time_ns=at_ns,
                market_trade_id=None if row.trade_id is None else str(row.trade_id),
            ),
        ),
        venue_time_ns=at_ns,
    )


def price_text(value: object) -> str | None:
    """A price, or None where the venue writes zero for none (`stop_price: 0.0`, `avg_price: 0.00000`)."""
    text = optional_text(value)
    return text if text is not None and text.strip("-0.") else None
