"""Registers the venue `kraken`. The entry point `gw.venues` names this module."""

from __future__ import annotations

from collections.abc import Iterable

from gw_venue_kraken.accounts.account import KrakenAccountOptions
from gw_venue_kraken.market.symbols import KrakenSymbols
from gw_venue_kraken.orders.orders import make_orders
from gw_venue_kraken.settings import ENVIRONMENTS, KrakenSettings
from gw_venue_kraken.venue import KrakenStreams
from gwcore.hookspecs import hookimpl
from gwcore.venue import Support, VenueSpec

SPEC = VenueSpec(
    name="kraken",
    # The version this was written for, on purpose not gwcore's current one: a newer core must be able to refuse it.
    api_version=1,
    settings=KrakenSettings,
    environments=ENVIRONMENTS,
    symbols=KrakenSymbols,
    streams=KrakenStreams,
    orders=make_orders,
    supports=frozenset(
        {
            Support.REFERENCE_DATA,
            Support.MARKET_STATUS,
            Support.TOP_OF_BOOK,
            Support.MARKET_BY_PRICE,
            Support.TRADE_SUMMARY,
            Support.TRADE_HISTORY,
            Support.STATISTICS,
            Support.TIME_SERIES,
            Support.CANDLE_HISTORY,
            Support.BOOK_CHECKSUM,
            Support.ACCOUNT,
            Support.ORDERS,
            Support.FEES,
        }
    ),
    summary="Kraken spot over WebSocket v2: instruments, status, checked L2 books, trades, tickers, candles, orders.",
    account_options=KrakenAccountOptions,
)


@hookimpl
def gw_register_venues() -> Iterable[VenueSpec]:
    """The one venue of this plugin."""
    return [SPEC]
