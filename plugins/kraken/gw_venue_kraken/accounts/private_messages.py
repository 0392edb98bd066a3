"""The v2 private frames and the private REST answers as types (API sheet §2.6, §4.12, §4.13). No logic.

Number fields are `object`, as in `messages`: JSON numbers arrive as their own digits. All but what names a row may be absent:
execution rows are deltas (trap 9). The docstrings show what was recorded.
"""

from __future__ import annotations

import msgspec


class Fee(msgspec.Struct, gc=False):
    """`{"asset":"USD","qty":0.3458}`"""

    asset: str
    qty: object


class Triggers(msgspec.Struct, gc=False):
    """`{"price":0.2,"price_type":"static","reference":"index","status":"untriggered"}`"""

    price: object = None
    price_type: str | None = None
    reference: str | None = None


class ExecutionRow(msgspec.Struct, gc=False):
    """`{"order_id":"OK4GJX-KSTLS-7DZZO5","exec_id":"TGBB7L-HT5LX-J3BZ4A","exec_type":"trade","trade_id":62887576,...}`"""

    order_id: str
    exec_type: str
    order_status: str
    timestamp: str
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_type: str | None = None
    order_qty: object = None
    cash_order_qty: object = None
    display_qty: object = None
    limit_price: object = None
    limit_price_type: str | None = None
    stop_price: object = None
    time_in_force: str | None = None
    cum_qty: object = None
    cum_cost: object = None
    avg_price: object = None
    exec_id: str | None = None
    trade_id: int | None = None
    last_qty: object = None
    last_price: object = None
    cost: object = None
    liquidity_ind: str | None = None
    fees: list[Fee] = []
    triggers: Triggers | None = None
    reason: str | None = None
    cancel_reason: str | None = None
    effective_time: str | None = None
    expire_time: str | None = None
    post_only: bool | None = None  # flags are there where they are true, or matter
    reduce_only: bool | None = None
    margin: bool | None = None
    ord_ref_id: str | None = None  # the order whose fill made the venue place this one
    trigger: str | None = None  # deprecated, still sent
    ratecount: object = None  # the name was not seen in v2 (§3.7)


class ExecutionFrame(msgspec.Struct, gc=False):
    """`{"channel":"executions","type":"update","data":[...],"sequence":8}`"""

    type: str
    data: list[ExecutionRow]
    sequence: int | None = None


class Wallet(msgspec.Struct, gc=False):
    """`{"type":"spot","id":"main","balance":1.34}`"""

    type: str
    id: str
    balance: object


class BalanceRow(msgspec.Struct, gc=False):
    """Of a snapshot: `{"asset":"USD","asset_class":"currency","balance":160.2405,"wallets":[...]}`; of an update
    `{"ledger_id":"DATKX6-PEHL1-HZKND8","type":"trade","asset":"USD","wallet_type":"spot","wallet_id":"main",
    "amount":-19.9743,"fee":0.0499,"balance":118.0677,...}`: the balance of that wallet afterwards."""

    asset: str
    balance: object
    wallets: list[Wallet] = []
    wallet_type: str = "spot"
    wallet_id: str = "main"
    timestamp: str | None = None


class BalanceFrame(msgspec.Struct, gc=False):
    """`{"channel":"balances","type":"update","data":[...],"sequence":4}`"""

    type: str
    data: list[BalanceRow]
    sequence: int | None = None


class ExecutionsAck(msgspec.Struct, gc=False):
    """`{"channel":"executions","maxratecount":180,"snap_orders":true,...}`"""

    channel: str | None = None
    maxratecount: object = None


class RestToken(msgspec.Struct, gc=False):
    """`{"token":"...","expires":900}`"""

    token: str
    expires: int = 900


class RestRights(msgspec.Struct, gc=False):
    """`{"api_key_name":"TestKey","permissions":["query-funds",...],...}`; the docs write the other names in camelCase."""

    permissions: list[str]


class RestOrderText(msgspec.Struct, gc=False):
    """`{"pair":"XBTUSD","type":"buy","ordertype":"limit","price":"30010.0","price2":"0",...}`. Orders without a pair were
    recorded."""

    pair: str | None = None
    type: str | None = None
    ordertype: str | None = None
    price: object = None
    price2: object = None
    leverage: str | None = None


