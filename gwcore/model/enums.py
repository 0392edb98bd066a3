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

    CHECKSUM = "CHECKSUM"  # the venue's checksum is not that of the book
    CROSSED = "CROSSED"  # the best bid is at or above the best ask
    EMPTY_SIDE = "EMPTY_SIDE"  # a side that had levels has none
    JUMP = "JUMP"  # its middle moved further away from the trades than is set
    NO_SNAPSHOT = "NO_SNAPSHOT"  # an update came before a snapshot
    TIME_BACKWARDS = "TIME_BACKWARDS"  # the venue's time went back
    SEQUENCE_GAP = "SEQUENCE_GAP"  # the venue numbers its messages, and one is missing
    SILENCE = "SILENCE"  # nothing came, and the venue has something else
    PRECISION = "PRECISION"  # a number has more digits than the instrument, or its digits changed
    VENUE_STATUS = "VENUE_STATUS"  # the venue, or the market, is not online
    DISCONNECT = "DISCONNECT"  # its connection ended
    REJECTED = "REJECTED"  # the venue refused the subscription
    DECODE = "DECODE"  # a message of it could not be read
    UNSUBSCRIBED = "UNSUBSCRIBED"  # it is not subscribed any more
    OVERFLOW = "OVERFLOW"  # more levels than a book may hold
    OPERATOR = "OPERATOR"  # an operator had it subscribed anew
    LAG = "LAG"  # what comes is too old, though it is whole and in order


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
    BAD_REQUEST = "BAD_REQUEST"  # it says too little, or contradicts itself
    UNSUPPORTED = "UNSUPPORTED"  # the venue has no such order type, field or request
    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"  # this gateway has no such account
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"  # the venue lists no such market
    UNKNOWN_ORDER = "UNKNOWN_ORDER"  # no such order is open
    ORDER_DONE = "ORDER_DONE"  # it has ended already
    DUPLICATE_ORDER_ID = "DUPLICATE_ORDER_ID"  # this order_id was used before
    VERSION = "VERSION"  # the order changed since the version that was named
    DENIED = "DENIED"  # the user may not
    NOT_READY = "NOT_READY"  # the account's state is not known yet
    NOT_LIVE = "NOT_LIVE"  # trading is not switched on
    HALTED = "HALTED"  # an operator halted it; cancels pass
    JOURNAL = "JOURNAL"  # what was asked for can't be made durable
    MARKET_CLOSED = "MARKET_CLOSED"  # the market, or the venue, takes no such order now
    BOOK_NOT_LIVE = "BOOK_NOT_LIVE"  # the gateway can't vouch for the book of its symbol
    TICK_SIZE = "TICK_SIZE"  # its price is no multiple of the tick
    LOT_SIZE = "LOT_SIZE"  # its quantity is no multiple of the lot
    QUANTITY_MINIMUM = "QUANTITY_MINIMUM"  # less than the least quantity
    COST_MINIMUM = "COST_MINIMUM"  # worth less than the least cost
    USER_LIMIT = "USER_LIMIT"  # size, notional, open orders or position that the operator set
    PRICE_BAND = "PRICE_BAND"  # its price is too far from the middle of the book
    MESSAGE_RATE = "MESSAGE_RATE"  # more requests a second than the user may send
    TOO_MANY_REQUESTS = "TOO_MANY_REQUESTS"  # too many wait already
    # Of the venue, or of the gateway where it knows what the venue would say.
    RATE_LIMIT = "RATE_LIMIT"  # the venue's counter is full; try again later
    OPEN_ORDERS_LIMIT = "OPEN_ORDERS_LIMIT"  # as many orders are open as the venue allows
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"  # the account has not enough of the asset
    MARGIN = "MARGIN"  # the account's margin does not allow it
    POSITION = "POSITION"  # of a position: there is none, or it would be too large
    REDUCE_ONLY = "REDUCE_ONLY"  # it would not make a position smaller
    POST_ONLY = "POST_ONLY"  # it would have traded at once
    INVALID_PRICE = "INVALID_PRICE"  # the venue does not take this price
    INVALID_QUANTITY = "INVALID_QUANTITY"  # the venue does not take this quantity
    INVALID_ARGUMENTS = "INVALID_ARGUMENTS"  # the venue does not take these fields together
    DEADLINE = "DEADLINE"  # it came after its deadline
    PERMISSION = "PERMISSION"  # the key may not do this
    AUTHENTICATION = "AUTHENTICATION"  # the key or its signature was refused
    NONCE = "NONCE"  # the venue has seen a higher nonce of this key
    SESSION = "SESSION"  # the venue has ended the session; a new one is being made
    ACCOUNT = "ACCOUNT"  # the account may not trade this, or at all
    UNAVAILABLE = "UNAVAILABLE"  # the venue can't answer now
    INTERNAL = "INTERNAL"  # a fault at the venue
    OTHER = "OTHER"  # words of the venue that this version does not know
    # Of a request whose fate was, or is, not known.
    TIMEOUT = "TIMEOUT"  # no answer came in time
    DISCONNECTED = "DISCONNECTED"  # the connection ended before an answer
    NOT_FOUND = "NOT_FOUND"  # asked everywhere after it could have been taken, and it is nowhere
    SUPERSEDED = "SUPERSEDED"  # nobody will ever know: how the account stood later says all that matters
