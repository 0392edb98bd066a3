"""Small events for tests, from short arguments. Levels are written `"100.0x1.5"`: price x quantity."""

from __future__ import annotations

from collections.abc import Iterable

from gwcore.model import (
    MarketByPriceUpdate,
    PriceLevel,
    ReferenceData,
    Side,
    StaleReason,
    TopOfBook,
    Trade,
    TradeSummary,
    UpdateType,
)


def levels(texts: Iterable[str]) -> tuple[PriceLevel, ...]:
    """`"100.0x1.5"` as levels."""
    return tuple(PriceLevel(*text.split("x")) for text in texts)


def book_snapshot(
    symbol: str = "BTC/USD",
    bids: Iterable[str] = ("100.0x1.00", "99.5x2.00"),
    asks: Iterable[str] = ("100.5x1.00", "101.0x3.00"),
    *,
    depth: int = 10,
) -> MarketByPriceUpdate:
    """A book with one decimal in prices and two in quantities."""
    return MarketByPriceUpdate(
        symbol=symbol,
        update_type=UpdateType.SNAPSHOT,
        bids=levels(bids),
        asks=levels(asks),
        depth=depth,
        price_decimals=1,
        quantity_decimals=2,
    )


def book_change(symbol: str = "BTC/USD", bids: Iterable[str] = (), asks: Iterable[str] = ()) -> MarketByPriceUpdate:
    """A change of that book."""
    return MarketByPriceUpdate(symbol=symbol, update_type=UpdateType.INCREMENTAL, bids=levels(bids), asks=levels(asks))


def book_stale(symbol: str = "BTC/USD", reason: StaleReason = StaleReason.CHECKSUM) -> MarketByPriceUpdate:
    """The end of trust in that book."""
    return MarketByPriceUpdate(symbol=symbol, update_type=UpdateType.STALE, reason=reason)


def trade(symbol: str = "BTC/USD", price: str = "100.2", quantity: str = "0.50", trade_id: str = "1") -> TradeSummary:
    """One trade."""
    return TradeSummary(
        symbol=symbol, trades=(Trade(price=price, quantity=quantity, side=Side.BUY, trade_id=trade_id),)
    )


def top(symbol: str = "BTC/USD", bid: str = "100.0", ask: str = "100.5") -> TopOfBook:
    """Best prices."""
    return TopOfBook(
        symbol=symbol,
        update_type=UpdateType.SNAPSHOT,
        bid_price=bid,
        bid_quantity="1.00",
        ask_price=ask,
        ask_quantity="1.00",
    )


def reference(symbol: str = "BTC/USD") -> ReferenceData:
    """One instrument."""
    base, _, quote = symbol.partition("/")
    return ReferenceData(
        symbol=symbol, base=base, quote=quote, price_decimals=1, quantity_decimals=2, tick_size="0.1", lot_size="0.01"
    )
