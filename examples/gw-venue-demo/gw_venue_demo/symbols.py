"""What the venue trades: `GET /products`. The venue's `BTC-USD` is our `BTC/USD`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gw_venue_demo.rest import MALFORMED, body_of
from gw_venue_demo.settings import Settings
from gwcore.errors import DecodeError
from gwcore.model import Instrument, TradingStatus
from gwcore.numbers import decimal_text, decimals_of
from gwcore.rest import HttpFlow, HttpRequest

STATES = {"open": TradingStatus.ONLINE, "closed": TradingStatus.UNAVAILABLE}


class Product(msgspec.Struct):
    """`{"id":"BTC-USD","tick":"0.01","lot":"0.0001","state":"open"}`"""

    id: str
    tick: str
    lot: str
    state: str


class Products(msgspec.Struct):
    """The answer."""

    products: list[Product]


class Symbols:
    """The Symbols of the venue contract."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.rest_url

    def discover(self) -> HttpFlow[Sequence[Instrument]]:
        """All products. Raises VenueError."""
        response = yield HttpRequest(method="GET", url=f"{self._url}/products")
        try:
            return [instrument_of(product) for product in body_of(response, Products).products]
        except MALFORMED as error:
            raise DecodeError(f"products: {error}") from None


def instrument_of(product: Product) -> Instrument:
    """One product as an Instrument. Raises ValueError for numbers that are none."""
    base, _, quote = product.id.partition("-")
    tick, lot = decimal_text(product.tick), decimal_text(product.lot)
    return Instrument(
        symbol=f"{base}/{quote}",
        venue_symbol=product.id,
        base=base,
        quote=quote,
        price_decimals=decimals_of(tick),
        quantity_decimals=decimals_of(lot),
        tick_size=tick,
        lot_size=lot,
        status=STATES.get(product.state, TradingStatus.UNKNOWN),
        venue_status=product.state,
    )
