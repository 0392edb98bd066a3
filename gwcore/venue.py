"""CONTRACT of a venue: what it is (data) and what it does (pure functions).

A venue plugin contains no await, no socket, no clock read and no random: it translates. The engine owns pacing, timeouts,
retries, reconnects, sequences and state. A data venue is about seven functions: `discover`, `limits`, `book_rule`,
`market_data`, and the codec's `endpoint`, `open`, `subscribe`, `unsubscribe`, `decode`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Protocol, TypeAlias

from gwcore.book import BookRule
from gwcore.model import (
    CancelAllOrders,
    CancelOrder,
    Channel,
    CreateOrder,
    FundsUpdate,
    Instrument,
    MarketByOrderUpdate,
    MarketByPriceUpdate,
    MarketStatus,
    ModifyOrder,
    OrderAck,
    OrderUpdate,
    PositionUpdate,
    RateLimitsUpdate,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    TradeSummary,
    TradeUpdate,
    UpdateType,
)
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse

#: One WebSocket message, as bytes (UTF-8 for text frames).
Frame: TypeAlias = bytes


class Support(str, Enum):
    """What a venue can do. Claimed here, proven by the conformance cards."""

    REFERENCE_DATA = "REFERENCE_DATA"
    MARKET_STATUS = "MARKET_STATUS"
    TOP_OF_BOOK = "TOP_OF_BOOK"
    MARKET_BY_PRICE = "MARKET_BY_PRICE"
    MARKET_BY_ORDER = "MARKET_BY_ORDER"
    TRADE_SUMMARY = "TRADE_SUMMARY"
    STATISTICS = "STATISTICS"
    TIME_SERIES = "TIME_SERIES"
    BOOK_CHECKSUM = "BOOK_CHECKSUM"
    BOOK_SEQUENCE = "BOOK_SEQUENCE"
    ACCOUNT = "ACCOUNT"
    ORDERS = "ORDERS"


class Topic(NamedTuple):
    """One subscription. `parameter` is what else identifies it: the depth of a book, the seconds of a candle."""

    channel: Channel
    symbol: str | None = None
    parameter: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """Limits of one group of connections (one host, say). The engine keeps them in every case."""

    channels: frozenset[Channel]  # which channels this group serves
    symbols_per_connection: int
    topics_per_request: int = 100
    requests_per_s: float = 20.0  # client messages on one connection
    connects: int = 150  # connection attempts ...
    connects_window_s: float = 600.0  # ... in this rolling window, for the whole process
    can_unsubscribe: bool = True  # False: a symbol is resubscribed only by a new connection
    ack_timeout_s: float = 10.0
    snapshot_timeout_s: float = 10.0
    silence_s: float = 15.0  # no frame at all for this long: the connection is dead
    ping_s: float | None = 30.0  # application ping (Pinger) after this long without a frame of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """What the venue allows, by group name. Each channel belongs to exactly one group."""

    groups: Mapping[str, GroupLimits]
    depths: tuple[int, ...] = ()  # book depths that may be asked for, ascending
    trade_ids_contiguous: bool = False  # trade ids are integers that rise by one per symbol: jumps are gaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One connection's share of the work."""

    index: int
    group: str
    topics: tuple[Topic, ...]
    instruments: Mapping[str, Instrument] = field(default_factory=dict)


class Request(NamedTuple):
    """A frame that asks for something. The engine paces it, times it and matches the answers to `topics`."""

    frame: Frame
    request_id: int
    topics: tuple[Topic, ...]


# --- Messages a codec returns beside the model's events ---------------------------------------------------------------


class Acknowledged(NamedTuple):
    """The venue accepted a subscribe (or unsubscribe) of these topics."""

    topics: tuple[Topic, ...]
    request_id: int | None = None
    unsubscribed: bool = False


class Refused(NamedTuple):
    """The venue refused. Without topics the whole request `request_id` (or, without that, the oldest) is meant.

    `retryable`: trying again later makes sense (a rate limit). `duplicate`: it says that we already have what we asked for;
    `missing`: that we asked it to end what it does not have. Both are counted and change nothing.
    """

    text: str
    topics: tuple[Topic, ...] = ()
    request_id: int | None = None
    unsubscribed: bool = False
    retryable: bool = False
    duplicate: bool = False
    missing: bool = False


class Pong(NamedTuple):
    """The answer to a ping of ours."""

    request_id: int | None = None


class Throttled(NamedTuple):
    """The venue says that we send too much. The engine halves its pace on this connection for a while."""

    text: str


