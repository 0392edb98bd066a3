"""A toy venue over JSON: books with a checksum, trades, heartbeats. `bug` names the card that a planted bug should fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec

from gwcore import API_VERSION
from gwcore.book import BookRule
from gwcore.errors import DecodeError, Unsupported, VenueUnavailable
from gwcore.model import Channel, Instrument, MarketByPriceUpdate, PriceLevel, Side, Trade, TradeSummary, UpdateType
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow, HttpRequest
from gwcore.venue import (
    Acknowledged,
    GroupLimits,
    InstrumentUpdate,
    MarketDataMessage,
    Refused,
    Request,
    Shard,
    Support,
    Topic,
    Unknown,
    VenueLimits,
    VenueSpec,
)

CHANNELS = {"book": Channel.BOOK, "trade": Channel.TRADE}
DEPTH = 5
SUPPORTS = frozenset(
    {
        Support.REFERENCE_DATA,
        Support.TOP_OF_BOOK,
        Support.MARKET_BY_PRICE,
        Support.TRADE_SUMMARY,
        Support.BOOK_CHECKSUM,
    }
)


class ToySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[venue.toy]`."""

    url: str = "ws://toy.example/ws"  # of the WebSocket
    rest_url: str = "http://toy.example"  # of everything else


class BareSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Says too little."""

    url: str = "ws://toy.example/ws"  # of the WebSocket
    rest_url: str = "http://toy.example"


class LeakySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Would hold a secret."""

    url: str = "ws://toy.example/ws"  # of the WebSocket
    rest_url: str = "http://toy.example"  # of everything else
    api_key: str = ""  # of the account


