"""Registers the venue `demo`. The entry point `gw.venues` names this module."""

from __future__ import annotations

from collections.abc import Iterable

from gw_venue_demo.settings import ENVIRONMENTS, Settings
from gw_venue_demo.streams import Streams
from gw_venue_demo.symbols import Symbols
from gwcore.hookspecs import hookimpl
from gwcore.venue import Support as S
from gwcore.venue import VenueSpec

CLAIMS = (S.REFERENCE_DATA, S.TOP_OF_BOOK, S.MARKET_BY_PRICE, S.BOOK_SEQUENCE, S.TRADE_SUMMARY, S.ACCOUNT)

SPEC = VenueSpec(
    name="demo",
    api_version=1,
    settings=Settings,
    environments=ENVIRONMENTS,
    symbols=Symbols,
    streams=Streams,
    orders=None,
    supports=frozenset(CLAIMS),
    summary="An example: numbered books with snapshots by REST, a text ping, login by challenge.",
)


@hookimpl
def gw_register_venues() -> Iterable[VenueSpec]:
    """The one venue of this plugin."""
    return [SPEC]
