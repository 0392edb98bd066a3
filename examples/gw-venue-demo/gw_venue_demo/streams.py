"""The venue's connections: limits, how its books are kept, a codec for each connection."""

from __future__ import annotations

from gw_venue_demo.account import PrivateStream
from gw_venue_demo.market_data import MarketData
from gw_venue_demo.settings import Settings
from gwcore.book import BookRule, Continuity
from gwcore.model import Channel, Instrument
from gwcore.venue import Account, GroupLimits, RestLimits, Shard, VenueLimits

LIMITS = VenueLimits(
    groups={
        "public": GroupLimits(
            channels=frozenset({Channel.BOOK, Channel.TRADE}),
            symbols_per_connection=50,
            topics_per_request=10,
            can_unsubscribe=False,
            ping_s=None,  # it is the venue that pings
            has_heartbeats=True,  # its pings
        )
    },
    discover_s=60.0,  # new listings are not told on the stream
    trade_ids_contiguous=False,
    rest=RestLimits(interval_s=0.05),
)


class Streams:
    """The Streams of the venue contract."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def limits(self) -> VenueLimits:
        """One group of connections."""
        return LIMITS

    def book_rule(self, instrument: Instrument, depth: int) -> BookRule:
        """Whole books, whose changes each tell which numbers they cover."""
        return BookRule(
            price_decimals=instrument.price_decimals,
            quantity_decimals=instrument.quantity_decimals,
            depth=None,
            continuity=Continuity.RANGE,
        )

    def market_data(self, shard: Shard) -> MarketData:
        """A codec for a new public connection."""
        return MarketData(self._settings, shard)

    def account(self, account: Account) -> PrivateStream:
        """A codec for a new private connection."""
        return PrivateStream(self._settings, account)
