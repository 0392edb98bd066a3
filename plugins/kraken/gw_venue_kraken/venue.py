"""Kraken spot's connections: limits, how books are kept, and a codec a connection (API sheet §1.1, §4.8, §5.1)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gw_venue_kraken.accounts.account import KrakenAccount
from gw_venue_kraken.envelope import public_request, result_of
from gw_venue_kraken.market.audit import unknown_fields
from gw_venue_kraken.market.checksum import CHECKSUM_LEVELS, level_text, text_checksum
from gw_venue_kraken.market.history import History
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.market.writer import instrument_frame, snapshot_frames
from gw_venue_kraken.names import trading_status
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings
from gwcore.book import BookRule, Continuity
from gwcore.errors import DecodeError, Unsupported
from gwcore.model import Bar, Channel, Instrument, MarketByPriceUpdate, MarketStatus, Trade
from gwcore.rest import HttpFlow
from gwcore.venue import Account, Frame, GroupLimits, RestLimits, ServerTime, Shard, VenueLimits

#: Book depths of the v2 book channel (§4.8). One symbol at two depths needs two connections (rule 10): a frame does not say
#: which depth it belongs to.
DEPTHS = (10, 25, 100, 500, 1000)
PUBLIC_GROUP = "public"
PUBLIC_CHANNELS = frozenset(
    {Channel.INSTRUMENT, Channel.STATUS, Channel.BOOK, Channel.TRADE, Channel.TICKER, Channel.OHLC}
)
#: An address that opens more than about this many in the window is banned for as long again (§1.1).
CONNECTS, CONNECTS_WINDOW_S = 150, 600.0


class _RestTime(msgspec.Struct, gc=False):
    """`{"unixtime":1762820224,"rfc1123":"Tue, 11 Nov 25 00:17:04 +0000"}`"""

    unixtime: int


class _RestStatus(msgspec.Struct, gc=False):
    status: str


_status_of = msgspec.json.Decoder(_RestStatus).decode
_time_of = msgspec.json.Decoder(_RestTime).decode


class KrakenStreams:
    """The Streams of the venue contract."""

    def __init__(self, settings: KrakenSettings) -> None:
        self._settings = settings
        self._limits = VenueLimits(
            groups={
                PUBLIC_GROUP: GroupLimits(
                    channels=PUBLIC_CHANNELS,
                    symbols_per_connection=settings.symbols_per_connection,
                    topics_per_request=settings.topics_per_request,
                    requests_per_s=settings.requests_per_s,
                    connects=CONNECTS,
                    connects_window_s=CONNECTS_WINDOW_S,
                    silence_s=settings.silence_s,
                    ping_s=5.0,  # its answer (§4.4) is what tells how old the data of quiet pairs may be
                    has_heartbeats=True,  # one a second, however quiet the markets are (§4.4)
                )
            },
            depths=DEPTHS,
            trade_ids_contiguous=True,  # per symbol (§4.10)
            rest=RestLimits(interval_s=settings.rest_interval_s, per_s=settings.rest_per_s),
        )
        self._history = History(settings)
        self._names = RestNames()  # of all accounts: what REST calls a pair does not depend on who asks

    @property
    def limits(self) -> VenueLimits:
        """One group of connections: the public host."""
        return self._limits

    def book_rule(self, instrument: Instrument, depth: int) -> BookRule:
        """Cut to depth, check the CRC of the best ten levels, no sequence numbers (§4.8, §5.1).

        Raises Unsupported for a depth the venue does not have.
        """
        if depth not in DEPTHS:
            raise Unsupported(f"Kraken has no books of depth {depth}: use one of {', '.join(map(str, DEPTHS))}")
        return BookRule(
            price_decimals=instrument.price_decimals,
            quantity_decimals=instrument.quantity_decimals,
            depth=depth,
            level_text=level_text,
            text_checksum=text_checksum,
            checksum_levels=CHECKSUM_LEVELS,
            continuity=Continuity.NONE,
        )

    def market_data(self, shard: Shard) -> KrakenMarketData:
        """A codec for one new connection to the public host."""
        return KrakenMarketData(self._settings, shard)

    def instrument_frame(self, instruments: Sequence[Instrument]) -> Frame:
        """An `instrument` snapshot of these pairs (FrameWriter)."""
        return instrument_frame(instruments)

    def snapshot_frames(self, book: MarketByPriceUpdate) -> Sequence[Frame]:
        """Ack and snapshot of a book (FrameWriter)."""
        return snapshot_frames(book)

    def unknown_fields(self, frame: Frame) -> Sequence[str]:
        """What in a frame is new (FieldAudit)."""
        return unknown_fields(frame)

    def server_time(self) -> HttpFlow[ServerTime]:
        """REST Time (§2.5): whole seconds (ServerClock)."""
        response = yield public_request(self._settings.rest_url, "Time")
        try:
            seconds = _time_of(result_of(response, "Time")).unixtime
        except msgspec.MsgspecError as error:
            raise DecodeError(f"Time: {error}") from None
        return ServerTime(seconds * 1_000_000_000, 1_000_000_000)

    def venue_status(self) -> HttpFlow[MarketStatus]:
        """REST SystemStatus (§2.5), which announces nothing (StatusByRest)."""
        response = yield public_request(self._settings.rest_url, "SystemStatus")
        try:
            word = _status_of(result_of(response, "SystemStatus")).status
        except msgspec.MsgspecError as error:
            raise DecodeError(f"SystemStatus: {error}") from None
        return MarketStatus(status=trading_status(word), venue_status=word)

    def trades_after(
        self, instrument: Instrument, trade_id: int, venue_time_ns: int, until_id: int
    ) -> HttpFlow[Sequence[Trade]]:
        """A page of REST Trades (§2.5)."""
        return self._history.trades_after(instrument, trade_id, venue_time_ns, until_id)

    def candles_since(self, instrument: Instrument, interval_s: int, begin_time_ns: int) -> HttpFlow[Sequence[Bar]]:
        """Closed candles of REST OHLC (§2.5)."""
        return self._history.candles_since(instrument, interval_s, begin_time_ns)

    def account(self, account: Account) -> KrakenAccount:
        """A codec for one new connection of an account to the private host."""
        return KrakenAccount(self._settings, account, self._names)
