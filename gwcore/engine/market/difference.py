"""The difference of two books of a symbol, as one INCREMENTAL: applied to the first and cut to depth it gives the second."""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.book import OrderBook
from gwcore.model import MarketByPriceUpdate, Origin, PriceLevel, TopOfBook, UpdateType
from gwcore.numbers import scaled, unscaled


def difference(before: OrderBook, after: OrderBook) -> MarketByPriceUpdate | None:
    """What leads from one to the other, both under the same rule; None where they are alike."""
    bids = _side(before.bids(), after.bids(), after)
    asks = _side(before.asks(), after.asks(), after)
    if not bids and not asks:
        return None
    return MarketByPriceUpdate(
        symbol=after.symbol,
        update_type=UpdateType.INCREMENTAL,
        bids=bids,
        asks=asks,
        checksum=after.checksum(),
        origin=Origin.GATEWAY,
        venue_sequence=after.venue_sequence,
        venue_time_ns=after.venue_time_ns,
    )


def _side(before: Sequence[PriceLevel], after: Sequence[PriceLevel], book: OrderBook) -> tuple[PriceLevel, ...]:
    decimals, zero = book.rule.price_decimals, unscaled(0, book.rule.quantity_decimals)
    old = {scaled(level.price, decimals): level for level in before}
    new = {scaled(level.price, decimals): level for level in after}
    gone = [PriceLevel(level.price, zero) for key, level in old.items() if key not in new]
    # Removals first: between the two nothing is cut that belongs to the second.
    return (*gone, *(level for key, level in new.items() if key not in old or old[key].quantity != level.quantity))


def top_of(book: OrderBook) -> TopOfBook:
    """The best prices of a book."""
    bid, ask = book.best_bid, book.best_ask
    return TopOfBook(
        symbol=book.symbol,
        update_type=UpdateType.SNAPSHOT,
        bid_price=bid.price if bid is not None else None,
        bid_quantity=bid.quantity if bid is not None else None,
        ask_price=ask.price if ask is not None else None,
        ask_quantity=ask.quantity if ask is not None else None,
        venue_time_ns=book.venue_time_ns,
    )
