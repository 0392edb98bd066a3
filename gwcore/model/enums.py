"""The closed vocabularies of the model. Wire text is the member's value; members are only ever added."""

from __future__ import annotations

from enum import Enum


class UpdateType(str, Enum):
    """What an update does to the state a receiver holds."""

    SNAPSHOT = "SNAPSHOT"  # replaces the state
    INCREMENTAL = "INCREMENTAL"  # changes the state
    STALE = "STALE"  # the state must not be used until the next SNAPSHOT


class Side(str, Enum):
    """Side of an order, or of the taker in a trade."""

    BUY = "BUY"
    SELL = "SELL"


class Origin(str, Enum):
    """Who or what an event comes from."""

    VENUE = "VENUE"
    GATEWAY = "GATEWAY"
    BACKFILL = "BACKFILL"  # asked for afterwards, to close a gap
    RECONCILIATION = "RECONCILIATION"  # found by comparing with the venue after an outage


class Channel(str, Enum):
    """A kind of subscription at a venue. Venues map their own channel names onto these."""

    INSTRUMENT = "instrument"
    STATUS = "status"
    BOOK = "book"
    TRADE = "trade"
    TICKER = "ticker"
    OHLC = "ohlc"
    ORDERS = "orders"  # market by order (L3)


class InstrumentKind(str, Enum):
    """What is traded."""

    SPOT = "SPOT"
    FUTURE = "FUTURE"
    SWAP = "SWAP"
    OPTION = "OPTION"


class TradingStatus(str, Enum):
    """What a market, or the whole venue, allows right now."""

    ONLINE = "ONLINE"
    POST_ONLY = "POST_ONLY"
    LIMIT_ONLY = "LIMIT_ONLY"
    REDUCE_ONLY = "REDUCE_ONLY"
    CANCEL_ONLY = "CANCEL_ONLY"
    MAINTENANCE = "MAINTENANCE"
    DELISTED = "DELISTED"
    UNAVAILABLE = "UNAVAILABLE"  # known to the venue, not (yet) trading
    UNKNOWN = "UNKNOWN"  # a word this version does not know


class StreamState(str, Enum):
    """State of one subscription: one (channel, symbol) of one connection (design: Market data)."""

    IDLE = "IDLE"
    SUBSCRIBING = "SUBSCRIBING"
    PENDING_DATA = "PENDING_DATA"
    LIVE = "LIVE"
    STALE = "STALE"
    RESYNC = "RESYNC"
    QUARANTINED = "QUARANTINED"
    REJECTED = "REJECTED"


class StaleReason(str, Enum):
    """Why a book may not be used. Each has a counter of its own."""

    CHECKSUM = "CHECKSUM"
    CROSSED = "CROSSED"
    EMPTY_SIDE = "EMPTY_SIDE"
    JUMP = "JUMP"
    NO_SNAPSHOT = "NO_SNAPSHOT"
    TIME_BACKWARDS = "TIME_BACKWARDS"
    SEQUENCE_GAP = "SEQUENCE_GAP"
    SILENCE = "SILENCE"
    PRECISION = "PRECISION"
    VENUE_STATUS = "VENUE_STATUS"
    DISCONNECT = "DISCONNECT"
    REJECTED = "REJECTED"
    DECODE = "DECODE"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    OVERFLOW = "OVERFLOW"  # more levels than a book may hold
    OPERATOR = "OPERATOR"  # an operator had it subscribed anew


class GatewayState(str, Enum):
    """State of the whole gateway process."""

    STARTING = "STARTING"
    READY = "READY"
    DEGRADED = "DEGRADED"
    STOPPING = "STOPPING"


class ConnectionState(str, Enum):
    """State of one connection to the venue, or of one sink."""

    CONNECTING = "CONNECTING"
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"


class GapState(str, Enum):
    """Life of a gap."""

    OPEN = "OPEN"
    CLOSED = "CLOSED"  # filled
    LOST = "LOST"  # can't be filled


class AckStatus(str, Enum):
    """What became of a request. UNKNOWN is never reported as REJECTED (law 1)."""

    FORWARDED = "FORWARDED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class OrderStatus(str, Enum):
    """State of an order at the venue."""

    PENDING = "PENDING"
    WORKING = "WORKING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class OrderType(str, Enum):
    """Order types of the field; a venue declares which it has."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    ICEBERG = "ICEBERG"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"
    TRAILING_STOP_LIMIT = "TRAILING_STOP_LIMIT"
    SETTLE_POSITION = "SETTLE_POSITION"


class TimeInForce(str, Enum):
    """How long an order stands."""

    GTC = "GTC"
    GTD = "GTD"
    IOC = "IOC"
    FOK = "FOK"


class Liquidity(str, Enum):
    """Which side of a fill an order was."""

    MAKER = "MAKER"
    TAKER = "TAKER"
