"""The v2 public frames as types (API sheet §4): what the venue writes, in its own words. No logic.

Number fields are `object`: with `float_hook=str` a JSON float arrives as its own digits, an integer as int. Unknown keys
are ignored. All frames of one row or more are lists, although books and tickers have exactly one.
"""

from __future__ import annotations

import msgspec


class Head(msgspec.Struct, gc=False):
    """What kind of frame it is. `{"channel":"heartbeat"}`, `{"Error":"Exceeded msg rate"}`"""

    channel: str | None = None
    method: str | None = None
    error_text: str | None = msgspec.field(default=None, name="Error")


class Level(msgspec.Struct, gc=False):
    """`{"price":62802.5,"qty":0.02987767}`"""

    price: object
    qty: object


class BookRow(msgspec.Struct, gc=False):
    """`{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.3947558}],"asks":[],"checksum":2114181697,
    "timestamp":"2023-10-06T17:35:55.440295Z"}`. Snapshots of 2024 and before have no timestamp."""

    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: int
    timestamp: str | None = None


class BookFrame(msgspec.Struct, gc=False):
    """`{"channel":"book","type":"update","data":[...]}`"""

    type: str
    data: list[BookRow]


class TradeRow(msgspec.Struct, gc=False):
    """`{"symbol":"BTC/USD","side":"buy","price":83744.3,"qty":0.00044780,"ord_type":"limit","trade_id":109116693,
    "timestamp":"2026-09-25T17:48:26.844359Z"}`"""

    symbol: str
    side: str
    price: object
    qty: object
    trade_id: int
    timestamp: str
    ord_type: str | None = None


class TradeFrame(msgspec.Struct, gc=False):
    """`{"channel":"trade","type":"update","data":[...]}`"""

    type: str
    data: list[TradeRow]


class TickerRow(msgspec.Struct, gc=False):
    """`{"symbol":"BTC/USD","bid":83744.2,"bid_qty":0.56251979,"ask":83744.3,"ask_qty":0.00044780,"last":83744.3,
    "volume":3156.84782110,"vwap":84174.6,"low":83163.6,"high":85247.4,"change":-429.3,"change_pct":-0.51,
    "trades":135262,"timestamp":"2026-09-25T17:48:26.844359Z"}`. `trades` and `timestamp` exist since 2026."""

    symbol: str
    bid: object = None
    bid_qty: object = None
    ask: object = None
    ask_qty: object = None
    last: object = None
    volume: object = None
    vwap: object = None
    low: object = None
    high: object = None
    change: object = None
    change_pct: object = None
    trades: int | None = None
    timestamp: str | None = None


class TickerFrame(msgspec.Struct, gc=False):
    """`{"channel":"ticker","type":"snapshot","data":[...]}`"""

    type: str
    data: list[TickerRow]


class CandleRow(msgspec.Struct, gc=False):
    """`{"symbol":"BTC/USD","open":83729.5,"high":83745.2,"low":83729.4,"close":83744.3,"trades":33,"volume":0.21155628,
    "vwap":83736.4,"interval_begin":"2026-09-25T17:48:00.000000000Z","interval":1,
    "timestamp":"2026-09-25T17:49:00.000000Z"}`. `interval` is minutes; `timestamp` is the end, and deprecated."""

    symbol: str
    interval: int
    open: object = None
    high: object = None
    low: object = None
    close: object = None
    volume: object = None
    vwap: object = None
    trades: int | None = None
    interval_begin: str | None = None


class CandleFrame(msgspec.Struct, gc=False):
    """`{"channel":"ohlc","type":"update","timestamp":"2026-09-25T17:48:26.844359566Z","data":[...]}`"""

    type: str
    data: list[CandleRow]
    timestamp: str | None = None


class StatusRow(msgspec.Struct, gc=False):
    """`{"version":"2.0.10","system":"online","api_version":"v2","connection_id":18125794168470749634,
    "upcoming_maintenance":[],"emergency":[]}`. The shape of the last two's elements is unknown; `connection_id` is above
    2^63 and used for nothing."""

    system: str
    upcoming_maintenance: list[msgspec.Raw] = []
    emergency: list[msgspec.Raw] = []


