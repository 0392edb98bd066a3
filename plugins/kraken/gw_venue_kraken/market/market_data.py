"""One market-data connection to Kraken's v2 public host: frames in, gwcore messages out (API sheet §4). Pure translation.

A book update takes one synchronous pass; other channels are found by their name at the frame's start, and whatever does not
start as expected (keys in another order, blanks) takes a slower way to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from gw_venue_kraken.market.feeds import UPDATE_TYPES, Candles, read_status, read_tickers, read_trades, unknown_type
from gw_venue_kraken.market.instruments import Catalogue
from gw_venue_kraken.market.messages import BookRow, Level, book_of, head_of
from gw_venue_kraken.market.probe import probe
from gw_venue_kraken.market.requests import DEFAULT_DEPTH, Requests
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.times import TimeReader
from gwcore.errors import DecodeError, Unsupported
from gwcore.model import Channel, MarketByPriceUpdate, PriceLevel, UpdateType
from gwcore.numbers import decimal_text
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.venue import Frame, MarketDataMessage, Request, Shard, Throttled, Topic, Unknown

_BOOK = b'{"channel":"book"'
_CHANNEL = b'{"channel":"'
_HEARTBEAT = b'{"channel":"heartbeat"}'
#: All that decoding a frame can raise: its own errors, ValueError (UTF-8, numbers, times), too deep or too large values.
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_WHAT_LENGTH_MAX = 80
_INCREMENTAL = UpdateType.INCREMENTAL
#: Quotes in an update with a timestamp and nothing but what the sheet names: eight keys, four texts; and two keys a level.
_QUOTES = 24
_QUOTES_A_LEVEL = 4


class KrakenMarketData:
    """The MarketDataCodec (and Pinger, and Prober) of one connection."""

    def __init__(self, settings: KrakenSettings, shard: Shard) -> None:
        self._settings = settings
        self._pace = f"Ticker {shard.index}"  # one shard's probes never wait for another's
        self._times = TimeReader()
        # Channels are the same for all symbols of a connection, those listed later included.
        has_books = not shard.topics or any(topic.channel is Channel.BOOK for topic in shard.topics)
        self._requests = Requests(settings, has_books=has_books)
        self._catalogue = Catalogue(shard.instruments)
        self._candles = Candles(self._times)
        self._depths: dict[str, int] = {}  # symbol -> depth it is subscribed at
        # None of them is a method of this object: it would hold itself, and with it every instrument, in memory after its
        # connection until the garbage collector comes, which is seldom called.
        self._readers: dict[bytes, Callable[[Frame], Sequence[MarketDataMessage]]] = {
            b"trade": partial(read_trades, times=self._times),
            b"ticker": partial(read_tickers, times=self._times, with_tops=not has_books),
            b"ohlc": self._candles.read,
            b"instrument": self._catalogue.read,
            b"status": read_status,
            b"heartbeat": _nothing,
        }

    def endpoint(self) -> HttpFlow[Endpoint]:
        """The public host. Heartbeats come once a second and pings are answered by frame, so no protocol ping is needed."""
        yield from ()
        return Endpoint(
            url=self._settings.ws_public_url,
            frame_bytes_max=self._settings.frame_bytes_max,
            protocol_ping_s=None,
        )

    def open(self) -> Sequence[Frame]:
        """Nothing: the venue speaks first (`status`)."""
        return ()

    def subscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """Subscribe frames (§4.1). Topics of the status channel need none: it comes by itself.

        Raises Unsupported for a symbol at two book depths: their frames could not be told apart (§4.8 rule 10).
        """
        wanted = dict(self._depths)
        for topic in topics:
            if topic.channel is Channel.BOOK and topic.symbol is not None:
                depth = topic.parameter or DEFAULT_DEPTH
                if wanted.setdefault(topic.symbol, depth) != depth:
                    raise Unsupported(
                        f"{topic.symbol} at book depths {wanted[topic.symbol]} and {depth} on one connection: use two"
                    )
        self._depths = wanted
        return self._requests.make("subscribe", topics)

    def unsubscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """Unsubscribe frames; each repeats what identifies the subscription (§4.2)."""
        for topic in topics:
            if topic.symbol is None:
                continue
            if topic.channel is Channel.BOOK:
                self._depths.pop(topic.symbol, None)
            elif topic.channel is Channel.OHLC:
                self._candles.forget(topic.symbol, topic.parameter)
        return self._requests.make("unsubscribe", topics)

    def ping(self, request_id: int) -> Frame:
        """The application ping (§4.4); it takes no field but the id."""
        return b'{"method":"ping","req_id":%d}' % request_id

    def probe(self, topics: Sequence[Topic]) -> HttpFlow[Sequence[MarketDataMessage]]:
        """REST Ticker of all these markets, in one request."""
        return probe(self._settings.rest_url, topics, self._catalogue.instruments, pace=self._pace)

    def decode(self, frame: Frame, received_ns: int) -> Sequence[MarketDataMessage]:
        """All messages of one frame, in order. Raises DecodeError and nothing else, and then nothing of it was used."""
        try:
            if frame.startswith(_BOOK):
                return self._read_book(frame)
            if frame.startswith(_CHANNEL):
                if frame == _HEARTBEAT:
                    return ()
                reader = self._readers.get(frame[12 : frame.find(b'"', 12)])
                if reader is not None:
                    return reader(frame)
            return self._read_any(frame)
        except _MALFORMED as error:
            raise DecodeError(f"frame of {len(frame)} bytes can't be read: {error!s:.200}") from None

    def _read_any(self, frame: Frame) -> Sequence[MarketDataMessage]:
        """Any frame, whatever the order of its keys."""
        if not frame.lstrip().startswith(b"{"):
            msgspec.json.decode(frame)  # well formed, or DecodeError: the older API's frames are arrays
            return (Unknown(f"frame {frame[:_WHAT_LENGTH_MAX]!r}"),)
        head = head_of(frame)
        if head.method is not None:  # first: one form of error has a channel as well
            return self._requests.read(frame)
        if head.channel == "book":
            return self._read_book(frame)
        if head.channel is not None:
            reader = self._readers.get(head.channel.encode())
            if reader is not None:
                return reader(frame)
            return (Unknown(f"channel {head.channel[:_WHAT_LENGTH_MAX]!r}"),)
        if head.error_text is not None:
            if "rate" in head.error_text.lower():
                return (Throttled(head.error_text[:_WHAT_LENGTH_MAX]),)
            return (Unknown(f"error {head.error_text[:_WHAT_LENGTH_MAX]!r}"),)
        return (Unknown(f"frame {frame[:_WHAT_LENGTH_MAX]!r}"),)

    def _read_book(self, frame: Frame) -> Sequence[MarketDataMessage]:
        message = book_of(frame)
        rows = message.data
        if message.type != "update" or len(rows) != 1:
            return self._read_books(rows, message.type)
        row = rows[0]
        bids, asks, stamp = row.bids, row.asks, row.timestamp
        if stamp is None or frame.count(b'"') != _QUOTES + _QUOTES_A_LEVEL * (len(bids) + len(asks)):
            return self._read_books(rows, message.type)
        # As many quotes as keys and names need: no number was a JSON string, so each is digits, a point, an exponent at most.
        levels_of = _plain_levels
        try:
            return (
                MarketByPriceUpdate(
                    symbol=row.symbol,
                    update_type=_INCREMENTAL,
                    bids=levels_of(bids) if bids else (),
                    asks=levels_of(asks) if asks else (),
                    checksum=row.checksum,
                    venue_time_ns=self._times.read(stamp),
                ),
            )
        except TypeError:  # an integer among the numbers
            return self._read_books(rows, message.type)

    def _read_books(self, rows: list[BookRow], kind: str) -> Sequence[MarketDataMessage]:
        """Book frames of any kind, each number checked on its own."""
        update_type = UPDATE_TYPES.get(kind)
        if update_type is None:
            return [unknown_type("book", kind)]
        return [self._book(row, update_type) for row in rows]

    def _book(self, row: BookRow, update_type: UpdateType) -> MarketByPriceUpdate:
        is_snapshot = update_type is UpdateType.SNAPSHOT
        instrument = self._catalogue.instruments.get(row.symbol) if is_snapshot else None
        return MarketByPriceUpdate(
            symbol=row.symbol,
            update_type=update_type,
            bids=_levels(row.bids),
            asks=_levels(row.asks),
            checksum=row.checksum,
            depth=self._depths.get(row.symbol) if is_snapshot else None,
            price_decimals=instrument.price_decimals if instrument is not None else None,
            quantity_decimals=instrument.quantity_decimals if instrument is not None else None,
            venue_time_ns=self._times.read(row.timestamp) if row.timestamp is not None else None,
        )


def _plain_levels(rows: list[Level]) -> tuple[PriceLevel, ...]:
    """Levels whose numbers are known to be JSON numbers. Raises TypeError where one is an integer."""
    levels = []
    digits = ""
    for row in rows:
        price, quantity = row.price, row.qty
        digits += price + quantity  # type: ignore[operator]
        levels.append(PriceLevel(price, quantity))  # type: ignore[arg-type]
    return _levels(rows) if "e" in digits or "E" in digits else tuple(levels)


def _levels(rows: list[Level]) -> tuple[PriceLevel, ...]:
    return tuple([PriceLevel(decimal_text(row.price), decimal_text(row.qty)) for row in rows])


def _nothing(frame: Frame) -> Sequence[MarketDataMessage]:
    msgspec.json.decode(frame)  # a heartbeat with more in it than we know is one all the same; a broken one is not
    return ()
