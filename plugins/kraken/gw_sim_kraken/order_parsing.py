"""Orders as clients write them: REST texts (sheet 2.7) and WebSocket numbers (sheet 4.14) into one OrderRequest.

Limit and market orders only. What else Kraken has (triggers, icebergs, conditional closes, cash quantities) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gw_sim_kraken.listing import Listing
from gw_sim_kraken.matching import BUY, SELL
from gw_sim_kraken.order_checks import LEVERAGE_MAX
from gw_sim_kraken.order_request import AmendRequest, OrderRefused, OrderRequest
from gw_sim_kraken.private_body import flag
from gw_sim_kraken.requests import RequestError
from gw_sim_kraken.texts import SECOND_NS, parse_time

_SIDES = {"buy": BUY, "sell": SELL}
_IN_FORCE = frozenset({"GTC", "GTD", "IOC", "FOK"})
_USERREF_MAX = 2**31
#: Numbers with more digits before or behind the point are no prices or quantities of anything.
_DIGITS_MAX = 15
_REST_REFUSED = ("displayvol", "price2", "close", "trigger", "close[ordertype]")
#: Fields of add_order; those that are refused are known all the same.
ADD_FIELDS = frozenset(
    {
        "order_type", "side", "order_qty", "cash_order_qty", "symbol", "limit_price", "limit_price_type", "triggers",
        "time_in_force", "expire_time", "effective_time", "deadline", "margin", "post_only", "reduce_only",
        "display_qty", "fee_preference", "stp_type", "cl_ord_id", "order_userref", "conditional", "validate",
        "sender_sub_id", "broker", "no_mpp", "token",
    }
)  # fmt: skip
AMEND_FIELDS = frozenset(
    {
        "order_id", "cl_ord_id", "order_qty", "limit_price", "limit_price_type", "display_qty", "post_only",
        "trigger_price", "trigger_price_type", "deadline", "symbol", "token",
    }
)  # fmt: skip
_REFUSED = ("cash_order_qty", "triggers", "conditional", "display_qty", "effective_time", "trigger_price")


def from_rest(params: Mapping[str, Any], listing: Listing, now_ns: int) -> OrderRequest:
    """AddOrder's parameters. Raises OrderRefused."""
    pair = listing.find(str(params.get("pair", "")))
    if pair is None:
        raise OrderRefused("EQuery:Unknown asset pair")
    for name in _REST_REFUSED:
        if params.get(name) not in (None, "", "0"):
            raise OrderRefused(f"EGeneral:Invalid arguments:{name}")
    if str(params.get("starttm", "0")) != "0":
        raise OrderRefused("EGeneral:Invalid arguments:starttm")
    flags = {word.strip() for word in str(params.get("oflags", "")).split(",") if word.strip()}
    if not flags <= {"post", "fcib", "fciq", "nompp"}:
        raise OrderRefused("EGeneral:Invalid arguments:oflags")
    order_type = str(params.get("ordertype", ""))
    return OrderRequest(
        symbol=pair.symbol,
        side=_side(params.get("type")),
        order_type=order_type,
        quantity=_number(params.get("volume"), "volume"),
        limit_price=_number(params.get("price"), "price") if order_type == "limit" else None,
        time_in_force=_in_force(params.get("timeinforce", "GTC"), "timeinforce"),
        expire_ns=_expiry(str(params.get("expiretm", "0")), now_ns),
        deadline_ns=_time(params.get("deadline"), "deadline"),
        post_only="post" in flags,
        reduce_only=flag(params, "reduce_only"),
        leverage=_leverage(params.get("leverage", "none")),
        fee_in_base="fcib" in flags,
        cl_ord_id=str(params.get("cl_ord_id", "")),
        userref=_userref(params.get("userref", "0")),
        validate=flag(params, "validate"),
    )


