"""Private REST: signed requests (API sheet §2.3) and what their answers mean to us (§2.6). Pure: flows, no I/O."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from gw_venue_kraken.accounts import private_messages as wire
from gw_venue_kraken.accounts.balances import MAIN_WALLET
from gw_venue_kraken.accounts.executions import SIDES, TRIGGERS, order_type, price_text, time_in_force
from gw_venue_kraken.envelope import USER_AGENT, result_of
from gw_venue_kraken.orders.ids import optional_plain_id
from gw_venue_kraken.rest_names import PairNames, RestNames
from gw_venue_kraken.times import seconds_ns
from gwcore.errors import DecodeError, VenueUnavailable
from gwcore.model import (
    Fill,
    FundsUpdate,
    Liquidity,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PositionUpdate,
    PriceType,
    Side,
    TradeBalance,
    TradeUpdate,
    UpdateType,
)
from gwcore.numbers import decimal_text, optional_text
from gwcore.rest import HttpFlow, HttpRequest
from gwcore.venue import Signer

T = TypeVar("T")

#: What a call takes from the account's counter (§2.4, the newer table); 1 for what is not named.
#: Calls about orders take nothing from it: the matching engine counts them (§3.7).
COSTS: Mapping[str, int] = {
    "TradesHistory": 2,
    "ClosedOrders": 2,
    "Ledgers": 2,
    "QueryLedgers": 2,
    "AddOrder": 0,
    "AddOrderBatch": 0,
    "AmendOrder": 0,
    "CancelOrder": 0,
    "CancelOrderBatch": 0,
    "CancelAll": 0,
    "CancelAllOrdersAfter": 0,
}
#: A nonce that was overtaken on its way is made anew this often.
NONCE_TRIES = 3
_FORM, _JSON = "application/x-www-form-urlencoded; charset=utf-8", "application/json"
_MALFORMED = (msgspec.MsgspecError, ValueError, RecursionError)
_STATUSES = {
    "pending": OrderStatus.PENDING,
    "open": OrderStatus.WORKING,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
}


def private_request(rest_url: str, signer: Signer, method: str, parameters: Mapping[str, str]) -> HttpRequest:
    """`POST /0/private/<method>`, form-encoded and signed with a fresh nonce."""
    nonce = str(signer.nonce())
    return _signed(rest_url, signer, method, nonce, urlencode({"nonce": nonce, **parameters}).encode(), _FORM)


def private_json_request(rest_url: str, signer: Signer, method: str, parameters: Mapping[str, Any]) -> HttpRequest:
    """The same with a JSON body, for what a form can't say (lists of orders)."""
    nonce = str(signer.nonce())
    return _signed(rest_url, signer, method, nonce, msgspec.json.encode({"nonce": nonce, **parameters}), _JSON)


def _signed(rest_url: str, signer: Signer, method: str, nonce: str, body: bytes, kind: str) -> HttpRequest:
    path = f"/0/private/{method}"
    inner = hashlib.sha256(nonce.encode() + body).digest()
    signature = base64.b64encode(signer.sign("hmac-sha512-base64", path.encode() + inner)).decode()
    return HttpRequest(
        method="POST",
        url=f"{rest_url.rstrip('/')}{path}",
        headers={
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
            "Content-Type": kind,
            "API-Key": signer.key,
            "API-Sign": signature,
        },
        body=body,
        cost=COSTS.get(method, 1),
        urgent=not COSTS.get(method, 1),
    )


def call(
    rest_url: str, signer: Signer, method: str, decode: Callable[[msgspec.Raw], T], parameters: Mapping[str, str]
) -> HttpFlow[T]:
    """One private call, decoded. Raises VenueError; DecodeError where the result is not what it should be."""
    for attempt in range(NONCE_TRIES):
        response = yield private_request(rest_url, signer, method, parameters)
        try:
            return decode(result_of(response, method))
        except VenueUnavailable as error:
            if "Invalid nonce" not in str(error) or attempt == NONCE_TRIES - 1:
                raise
        except _MALFORMED as error:
            raise DecodeError(f"{method}: {error}") from None
    raise AssertionError("the loop returns or raises")


