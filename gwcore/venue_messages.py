"""What a codec says: the messages it returns beside the model's events, and the topics and requests they are about.

Part of the CONTRACT of a venue; plugins import it from `gwcore.venue`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from gwcore.model import (
    Channel,
    Fate,
    FundsUpdate,
    Instrument,
    MarketByOrderUpdate,
    MarketByPriceUpdate,
    MarketStatus,
    OrderError,
    OrderRequest,
    OrderUpdate,
    PositionUpdate,
    RateLimitsUpdate,
    StaleReason,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    TradeBalance,
    TradeSummary,
    TradeUpdate,
    UpdateType,
)
from gwcore.rest import HttpFlow

#: One WebSocket message, as bytes (UTF-8 for text frames).
Frame: TypeAlias = bytes

__all__ = [
    "AccountMessage",
    "AccountSnapshot",
    "Acknowledged",
    "Fetch",
    "Frame",
    "InstrumentUpdate",
    "MarketDataMessage",
    "OrderAnswer",
    "OrderRequest",
    "Outbound",
    "Pong",
    "Refused",
    "Renew",
    "Reply",
    "Request",
    "Throttled",
    "Topic",
    "Unknown",
]


class Topic(NamedTuple):
    """One subscription. `parameter` is what else identifies it: the depth of a book, the seconds of a candle."""

    channel: Channel
    symbol: str | None = None
    parameter: int = 0


class Request(NamedTuple):
    """A frame that asks for something. The engine paces it, times it and matches the answers to `topics`."""

    frame: Frame
    request_id: int
    topics: tuple[Topic, ...]


class Acknowledged(NamedTuple):
    """The venue accepted a subscribe (or unsubscribe) of these topics; without topics, the whole request `request_id`."""

    topics: tuple[Topic, ...]
    request_id: int | None = None
    unsubscribed: bool = False


class Refused(NamedTuple):
    """The venue refused. Without topics the whole request `request_id` (or, without that, the oldest) is meant.

    `retryable`: trying again later makes sense (a rate limit). `fatal`: of an account, the key will never do.
    `duplicate`: it says that we already have what we asked for;
    `missing`: that we asked it to end what it does not have. Both are counted and change nothing.
    """

    text: str
    topics: tuple[Topic, ...] = ()
    request_id: int | None = None
    unsubscribed: bool = False
    retryable: bool = False
    duplicate: bool = False
    missing: bool = False
    fatal: bool = False


class Pong(NamedTuple):
    """The answer to a ping of ours."""

    request_id: int | None = None
    venue_time_ns: int | None = None  # what the venue's clock showed when it answered, where it says so


class Throttled(NamedTuple):
    """The venue says that we send too much. The engine halves its pace on this connection for a while."""

    text: str


class Unknown(NamedTuple):
    """A well-formed frame this version does not know: counted, harmless. `what` is bounded text for the log."""

    what: str


class Reply(NamedTuple):
    """A frame the venue expects from us now (a text ping to answer)."""

    frame: Frame


class Renew(NamedTuple):
    """This connection should be replaced by a new one.

    With a reason every book on it is published as STALE with it first (a connection's own numbering jumped: SEQUENCE_GAP).
    Without one it is advice: the venue is about to close it.
    """

    text: str
    reason: StaleReason | None = None


class Fetch(NamedTuple):
    """Something that needs REST (a snapshot, say): its messages are handled as if they had been in a frame."""

    flow: HttpFlow[Sequence[MarketDataMessage]]


class InstrumentUpdate(NamedTuple):
    """What is traded, as the venue says now. SNAPSHOT: all of it, what is missing is delisted."""

    update_type: UpdateType
    instruments: tuple[Instrument, ...]


class AccountSnapshot(NamedTuple):
    """What an account has, whole: each part that is not None replaces what was known of it.

    `orders`: all that are open. `closed`: some that are not open any more. `trades`: fills, in any order, old ones too.
    """

    orders: tuple[OrderUpdate, ...] | None = None
    closed: tuple[OrderUpdate, ...] = ()
    trades: tuple[TradeUpdate, ...] = ()
    funds: tuple[FundsUpdate, ...] | None = None
    positions: tuple[PositionUpdate, ...] | None = None
    balance: TradeBalance | None = None


class OrderAnswer(NamedTuple):
    """The venue's answer to a request of ours about orders.

    `fate`: DONE, it took it; NOT_DONE, it says that it did not (positive evidence); UNKNOWN, anything else (an error of its
    own, a body that can't be read). `order`: which of the orders of a batch, counted from 0; None: the whole request, all
    orders of it that have no answer of their own. `number_of_orders`: how many it cancelled.
    """

    request_id: int
    fate: Fate
    error: OrderError | None = None
    text: str = ""
    retryable: bool = False  # the same request may do better later
    retry_at_ns: int | None = None  # wall clock: not before this, where the venue says so
    order: int | None = None
    venue_order_id: str | None = None
    number_of_orders: int | None = None
    venue_time_ns: int | None = None


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
    | Renew
    | Fetch
    | InstrumentUpdate
)

AccountMessage: TypeAlias = (
    OrderAnswer
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
    | Renew
    | AccountSnapshot
    | TradeBalance
    | MarketStatus
)

#: How a request leaves: as a frame on the account's connection (the answer comes by `decode`), or by REST. A flow's result is
#: what the answers say; where it raises VenueError, or returns no answer, the fate is UNKNOWN.
Outbound: TypeAlias = Frame | HttpFlow[Sequence[AccountMessage]]