class ToySymbols:
    def __init__(self, settings: Any, bug: str) -> None:
        self._settings = settings
        self._bug = bug

    def discover(self) -> HttpFlow[Sequence[Instrument]]:
        response = yield HttpRequest(method="GET", url=f"{self._settings.rest_url}/instruments")
        if response.status != 200:
            raise VenueUnavailable(f"status {response.status}")
        try:
            rows = msgspec.json.decode(response.body)
            if self._bug == "I30" and isinstance(rows, dict):
                return [self._instrument(row) for row in rows.get("instruments", [])]
            return [self._instrument(row) for row in rows["instruments"]]
        except (msgspec.MsgspecError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DecodeError(f"instruments: {error}") from None

    def _instrument(self, row: dict[str, Any]) -> Instrument:
        base, _, quote = row["name"].partition("-")
        return Instrument(
            symbol=f"{base}/{quote}",
            venue_symbol=row["name"],
            aliases=("ALL",) if self._bug == "I20" else (row["alias"],),
            base=base,
            quote=quote,
            price_decimals=2,
            quantity_decimals=3,
            tick_size="0.00" if self._bug == "I10" else "0.01",
            lot_size="0.001",
        )


class ToyStreams:
    def __init__(self, settings: Any, bug: str) -> None:
        self.settings = settings
        self.bug = bug
        self.tokens = 1  # good for one connection, where the bug says so
        self.trades = 0

    @property
    def limits(self) -> VenueLimits:
        silence_s = 1e6 if self.bug == "M60" else 10.0
        group = GroupLimits(
            channels=frozenset({Channel.BOOK, Channel.TRADE, Channel.INSTRUMENT}),
            symbols_per_connection=50,
            topics_per_request=20,
            silence_s=silence_s,
        )
        return VenueLimits(groups={"all": group}, depths=(DEPTH,))

    def book_rule(self, instrument: Instrument, depth: int) -> BookRule:
        return BookRule(
            price_decimals=instrument.price_decimals,
            quantity_decimals=instrument.quantity_decimals,
            depth=depth,
            level_text=level_text,
            checksum=checksum,
            checksum_levels=DEPTH,
        )

    def market_data(self, shard: Shard) -> ToyCodec:
        return ToyCodec(self, shard)

    def account(self, account: Any) -> Any:
        raise Unsupported("no accounts")


def level_text(price: int, quantity: int) -> bytes:
    return b"%d:%d;" % (price, quantity)


def checksum(bids: Sequence[bytes], asks: Sequence[bytes]) -> int:
    return crc32(b"".join(bids) + b"|" + b"".join(asks))


class ToyCodec:
    def __init__(self, streams: ToyStreams, shard: Shard) -> None:
        self._streams = streams
        self._bug = streams.bug
        self._last_id = 0
        self._trades = 0
        self._symbols = {each.venue_symbol: symbol for symbol, each in shard.instruments.items()}
        self._names = {symbol: each.venue_symbol for symbol, each in shard.instruments.items()}

    def endpoint(self) -> HttpFlow[Endpoint]:
        yield from ()
        if self._bug == "M50":
            self._streams.tokens -= 1
            if self._streams.tokens < 0:
                raise VenueUnavailable("the token was used")
        return Endpoint(url=self._streams.settings.url)

    def open(self) -> Sequence[bytes]:
        return ()

    def subscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        return self._ask("sub", topics)

    def unsubscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        return self._ask("unsub", topics)

    def _ask(self, verb: str, topics: Sequence[Topic]) -> list[Request]:
        size = len(topics) if self._bug == "M10" else 20
        requests = []
        for start in range(0, len(topics), size):
            part = tuple(topics[start : start + size])
            self._last_id += 1
            names = [f"{topic.channel.value}:{self._names.get(topic.symbol or '', '')}" for topic in part]
            frame = msgspec.json.encode({"op": verb, "id": self._last_id, "topics": names})
            requests.append(Request(frame, self._last_id, part))
        return requests

    def decode(self, frame: bytes, received_ns: int) -> Sequence[MarketDataMessage]:
        try:
            row = msgspec.json.decode(frame, type=dict[str, Any])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise DecodeError(str(error)) from None
        if self._bug == "D10":
            return self._messages(row)
        try:
            return self._messages(row)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DecodeError(f"{type(error).__name__}: {error}") from None

    def _messages(self, row: dict[str, Any]) -> Sequence[MarketDataMessage]:
        match row.get("t"):
            case "hb":
                return (Unknown("heartbeat"),) if self._bug == "M30" else ()
            case "ack" | "bye":
                return (Acknowledged((self._topic(row["topic"]),), int(row["id"]), row["t"] == "bye"),)
            case "nak":
                return () if self._bug == "M20" else (Refused(str(row["why"]), (self._topic(row["topic"]),)),)
            case "list":
                return (InstrumentUpdate(UpdateType.INCREMENTAL, ()),)
            case "snap" | "upd":
                return (self._book(row),)
            case "trade":
                return (self._trade(row),)
            case _:
                return () if self._bug == "M70" else (Unknown(str(row.get("t"))[:40]),)

    def _topic(self, text: str) -> Topic:
        channel, _, name = text.partition(":")
        if channel == "instrument":
            return Topic(Channel.INSTRUMENT)
        kind = CHANNELS[channel]
        return Topic(kind, self._symbols[name], DEPTH if kind is Channel.BOOK else 0)

    def _book(self, row: dict[str, Any]) -> MarketByPriceUpdate:
        is_snapshot = row["t"] == "snap"
        return MarketByPriceUpdate(
            symbol=self._symbols[row["s"]],
            update_type=UpdateType.SNAPSHOT if is_snapshot else UpdateType.INCREMENTAL,
            bids=tuple(PriceLevel(price + "", quantity + "") for price, quantity in row["b"]),
            asks=tuple(PriceLevel(price + "", quantity + "") for price, quantity in row["a"]),
            checksum=None if self._bug == "M40" and not is_snapshot else int(row["c"]),
        )

    def _trade(self, row: dict[str, Any]) -> TradeSummary:
        self._trades += 1
        self._streams.trades += 1
        number = self._streams.trades if self._bug == "D20" else self._trades
        trade = Trade(price=row["p"] + "", quantity=row["q"] + "", side=Side(row["side"]), trade_id=str(number))
        return TradeSummary(symbol=self._symbols[row["s"]], trades=(trade,))


def make_spec(bug: str = "", **changes: Any) -> VenueSpec:
    """The toy venue with one bug planted, named after the card that has to find it."""
    settings: type = {"P30": BareSettings, "P30 secret": LeakySettings}.get(bug, ToySettings)
    environments: Mapping[str, Mapping[str, Any]] = {"sim": {}}
    values: dict[str, Any] = {
        "name": "toy",
        "api_version": API_VERSION,
        "settings": settings,
        "environments": environments,
        "symbols": lambda chosen: ToySymbols(chosen, bug),
        "streams": lambda chosen: ToyStreams(chosen, bug),
        "orders": None,
        "supports": SUPPORTS | {Support.TIME_SERIES} if bug == "P50" else SUPPORTS,
        "summary": "a toy",
    }
    return VenueSpec(**{**values, **changes})
