"""CONTRACT of a venue: what it is (data) and what it does (pure functions).

A venue plugin contains no await, no socket, no clock read and no random: it translates. The engine owns pacing, timeouts,
retries, reconnects, sequences and state. A data venue is about seven functions: `discover`, `limits`, `book_rule`,
`market_data`, and the codec's `endpoint`, `open`, `subscribe`, `unsubscribe`, `decode`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol

from gwcore.book import BookRule
from gwcore.model import Bar, Channel, Instrument, MarketByPriceUpdate, MarketStatus, Trade
from gwcore.orders import (
    BatchOrders,
    CancelTimer,
    Cost,
    CounterRule,
    OrderAbilities,
    OrderFeature,
    OrderKey,
    OrderLimits,
    Orders,
    RequestKind,
)
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.trading import Account, AccountCodec, AccountLimits, Fees, Known, Rights, Signer
from gwcore.venue_messages import (
    AccountMessage,
    AccountSnapshot,
    Acknowledged,
    Fetch,
    Frame,
    InstrumentUpdate,
    MarketDataMessage,
    OrderAnswer,
    OrderRequest,
    Outbound,
    Pong,
    Refused,
    Renew,
    Reply,
    Request,
    Throttled,
    Topic,
    Unknown,
)

__all__ = [
    "Account",
    "AccountCodec",
    "AccountLimits",
    "AccountMessage",
    "AccountSnapshot",
    "Acknowledged",
    "BatchOrders",
    "CancelTimer",
    "CandleHistory",
    "Cost",
    "CounterRule",
    "Fees",
    "Fetch",
    "FieldAudit",
    "Frame",
    "FrameWriter",
    "GroupLimits",
    "InstrumentUpdate",
    "Known",
    "MarketDataCodec",
    "MarketDataMessage",
    "OrderAbilities",
    "OrderAnswer",
    "OrderFeature",
    "OrderKey",
    "OrderLimits",
    "OrderRequest",
    "Orders",
    "Outbound",
    "Pinger",
    "Pong",
    "Prober",
    "Refused",
    "Renew",
    "Reply",
    "Request",
    "RequestKind",
    "RestLimits",
    "Rights",
    "ServerClock",
    "ServerTime",
    "SessionRefresh",
    "Shard",
    "Signer",
    "SnapshotByRequest",
    "Streams",
    "Support",
    "Symbols",
    "Throttled",
    "Topic",
    "TradeHistory",
    "Unknown",
    "VenueLimits",
    "VenueSpec",
]


class Support(str, Enum):
    """What a venue can do. Claimed here, proven by the conformance cards."""

    REFERENCE_DATA = "REFERENCE_DATA"
    MARKET_STATUS = "MARKET_STATUS"
    TOP_OF_BOOK = "TOP_OF_BOOK"
    MARKET_BY_PRICE = "MARKET_BY_PRICE"
    MARKET_BY_ORDER = "MARKET_BY_ORDER"
    TRADE_SUMMARY = "TRADE_SUMMARY"
    TRADE_HISTORY = "TRADE_HISTORY"  # TradeHistory: gaps are filled
    STATISTICS = "STATISTICS"
    TIME_SERIES = "TIME_SERIES"
    CANDLE_HISTORY = "CANDLE_HISTORY"  # CandleHistory: candles that span an outage are fetched again
    BOOK_CHECKSUM = "BOOK_CHECKSUM"
    BOOK_SEQUENCE = "BOOK_SEQUENCE"
    ACCOUNT = "ACCOUNT"
    ORDERS = "ORDERS"
    FEES = "FEES"  # Fees: what the master account pays


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """Limits of one group of connections (one host, say). The engine keeps them in every case."""

    channels: frozenset[Channel]  # which channels this group serves
    symbols_per_connection: int
    topics_per_request: int = 100
    requests_per_s: float = 20.0  # client messages on one connection
    requests_max: int | None = None  # a budget a connection has for longer than a second ...
    requests_window_s: float = 3600.0  # ... in this rolling window
    requests_in_flight_max: int | None = None  # 1 where refusals carry no id: then the oldest request is the one meant
    connects: int = 150  # connection attempts ...
    connects_window_s: float = 600.0  # ... in this rolling window, for the whole process
    can_unsubscribe: bool = True  # False: a symbol is resubscribed only by a new connection
    ack_timeout_s: float = 10.0
    snapshot_timeout_s: float = 10.0
    silence_s: float = 15.0  # no frame at all for this long: the connection is dead
    ping_s: float | None = 30.0  # application ping (Pinger) after this long without a frame of ours
    has_heartbeats: bool = False  # the venue sends frames of its own accord, however quiet its markets are


@dataclass(frozen=True, slots=True, kw_only=True)
class RestLimits:
    """How the venue wants public REST requests spaced. The runtime keeps it for the whole process."""

    interval_s: float = 0.0  # from an answer to the next request with the same `HttpRequest.pace`
    per_s: float | None = None  # all paced requests together
    concurrent_max: int = 4  # paced requests under way
    waiting_max: int = 5_000  # paced requests that wait; one more is refused with VenueUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """What the venue allows, by group name. Each channel belongs to exactly one group."""

    groups: Mapping[str, GroupLimits]
    depths: tuple[int, ...] = ()  # book depths that may be asked for, ascending
    discover_s: float | None = None  # discover again this often, where the venue does not push its listings
    trade_ids_contiguous: bool = False  # trade ids are integers that rise by one per symbol: jumps are gaps
    rest: RestLimits = field(default_factory=RestLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One connection's share of the work."""

    index: int
    group: str
    topics: tuple[Topic, ...]
    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    signer: Signer | None = None  # for data that needs a key; the operator names the account


