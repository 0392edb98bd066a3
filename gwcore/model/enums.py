"""The closed vocabularies of the model. Wire text is the member's value; members are only ever added."""

from __future__ import annotations

from enum import Enum


class UpdateType(str, Enum):
    """What an update does to the state a receiver holds."""

    SNAPSHOT = "SNAPSHOT"  # replaces the state
    INCREMENTAL = "INCREMENTAL"  # changes the state
    STALE = "STALE"  # the state must not be used until the next SNAPSHOT

    # Enum's own runs Python code, and this is part of a key for every event.
    __hash__ = str.__hash__


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


class PriceType(str, Enum):
    """How a price of an order is given."""

    STATIC = "STATIC"  # the price itself
    PERCENT = "PERCENT"  # percent away from the reference
    QUOTE = "QUOTE"  # an amount of the quote asset away from the reference


class TriggerReference(str, Enum):
    """The price that a trigger looks at."""

    LAST = "LAST"
    INDEX = "INDEX"


class SelfTradePrevention(str, Enum):
    """What the venue cancels where two orders of one owner would meet."""

    CANCEL_NEWEST = "CANCEL_NEWEST"
    CANCEL_OLDEST = "CANCEL_OLDEST"
    CANCEL_BOTH = "CANCEL_BOTH"


class FeeAsset(str, Enum):
    """The asset in which fees are wanted."""

    BASE = "BASE"
    QUOTE = "QUOTE"


class Fate(str, Enum):
    """What became of the thing a request asked for, as far as an answer proves it."""

    DONE = "DONE"
    NOT_DONE = "NOT_DONE"
    UNKNOWN = "UNKNOWN"


class OrderError(str, Enum):
    """Why a request about an order was not carried out. The venue's own words stand beside it."""

    # Of the gateway, before anything left it.
    BAD_REQUEST = "BAD_REQUEST"
    UNSUPPORTED = "UNSUPPORTED"  # the venue has no such order type, field or request
    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    ORDER_DONE = "ORDER_DONE"
    DUPLICATE_ORDER_ID = "DUPLICATE_ORDER_ID"
    VERSION = "VERSION"  # the order changed since the version that was named
    DENIED = "DENIED"  # the user may not
    NOT_READY = "NOT_READY"  # the account's state is not known yet
    NOT_LIVE = "NOT_LIVE"  # trading is not switched on
    HALTED = "HALTED"
    JOURNAL = "JOURNAL"  # what was asked for can't be made durable
    MARKET_CLOSED = "MARKET_CLOSED"
    BOOK_NOT_LIVE = "BOOK_NOT_LIVE"
    TICK_SIZE = "TICK_SIZE"
    LOT_SIZE = "LOT_SIZE"
    QUANTITY_MINIMUM = "QUANTITY_MINIMUM"
    COST_MINIMUM = "COST_MINIMUM"
    USER_LIMIT = "USER_LIMIT"  # size, notional, open orders or position that the operator set
    PRICE_BAND = "PRICE_BAND"
    MESSAGE_RATE = "MESSAGE_RATE"
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"  # too many wait already
    # Of the venue, or of the gateway where it knows what the venue would say.
    RATE_LIMIT = "RATE_LIMIT"
    OPEN_ORDERS_LIMIT = "OPEN_ORDERS_LIMIT"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    MARGIN = "MARGIN"
    POSITION = "POSITION"
    REDUCE_ONLY = "REDUCE_ONLY"
    POST_ONLY = "POST_ONLY"
    INVALID_PRICE = "INVALID_PRICE"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    INVALID_ARGUMENTS = "INVALID_ARGUMENTS"
    DEADLINE = "DEADLINE"
    PERMISSION = "PERMISSION"
    AUTHENTICATION = "AUTHENTICATION"
    NONCE = "NONCE"
    SESSION = "SESSION"
    ACCOUNT = "ACCOUNT"  # the account may not trade this, or at all
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"
    OTHER = "OTHER"  # words of the venue that this version does not know
    # Of a request whose fate was, or is, not known.
    TIMEOUT = "TIMEOUT"
    DISCONNECTED = "DISCONNECTED"
    NOT_FOUND = "NOT_FOUND"  # asked everywhere after it could have been taken, and it is nowhere
