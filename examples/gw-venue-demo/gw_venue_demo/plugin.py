"""Registers the venue `demo`. The entry point `gw.venues` names this module."""

from __future__ import annotations

from collections.abc import Iterable

from gw_venue_demo.settings import ENVIRONMENTS, Settings
from gw_venue_demo.streams import Streams
from gw_venue_demo.symbols import Symbols
from gwcore.hookspecs import hookimpl
from gwcore.venue import Support, VenueSpec

SPEC = VenueSpec(
    name="demo",
    api_version=1,
    settings=Settings,
    environments=ENVIRONMENTS,
    symbols=Symbols,
    streams=Streams,
    orders=None,
    supports=frozenset(
        {
            Support.REFERENCE_DATA,
            Support.TOP_OF_BOOK,
            Support.MARKET_BY_PRICE,
            Support.BOOK_SEQUENCE,
            Support.TRADE_SUMMARY,
            Support.ACCOUNT,
        }
    ),
    summary="An example: numbered books with snapshots by REST, a text ping, login by challenge.",
)


@hookimpl
def gw_register_venues() -> Iterable[VenueSpec]:
    """The one venue of this plugin."""
    return [SPEC]