class Symbols(Protocol):
    """What is traded at the venue."""

    def discover(self) -> HttpFlow[Sequence[Instrument]]:
        """All instruments. Called at start, and again when the operator asks. Raises VenueError."""
        ...


class MarketDataCodec(Protocol):
    """One market-data connection. May remember; may not do I/O. A new one is made for every connection."""

    def endpoint(self) -> HttpFlow[Endpoint]:
        """Where to connect; may fetch a token first."""
        ...

    def open(self) -> Sequence[Frame]:
        """Frames to send right after connecting, before any subscription."""
        ...

    def subscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """Frames that subscribe `topics`, at most `topics_per_request` a frame."""
        ...

    def unsubscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """Frames that unsubscribe `topics`. Not called where `can_unsubscribe` is False."""
        ...

    def decode(self, frame: Frame, received_ns: int) -> Sequence[MarketDataMessage]:
        """All messages of one frame, in order, or DecodeError and nothing of it. An empty result is normal (heartbeat)."""
        ...


class Streams(Protocol):
    """The venue's connections."""

    @property
    def limits(self) -> VenueLimits:
        """What the venue allows."""
        ...

    def book_rule(self, instrument: Instrument, depth: int) -> BookRule:
        """How books of this instrument are kept and checked. Pure: equal arguments, equal rule (compared with `==`)."""
        ...

    def market_data(self, shard: Shard) -> MarketDataCodec:
        """A codec for one new connection. Topics without a symbol ride on exactly one shard."""
        ...

    def account(self, account: Account) -> AccountCodec:
        """A codec for one account's connection. Raises Unsupported where the venue has no accounts."""
        ...


# --- Optional abilities: small Protocols beside Streams and the codec, never new methods on them ----------------------


class TradeHistory(Protocol):
    """Streams that can tell public trades of the past (Support.TRADE_HISTORY)."""

    def trades_after(
        self, instrument: Instrument, trade_id: int, venue_time_ns: int, until_id: int
    ) -> HttpFlow[Sequence[Trade]]:
        """One page of trades with ids above `trade_id` (which traded at `venue_time_ns`) up to `until_id`, oldest first.

        The engine asks again after the last trade of a page. Empty: there are none, or none yet. Raises VenueError.
        """
        ...