def order_update(account: str, order_id: str, order: wire.RestOrder, names: PairNames) -> OrderUpdate:
    """One order as an OrderUpdate that says all of it. Raises ValueError."""
    kind, traded = order_type(order.descr.ordertype), decimal_text(order.vol_exec)
    status = _STATUSES.get(order.status, OrderStatus.UNKNOWN)
    if status is OrderStatus.WORKING and traded.strip("0."):
        status = OrderStatus.PARTIALLY_FILLED
    (price, price_type), (stop, stop_type) = _prices(kind, order.descr)
    flags = (order.oflags or "").split(",")
    opened_ns = None if order.opentm is None else seconds_ns(order.opentm)
    return OrderUpdate(
        account=account,
        venue_order_id=order_id,
        symbol=None if order.descr.pair is None else names.symbol(order.descr.pair),
        side=SIDES.get(order.descr.type or ""),
        order_type=kind,
        order_status=status,
        update_type=UpdateType.SNAPSHOT,
        quantity=decimal_text(order.vol),
        price=price,
        stop_price=stop,
        traded_quantity=traded,
        average_price=price_text(order.price),
        reason=order.reason,
        venue_time_ns=opened_ns if order.closetm is None else seconds_ns(order.closetm),
        cost=optional_text(order.cost),
        time_in_force=time_in_force(order.timeinforce),
        opened_ns=opened_ns,
        venue_client_id=optional_plain_id(order.cl_ord_id),
        price_type=price_type,
        stop_price_type=stop_type,
        trigger=TRIGGERS.get(order.trigger or "") if stop is not None else None,
        post_only=True if "post" in flags else None,
        margin=None if order.descr.leverage in (None, "", "none") else True,
        effective_time_ns=_optional_ns(order.starttm),
        expire_time_ns=_optional_ns(order.expiretm),
        parent_venue_order_id=None if order.refid in (None, "", "None") else order.refid,
    )


def _optional_ns(seconds: object) -> int | None:
    """0 stands for none."""
    return None if seconds is None else seconds_ns(seconds) or None


#: A price as its digits and how they are meant.
_Price = tuple[str | None, PriceType | None]
_NO_PRICE: _Price = (None, None)


def _prices(kind: OrderType | None, text: wire.RestOrderText) -> tuple[_Price, _Price]:
    """Limit price and trigger price: which of `price` and `price2` is which depends on the type (§2.7)."""
    first, second = _price(text.price), _price(text.price2)
    if kind in (OrderType.LIMIT, OrderType.ICEBERG):
        return first, _NO_PRICE
    if kind in (OrderType.STOP_LOSS, OrderType.TAKE_PROFIT, OrderType.TRAILING_STOP):
        return _NO_PRICE, first
    if kind in (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT, OrderType.TRAILING_STOP_LIMIT):
        return second, first
    return _NO_PRICE, _NO_PRICE  # market orders have none


def _price(value: object) -> _Price:
    """`23667.0`, or relative: `+1.0000%`, `-12.5`; `#...`, whose sign the venue chose, is left out."""
    if not isinstance(value, str) or value[:1] not in ("+", "-"):
        absolute = None if isinstance(value, str) and (value[:1] == "#" or value.endswith("%")) else price_text(value)
        return (absolute, None if absolute is None else PriceType.STATIC)
    text = value.removeprefix("+")
    if text.endswith("%"):
        return decimal_text(text[:-1]), PriceType.PERCENT
    return decimal_text(text), PriceType.QUOTE