class Unknown(NamedTuple):
    """A well-formed frame this version does not know: counted, harmless. `what` is bounded text for the log."""

    what: str


class Reply(NamedTuple):
    """A frame the venue expects from us now (a text ping to answer)."""

    frame: Frame


class Fetch(NamedTuple):
    """Something that needs REST (a snapshot, say): its messages are handled as if they had been in a frame."""

    flow: HttpFlow[Sequence[MarketDataMessage]]


class InstrumentUpdate(NamedTuple):
    """What is traded, as the venue says now. SNAPSHOT: all of it, what is missing is delisted."""

    update_type: UpdateType
    instruments: tuple[Instrument, ...]


MarketDataMessage: TypeAlias = (
    MarketByPriceUpdate
    | MarketByOrderUpdate
    | TopOfBook
    | TradeSummary
    | StatisticsUpdate
    | TimeSeriesUpdate
    | MarketStatus
    | Acknowledged
    | Refused
    | Pong
    | Throttled
    | Unknown
    | Reply
    | Fetch
    | InstrumentUpdate
)

AccountMessage: TypeAlias = (
    OrderAck
    | OrderUpdate
    | TradeUpdate
    | FundsUpdate
    | PositionUpdate
    | RateLimitsUpdate
    | Acknowledged
    | Refused
    | Pong
    | Throttled
    | Unknown
    | Reply
)

#: How a request leaves: by REST or as a frame on the account's connection.
Outbound: TypeAlias = HttpRequest | Frame


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


class Signer(Protocol):
    """Signs for one key. Plugins never see the secret itself."""

    @property
    def key(self) -> str:
        """The public part."""
        ...

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """A signature over `message`; `algorithm` is `hmac-sha256`, `hmac-sha512`, ... Raises Unsupported."""
        ...

    def nonce(self) -> int:
        """A number above every one handed out before for this key, over restarts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account: its name in the configuration, its signer, and the plugin's own options for it."""

    name: str
    signer: Signer
    options: Mapping[str, Any] = field(default_factory=dict)


class AccountCodec(Protocol):
    """One account's connection."""

    def endpoint(self) -> HttpFlow[Endpoint]:
        """Where to connect; fetches a fresh token where the venue has them."""
        ...

    def login(self) -> Generator[Frame, Frame, None]:
        """Frames to send and answers to wait for before the connection is usable (a challenge, say)."""
        ...

    def download(self) -> HttpFlow[Sequence[AccountMessage]]:
        """Open orders, fills since the last known one, funds, positions."""
        ...

    def decode(self, frame: Frame, received_ns: int) -> Sequence[AccountMessage]:
        """As for market data. Acks that come by frame come from here."""
        ...


class Orders(Protocol):
    """Requests of ours in the venue's form, and its answers in ours."""

    def create_order(self, request_id: int, request: CreateOrder, venue_id: str) -> Outbound:
        """Place; `venue_id` is the client id in the venue's grammar, durable before this leaves."""
        ...

    def modify_order(self, request_id: int, request: ModifyOrder, venue_id: str) -> Outbound:
        """Amend in place."""
        ...

    def cancel_order(self, request_id: int, request: CancelOrder, venue_id: str) -> Outbound:
        """Cancel one."""
        ...

    def cancel_all_orders(self, request_id: int, request: CancelAllOrders) -> Outbound:
        """Cancel what matches the filters the venue knows; the engine does the rest one by one."""
        ...

    def decode_response(self, request_id: int, response: HttpResponse) -> Sequence[AccountMessage]:
        """The answer to a request sent by REST. No positive evidence of refusal means UNKNOWN."""
        ...


# --- Optional abilities: small Protocols beside the codec, never new methods on it ------------------------------------


class Pinger(Protocol):
    """A codec that has an application-level ping."""

    def ping(self, request_id: int) -> Frame:
        """A frame the venue answers with Pong."""
        ...


class SnapshotByRequest(Protocol):
    """A codec whose book snapshots come by REST instead of with the subscription."""

    def snapshot(self, topic: Topic) -> HttpFlow[Sequence[MarketDataMessage]]:
        """The snapshot, as a SNAPSHOT message with its venue_sequence."""
        ...


class Prober(Protocol):
    """A codec that can tell whether a quiet pair is quiet or dead."""

    def probe(self, topic: Topic) -> HttpFlow[Sequence[MarketDataMessage]]:
        """Ask the venue for the pair's state by another way."""
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
    orders: Callable[[Any], Orders] | None
    supports: frozenset[Support]
    summary: str