class CandleHistory(Protocol):
    """Streams that can tell candles of the past (Support.CANDLE_HISTORY)."""

    def candles_since(self, instrument: Instrument, interval_s: int, begin_time_ns: int) -> HttpFlow[Sequence[Bar]]:
        """Closed candles that had trades and begin at `begin_time_ns` or later, oldest first. Raises VenueError."""
        ...


class Pinger(Protocol):
    """A codec that has an application-level ping."""

    def ping(self, request_id: int) -> Frame:
        """A frame the venue answers with Pong."""
        ...


class SnapshotByRequest(Protocol):
    """A codec whose book snapshots come by REST instead of with the subscription.

    The engine asks once the subscription was accepted, and keeps the changes that come meanwhile. A snapshot that is older
    than these is asked for again a few times. A gap in one book is healed by a new snapshot alone, so a venue that can't
    unsubscribe keeps its connection. Requests are spaced by `HttpRequest.pace` and `RestLimits`.
    """

    def snapshot(self, topic: Topic) -> HttpFlow[Sequence[MarketDataMessage]]:
        """The snapshot, as one SNAPSHOT message with its `venue_sequence`: the number of the last change it holds.

        Raises VenueError; then it is asked for again, with back-off.
        """
        ...


class Prober(Protocol):
    """A codec that can tell whether quiet pairs are quiet or dead."""

    def probe(self, topics: Sequence[Topic]) -> HttpFlow[Sequence[MarketDataMessage]]:
        """Ask the venue, by another way than the stream and in as few requests as can be, how these stand now.

        TopOfBook for books, StatisticsUpdate with `last_price` for trades and tickers; what it can't tell is left out. The
        messages are compared with what is held, never published. Raises VenueError.
        """
        ...


class FrameWriter(Protocol):
    """Streams that can write the venue's own frames: what a capture opens with, so that it replays by itself."""

    def instrument_frame(self, instruments: Sequence[Instrument]) -> Frame:
        """A frame that tells these instruments, as a snapshot."""
        ...

    def snapshot_frames(self, book: MarketByPriceUpdate) -> Sequence[Frame]:
        """Frames that give this book (a SNAPSHOT) to one who has just subscribed it, the answer to that included."""
        ...


class FieldAudit(Protocol):
    """Streams that can tell what in a frame is new: fields that the venue did not have when the plugin was written."""

    def unknown_fields(self, frame: Frame) -> Sequence[str]:
        """Paths like `book.data[].levels`, each once; empty: nothing new. A frame it can't read has none."""
        ...


class ServerTime(NamedTuple):
    """What the venue's clock showed: a time in [time_ns, time_ns + resolution_ns)."""

    time_ns: int
    resolution_ns: int


class ServerClock(Protocol):
    """Streams that can ask the venue what time it is."""

    def server_time(self) -> HttpFlow[ServerTime]:
        """One short request. Raises VenueError."""
        ...


class StatusByRest(Protocol):
    """Streams that can ask how the venue as a whole stands: for accounts whose own stream is down."""

    def venue_status(self) -> HttpFlow[MarketStatus]:
        """One short request; a status without symbol. Raises VenueError."""
        ...


class SessionRefresh(Protocol):
    """A codec whose connection needs something renewed while it lasts (listen key, token)."""

    refresh_s: float

    def refresh(self) -> HttpFlow[Sequence[Frame]]:
        """Called each `refresh_s`; returns frames to send."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSpec:
    """One venue, as a plugin registers it.

    `settings` is a msgspec Struct type (frozen, forbid_unknown_fields) with a default for each field; its docstring and
    field names become documentation. `environments` maps a name (`prod`, `beta`, `sim`) to values for those fields.
    """

    name: str
    api_version: int
    settings: type
    environments: Mapping[str, Mapping[str, Any]]
    symbols: Callable[[Any], Symbols]
    streams: Callable[[Any], Streams]
    orders: Callable[[Any, Account, AccountCodec | None], Orders] | None  # codec None: not connected, REST only
    supports: frozenset[Support]
    summary: str
    account_options: type | None = None  # of `[account.NAME.options]`: a Struct like `settings`; None: there are none