class RestOrder(msgspec.Struct, gc=False):
    """One order of OpenOrders, ClosedOrders, QueryOrders."""

    status: str
    descr: RestOrderText
    vol: object
    vol_exec: object
    opentm: object = None
    closetm: object = None
    cost: object = None
    price: object = None
    cl_ord_id: str | None = None
    reason: str | None = None
    timeinforce: str | None = None
    refid: str | None = None
    oflags: str | None = None
    starttm: object = None
    expiretm: object = None
    trigger: str | None = None
    trades: list[str] = []


class RestTrade(msgspec.Struct, gc=False):
    """One trade of TradesHistory."""

    ordertxid: str
    pair: str
    time: object
    type: str
    price: object
    vol: object
    cost: object = None
    fee: object = None
    trade_id: int | None = None
    maker: bool | None = None


class OpenOrders(msgspec.Struct, gc=False):
    """`{"open":{"OQCLML-BW3P3-BUCMWZ":{...}}}`"""

    open: dict[str, RestOrder]


class ClosedOrders(msgspec.Struct, gc=False):
    """`{"closed":{"O37652-RJWRT-IMO74O":{...}},"count":2}`; newest first, 50 a page."""

    closed: dict[str, RestOrder]
    count: int | None = None


class TradesHistory(msgspec.Struct, gc=False):
    """`{"trades":{"THVRQM-33VKH-UCI7BS":{...}},"count":396}`; newest first, 50 a page."""

    trades: dict[str, RestTrade]
    count: int | None = None


class RestBalance(msgspec.Struct, gc=False):
    """`{"balance":"25435.21","hold_trade":"8249.76"}`"""

    balance: object
    hold_trade: object = None
    credit: object = None
    credit_used: object = None


class RestPosition(msgspec.Struct, gc=False):
    """One position of OpenPositions."""

    pair: str
    type: str
    vol: object
    vol_closed: object = None
    cost: object = None
    net: object = None


class RestTradeBalance(msgspec.Struct, gc=False):
    """`{"eb":"1101.3425","tb":"392.2264","m":"7.0354","n":"-10.0232","c":"21.1063","v":"31.1297","e":"382.2032",...}`"""

    eb: object = None
    tb: object = None
    m: object = None
    n: object = None
    c: object = None
    v: object = None
    e: object = None
    mf: object = None
    ml: object = None


class RestFee(msgspec.Struct, gc=False):
    """`{"fee":"0.2600","minfee":"0.1000","maxfee":"0.2600","nextfee":"0.2400",...}`, in percent."""

    fee: object = None


class RestTradeVolume(msgspec.Struct, gc=False):
    """`{"currency":"ZUSD","volume":"4.0219","fees":{"XXBTZUSD":{...}},"fees_maker":{"XXBTZUSD":{...}}}`; fees may be null."""

    currency: str | None = None
    volume: object = None
    fees: dict[str, RestFee] | None = None
    fees_maker: dict[str, RestFee] | None = None


executions_of = msgspec.json.Decoder(ExecutionFrame, float_hook=str).decode
balances_of = msgspec.json.Decoder(BalanceFrame, float_hook=str).decode
executions_ack_of = msgspec.json.Decoder(ExecutionsAck, float_hook=str).decode
token_of = msgspec.json.Decoder(RestToken).decode
rights_of = msgspec.json.Decoder(RestRights).decode
open_orders_of = msgspec.json.Decoder(OpenOrders, float_hook=str).decode
closed_orders_of = msgspec.json.Decoder(ClosedOrders, float_hook=str).decode
orders_of = msgspec.json.Decoder(dict[str, RestOrder], float_hook=str).decode
query_trades_of = msgspec.json.Decoder(dict[str, RestTrade], float_hook=str).decode
trades_of = msgspec.json.Decoder(TradesHistory, float_hook=str).decode
rest_balances_of = msgspec.json.Decoder(dict[str, RestBalance], float_hook=str).decode
positions_of = msgspec.json.Decoder(dict[str, RestPosition], float_hook=str).decode
trade_balance_of = msgspec.json.Decoder(RestTradeBalance, float_hook=str).decode
trade_volume_of = msgspec.json.Decoder(RestTradeVolume, float_hook=str).decode