def from_websocket(params: Mapping[str, Any], listing: Listing) -> OrderRequest:
    """add_order's parameters. Raises RequestError for the wrong type of a field, OrderRefused for its value."""
    for name in _REFUSED:
        if name in params:
            raise OrderRefused(f"EGeneral:Invalid arguments:{name}")
    symbol = params.get("symbol")
    if not isinstance(symbol, str) or symbol not in listing.pairs:
        raise OrderRefused(f"Currency pair not supported {symbol}")
    order_type = _word(params, "order_type", "")
    return OrderRequest(
        symbol=symbol,
        side=_side(params.get("side")),
        order_type=order_type,
        quantity=_json_number(params, "order_qty") or Decimal(0),
        limit_price=_json_number(params, "limit_price") if order_type == "limit" else None,
        time_in_force=_in_force(_word(params, "time_in_force", "gtc").upper(), "time_in_force"),
        expire_ns=_time(params.get("expire_time"), "expire_time"),
        deadline_ns=_time(params.get("deadline"), "deadline"),
        post_only=_json_flag(params, "post_only"),
        reduce_only=_json_flag(params, "reduce_only"),
        leverage=LEVERAGE_MAX if _json_flag(params, "margin") else 0,
        fee_in_base=_word(params, "fee_preference", "quote") == "base",
        cl_ord_id=_word(params, "cl_ord_id", ""),
        userref=_userref(params.get("order_userref", 0)),
        validate=_json_flag(params, "validate"),
    )


def amend_from_rest(params: Mapping[str, Any]) -> AmendRequest:
    """AmendOrder's parameters. Raises OrderRefused."""
    quantity, price = params.get("order_qty"), params.get("limit_price")
    return AmendRequest(
        quantity=None if quantity is None else _number(quantity, "order_qty"),
        limit_price=None if price is None else _number(price, "limit_price"),
        post_only=flag(params, "post_only"),
        deadline_ns=_time(params.get("deadline"), "deadline"),
    )


def amend_from_websocket(params: Mapping[str, Any]) -> AmendRequest:
    """amend_order's parameters. Raises RequestError or OrderRefused."""
    for name in _REFUSED:
        if name in params:
            raise OrderRefused(f"EGeneral:Invalid arguments:{name}")
    return AmendRequest(
        quantity=_json_number(params, "order_qty"),
        limit_price=_json_number(params, "limit_price"),
        post_only=_json_flag(params, "post_only"),
        deadline_ns=_time(params.get("deadline"), "deadline"),
    )


def _side(value: Any) -> int:
    if not isinstance(value, str) or value not in _SIDES:
        raise OrderRefused("EGeneral:Invalid arguments:side")
    return _SIDES[value]


def _number(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise OrderRefused(f"EGeneral:Invalid arguments:{name}") from None
    # A sign is a relative price, which is not simulated.
    if not number.is_finite() or str(value)[:1] in "+-#" or abs(number.adjusted()) > _DIGITS_MAX:
        raise OrderRefused(f"EGeneral:Invalid arguments:{name}")
    return number


def _json_number(params: Mapping[str, Any], name: str) -> Decimal | None:
    """A JSON number with its digits; a text gets Kraken's words (sheet 3.3)."""
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise RequestError(f"{name.capitalize()} field must be a number_float")
    return _number(value, name)


def _json_flag(params: Mapping[str, Any], name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise RequestError(f"{name.capitalize()} field must be a boolean")
    return value


def _word(params: Mapping[str, Any], name: str, default: str) -> str:
    value = params.get(name, default)
    if not isinstance(value, str):
        raise RequestError(f"{name.capitalize()} field must be a string")
    return value


def _in_force(value: Any, name: str) -> str:
    if not isinstance(value, str) or value not in _IN_FORCE:
        raise OrderRefused(f"EGeneral:Invalid arguments:{name}")
    return str(value)


def _expiry(text: str, now_ns: int) -> int:
    """0, unix seconds, or seconds from now."""
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise OrderRefused("EGeneral:Invalid arguments:expiretm")
    seconds = int(digits) * SECOND_NS
    return now_ns + seconds if text.startswith("+") else seconds


def _time(value: Any, name: str) -> int:
    if value is None:
        return 0
    try:
        return parse_time(value)
    except (TypeError, ValueError):
        raise OrderRefused(f"EGeneral:Invalid arguments:{name}") from None


def _leverage(value: Any) -> int:
    text = str(value).partition(":")[0]
    if text in ("none", "", "0"):
        return 0
    if not (text.isascii() and text.isdigit()):
        raise OrderRefused("EGeneral:Invalid arguments:leverage")
    return int(text)


def _userref(value: Any) -> int:
    text = str(value)
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and -_USERREF_MAX <= int(text) < _USERREF_MAX):
        raise OrderRefused("EGeneral:Invalid arguments:userref")
    return int(text)
