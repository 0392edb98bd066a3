"""Market data: top of book, books by price and by order, trades, statistics, candles."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import Origin, Side, StaleReason, UpdateType


class PriceLevel(msgspec.Struct, frozen=True, gc=False):
    """One price of a book side. Quantity zero (`0.00000000`) removes the price."""

    price: str
    quantity: str


class MarketByPriceUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="market_by_price",
):
    """A change of one L2 book. Levels are in the venue's order and may touch a price twice: the last wins.

    After applying a message a receiver cuts each side to `depth` levels; nothing is sent for what falls out.
    SNAPSHOT carries `depth`, `price_decimals` and `quantity_decimals`; STALE carries a `reason` and no levels.
    `checksum` is the venue's, over the book after this message.
    """

    symbol: str
    update_type: UpdateType
    bids: tuple[PriceLevel, ...] = ()
    asks: tuple[PriceLevel, ...] = ()
    checksum: int | None = None
    depth: int | None = None
    price_decimals: int | None = None
    quantity_decimals: int | None = None
    reason: StaleReason | None = None
    detail: str | None = None
    origin: Origin = Origin.VENUE
    venue_sequence: int | None = None  # the last sequence number this message covers
    venue_sequence_first: int | None = None
    venue_sequence_previous: int | None = None
    venue_time_ns: int | None = None


class TopOfBook(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="top_of_book",
):
    """Best bid and ask; a missing side is None. STALE together with its book."""

    symbol: str
    update_type: UpdateType
    bid_price: str | None = None
    bid_quantity: str | None = None
    ask_price: str | None = None
    ask_quantity: str | None = None
    reason: StaleReason | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class BookOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One order of an L3 book, in queue order. Quantity zero removes it."""

    side: Side
    order_id: str
    price: str
    quantity: str
    venue_time_ns: int | None = None


class MarketByOrderUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="market_by_order",
):
    """A change of one L3 book; rules as for `MarketByPriceUpdate`, per order."""

    symbol: str
    update_type: UpdateType
    orders: tuple[BookOrder, ...] = ()
    checksum: int | None = None
    depth: int | None = None
    price_decimals: int | None = None
    quantity_decimals: int | None = None
    reason: StaleReason | None = None
    detail: str | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One public trade; `side` is the taker's."""

    price: str
    quantity: str
    side: Side
    trade_id: str | None = None
    order_type: str | None = None
    venue_time_ns: int | None = None


class TradeSummary(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="trade_summary",
):
    """Public trades of one symbol, oldest first. SNAPSHOT holds recent trades from before the subscription."""

    symbol: str
    update_type: UpdateType = UpdateType.INCREMENTAL
    trades: tuple[Trade, ...] = ()
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class StatisticsUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="statistics",
):
    """Rolling 24-hour figures of one symbol, as the venue's ticker gives them."""

    symbol: str
    update_type: UpdateType = UpdateType.SNAPSHOT
    last_price: str | None = None
    bid_price: str | None = None
    bid_quantity: str | None = None
    ask_price: str | None = None
    ask_quantity: str | None = None
    open_price: str | None = None
    high_price: str | None = None
    low_price: str | None = None
    volume: str | None = None
    vwap: str | None = None
    change: str | None = None
    change_percent: str | None = None
    number_of_trades: int | None = None
    reason: StaleReason | None = None
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None


class Bar(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One candle. `confirmed` is true once a later candle exists."""

    begin_time_ns: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    vwap: str | None = None
    number_of_trades: int | None = None
    confirmed: bool = False


class TimeSeriesUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="time_series",
):
    """Candles of one symbol and interval (seconds)."""

    symbol: str
    interval_s: int
    update_type: UpdateType = UpdateType.INCREMENTAL
    bars: tuple[Bar, ...] = ()
    origin: Origin = Origin.VENUE
    venue_time_ns: int | None = None