class StatusFrame(msgspec.Struct, gc=False):
    """`{"channel":"status","type":"update","data":[...]}`"""

    data: list[StatusRow]


class AssetRow(msgspec.Struct, gc=False):
    """`{"id":"USD","status":"enabled","precision":4,"precision_display":2,"borrowable":true,"collateral_value":1.00,
    "margin_rate":0.025000}`. Tokenized assets have a `multiplier`."""

    id: str
    status: str
    precision: int | None = None
    margin_rate: object = None
    borrowable: bool | None = None
    multiplier: object = None
    asset_class: str | None = msgspec.field(default=None, name="class")


class PairName(msgspec.Struct, gc=False):
    """The symbol of a pair row, for when the rest of it can't be read."""

    symbol: str


class PairRow(msgspec.Struct, gc=False):
    """`{"symbol":"EUR/USD","base":"EUR","quote":"USD","status":"online","qty_precision":8,"qty_increment":0.00000001,
    "price_precision":5,"cost_precision":5,"marginable":false,"has_index":true,"cost_min":0.50,"tick_size":0.00001,
    "price_increment":0.00001,"qty_min":0.50000000}`. Margin pairs add margin_initial and two position limits."""

    symbol: str
    base: str
    quote: str
    status: str
    price_precision: int
    qty_precision: int
    cost_precision: int | None = None
    price_increment: object = None
    tick_size: object = None
    qty_increment: object = None
    qty_min: object = None
    cost_min: object = None
    marginable: bool | None = None
    has_index: bool | None = None
    margin_initial: object = None
    position_limit_long: object = None
    position_limit_short: object = None
    execution_venue: str | None = None


class InstrumentData(msgspec.Struct, gc=False):
    """`{"assets":[...],"pairs":[...]}`. Pairs are read one by one, so that one bad row stays one bad row."""

    assets: list[AssetRow] = []
    pairs: list[msgspec.Raw] = []


class InstrumentFrame(msgspec.Struct, gc=False):
    """`{"channel":"instrument","type":"snapshot","data":{"assets":[...],"pairs":[...]}}`"""

    type: str
    data: InstrumentData


class AckResult(msgspec.Struct, gc=False):
    """`{"channel":"book","depth":10,"snapshot":true,"symbol":"BTC/USD"}`"""

    channel: str
    symbol: str | None = None
    depth: int | None = None
    interval: int | None = None


class Reply(msgspec.Struct, gc=False):
    """`{"method":"subscribe","req_id":11,"result":{...},"success":true,"time_in":"...","time_out":"..."}`,
    `{"error":"Currency pair not supported XBT/USD","method":"subscribe","success":false,"symbol":"XBT/USD",...}`,
    `{"method":"pong","req_id":1,"time_in":"...","time_out":"..."}`"""

    method: str
    success: bool | None = None
    req_id: int | None = None
    error: str | None = None
    channel: str | None = None
    symbol: str | None = None
    result: msgspec.Raw = msgspec.Raw()  # an object, an array or nothing
    time_out: str | None = None
    orders_cancelled: int | None = None  # `batch_cancel` was seen to say it here, without a result


head_of = msgspec.json.Decoder(Head).decode
book_of = msgspec.json.Decoder(BookFrame, float_hook=str).decode
trade_of = msgspec.json.Decoder(TradeFrame, float_hook=str).decode
ticker_of = msgspec.json.Decoder(TickerFrame, float_hook=str).decode
candle_of = msgspec.json.Decoder(CandleFrame, float_hook=str).decode
status_of = msgspec.json.Decoder(StatusFrame).decode
instrument_of = msgspec.json.Decoder(InstrumentFrame, float_hook=str).decode
pair_of = msgspec.json.Decoder(PairRow, float_hook=str).decode
pair_name_of = msgspec.json.Decoder(PairName).decode
reply_of = msgspec.json.Decoder(Reply).decode
ack_result_of = msgspec.json.Decoder(AckResult).decode