def trade_update(
    account: str, trade_id: str, trade: wire.RestTrade, names: PairNames, order: wire.RestOrder | None = None
) -> TradeUpdate:
    """One trade as a fill, and its order where that is known. Raises ValueError.

    REST tells fees in the quote asset. Where the order has it taken in base (§3.9) that is its worth, not what was taken: no
    fee is told then.
    """
    at_ns = seconds_ns(trade.time)
    symbol = names.symbol(trade.pair)
    liquidity = None if trade.maker is None else Liquidity.MAKER if trade.maker else Liquidity.TAKER
    in_base = order is not None and "fcib" in (order.oflags or "").split(",")
    fees = (
        () if trade.fee is None or in_base else ((symbol.partition("/")[2].partition(":")[0], decimal_text(trade.fee)),)
    )
    return TradeUpdate(
        account=account,
        venue_order_id=trade.ordertxid,
        symbol=symbol,
        side=SIDES.get(trade.type),
        fills=(
            Fill(
                trade_id=trade_id,
                price=decimal_text(trade.price),
                quantity=decimal_text(trade.vol),
                cost=optional_text(trade.cost),
                liquidity=liquidity,
                fees=fees,
                venue_time_ns=at_ns,
                market_trade_id=None if trade.trade_id is None else str(trade.trade_id),
            ),
        ),
        venue_time_ns=at_ns,
    )


def funds(account: str, balances: Mapping[str, wire.RestBalance], names: RestNames) -> list[FundsUpdate]:
    """BalanceEx: total, hold, and what is left of both and of credit (§2.6). Raises ValueError."""
    found = []
    for asset_id, row in balances.items():
        base, _, suffix = asset_id.partition(".")
        total, hold = decimal_text(row.balance), optional_text(row.hold_trade)
        available = Decimal(total) - Decimal(hold or 0)
        available += Decimal(optional_text(row.credit) or 0) - Decimal(optional_text(row.credit_used) or 0)
        found.append(
            FundsUpdate(
                account=account,
                asset=names.asset(base),
                total=total,
                hold=hold,
                available=format(available, "f"),
                wallet=f"other/{suffix}" if suffix else MAIN_WALLET,
            )
        )
    return found


def positions(account: str, rows: Iterable[wire.RestPosition], names: RestNames) -> list[PositionUpdate]:
    """All positions of a pair together: what is still open of each, cost and profit as far as every one tells it."""
    by_symbol: dict[str, list[wire.RestPosition]] = {}
    for row in rows:
        by_symbol.setdefault(names.symbol(row.pair), []).append(row)
    found = []
    for symbol, group in sorted(by_symbol.items()):
        amounts = {Side.BUY: Decimal(0), Side.SELL: Decimal(0)}
        for row in group:
            side = SIDES.get(row.type)
            if side is None:
                raise ValueError(f"a position in {symbol} that is neither bought nor sold: {row.type!r:.20}")
            amounts[side] += Decimal(decimal_text(row.vol)) - Decimal(optional_text(row.vol_closed) or 0)
        found.append(
            PositionUpdate(
                account=account,
                symbol=symbol,
                long_quantity=format(amounts[Side.BUY], "f"),
                short_quantity=format(amounts[Side.SELL], "f"),
                cost=_sum([row.cost for row in group]),
                profit_loss=_sum([_unsigned(row.net) for row in group]),
            )
        )
    return found


def _unsigned(value: object) -> object:
    return value.removeprefix("+") if isinstance(value, str) else value  # `"+94367.2314"`


def _sum(values: list[Any]) -> str | None:
    if any(value is None for value in values):
        return None
    return format(sum((Decimal(decimal_text(value)) for value in values), Decimal(0)), "f")


def trade_balance(account: str, row: wire.RestTradeBalance, asset: str) -> TradeBalance:
    """TradeBalance (§2.6). Raises ValueError."""
    return TradeBalance(
        account=account,
        asset=asset,
        equity=optional_text(row.e),
        trade_balance=optional_text(row.tb),
        equivalent_balance=optional_text(row.eb),
        margin_used=optional_text(row.m),
        free_margin=optional_text(row.mf),
        margin_level=optional_text(row.ml),
        profit_loss=optional_text(row.n),
        cost=optional_text(row.c),
        valuation=optional_text(row.v),
    )
