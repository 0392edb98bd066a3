"""One public connection: feeds `book.BTC-USD` and `trade.BTC-USD`; a book's snapshot comes by REST."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gw_venue_demo.rest import MALFORMED, body_of
from gw_venue_demo.settings import Settings
from gwcore.errors import DecodeError
from gwcore.model import MarketByPriceUpdate, PriceLevel, Side, Trade, TradeSummary, UpdateType
from gwcore.numbers import decimal_text
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow, HttpRequest
from gwcore.venue import Acknowledged, Frame, MarketDataMessage, Refused, Reply, Request, Shard, Topic, Unknown

Levels = list[tuple[str, str]]


class Message(msgspec.Struct):
    """Any frame that is JSON. Which fields are there follows from `op`, or else from `feed`."""

    op: str = ""
    id: int = 0
    feed: str = ""
    why: str = ""
    product: str = ""
    first: int = 0
    last: int = 0
    bids: Levels = []
    asks: Levels = []
    trade: int = 0
    price: str = ""
    quantity: str = ""
    side: str = ""
    time_ms: int = 0


class Book(msgspec.Struct):
    """`GET /book`."""

    last: int
    bids: Levels
    asks: Levels
    first: int = 0


_message_of = msgspec.json.Decoder(Message).decode


class MarketData:
    """The MarketDataCodec of the venue contract, with SnapshotByRequest."""

    def __init__(self, settings: Settings, shard: Shard) -> None:
        self._settings = settings
        self._symbols = {each.venue_symbol or symbol: symbol for symbol, each in shard.instruments.items()}
        self._topics: dict[str, Topic] = {}
        self._last_id = 0

    def endpoint(self) -> HttpFlow[Endpoint]:
        """A fixed address."""
        yield from ()
        return Endpoint(url=self._settings.ws_public_url)

    def open(self) -> Sequence[Frame]:
        """Nothing."""
        return ()

    def subscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """One frame for ten feeds."""
        requests = []
        for start in range(0, len(topics), 10):
            part = tuple(topics[start : start + 10])
            feeds = {f"{topic.channel.value}.{(topic.symbol or '').replace('/', '-')}": topic for topic in part}
            self._topics |= feeds
            self._last_id += 1
            frame = msgspec.json.encode({"op": "sub", "id": self._last_id, "feeds": list(feeds)})
            requests.append(Request(frame, self._last_id, part))
        return requests

    def unsubscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """Never asked for (`can_unsubscribe`)."""
        return ()

    def snapshot(self, topic: Topic) -> HttpFlow[Sequence[MarketDataMessage]]:
        """The whole book by REST. Raises VenueError."""
        product = (topic.symbol or "").replace("/", "-")
        url = f"{self._settings.rest_url}/book?product={product}"
        book = body_of((yield HttpRequest(method="GET", url=url, pace="book")), Book)
        try:
            return (self._book(product, UpdateType.SNAPSHOT, book),)
        except MALFORMED as error:
            raise DecodeError(f"book of {product}: {error}") from None

    def decode(self, frame: Frame, received_ns: int) -> Sequence[MarketDataMessage]:
        """All messages of one frame. Raises DecodeError."""
        if frame == b"ping":
            return (Reply(b"pong"),)
        try:
            return (self._decoded(_message_of(frame)),)
        except MALFORMED as error:
            raise DecodeError(str(error)) from None

    def _decoded(self, message: Message) -> MarketDataMessage:
        if message.op == "ok" and message.feed in self._topics:
            return Acknowledged((self._topics[message.feed],), message.id)
        if message.op == "no" and message.feed in self._topics:
            return Refused(message.why, (self._topics[message.feed],), message.id)
        if message.product in self._symbols and message.feed == "book":
            return self._book(message.product, UpdateType.INCREMENTAL, message)
        if message.product in self._symbols and message.feed == "trade":
            return self._trade(message)
        return Unknown(f"op {message.op:.20}, feed {message.feed:.20}")

    def _book(self, product: str, kind: UpdateType, book: Book | Message) -> MarketByPriceUpdate:
        return MarketByPriceUpdate(
            symbol=self._symbols[product],
            update_type=kind,
            bids=tuple(PriceLevel(decimal_text(price), decimal_text(quantity)) for price, quantity in book.bids),
            asks=tuple(PriceLevel(decimal_text(price), decimal_text(quantity)) for price, quantity in book.asks),
            venue_sequence=book.last,
            venue_sequence_first=book.first,
        )

    def _trade(self, message: Message) -> TradeSummary:
        trade = Trade(
            price=decimal_text(message.price),
            quantity=decimal_text(message.quantity),
            side=Side(message.side.upper()),
            trade_id=str(message.trade),
            venue_time_ns=message.time_ms * 1_000_000,
        )
        return TradeSummary(symbol=self._symbols[message.product], trades=(trade,))
