"""Orders, amends and edits as the WebSocket writes them (sheet 4.14): numbers.

RequestError for the wrong type of a field, OrderRefused for its value.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gw_sim_kraken.market.listing import Listing
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders import parsing as parts
from gw_sim_kraken.orders.checks import LEVERAGE_MAX
from gw_sim_kraken.orders.parsing import invalid
from gw_sim_kraken.orders.request import AmendRequest, Close, EditRequest, OrderRefused, OrderRequest, PriceSpec
from gw_sim_kraken.orders.types import CLOSE_TYPES, LIMITED, PRICE_TYPES, REFERENCES, STP_TYPES, TRAILING, TRIGGERED
from gw_sim_kraken.requests import RequestError
from gw_sim_kraken.texts import SECOND_NS

#: A deadline is at least so far ahead; without one the engine has this long.
DEADLINE_MIN_NS = SECOND_NS // 2
DEADLINE_NS = 5 * SECOND_NS
ADD_FIELDS = frozenset(
    {
        "order_type", "side", "order_qty", "cash_order_qty", "symbol", "limit_price", "limit_price_type", "triggers",
        "time_in_force", "expire_time", "effective_time", "deadline", "margin", "post_only", "reduce_only",
        "display_qty", "fee_preference", "stp_type", "cl_ord_id", "order_userref", "conditional", "validate",
        "sender_sub_id", "broker", "no_mpp", "token", "trigger", "stop_price",
    }
)  # fmt: skip
AMEND_FIELDS = frozenset(
    {
        "order_id", "cl_ord_id", "order_qty", "limit_price", "limit_price_type", "display_qty", "post_only",
        "trigger_price", "trigger_price_type", "deadline", "symbol", "token",
    }
)  # fmt: skip
EDIT_FIELDS = frozenset(
    {
        "order_id", "symbol", "order_qty", "limit_price", "display_qty", "triggers", "post_only", "reduce_only",
        "fee_preference", "order_userref", "deadline", "validate", "token",
    }
)  # fmt: skip


def order(params: Mapping[str, Any], listing: Listing, now_ns: int) -> OrderRequest:
    """add_order's parameters."""
    symbol = _symbol(params, listing)
    order_type, side = _word(params, "order_type", ""), parts.side(params.get("side"))
    limit = _limit(params, order_type)
    trigger, reference = _trigger(params, order_type)
    cash, margin = json_number(params, "cash_order_qty"), json_flag(params, "margin")
    if cash is not None and ("order_qty" in params or order_type != "market" or side != BUY or margin):
        raise invalid("cash_order_qty")
    quantity = json_number(params, "order_qty")
    if quantity is None and cash is None:
        raise invalid("volume")
    return OrderRequest(
        symbol=symbol,
        side=side,
        order_type=order_type,
        quantity=quantity or Decimal(0),
        cash=cash,
        limit_price=None if limit is None else limit.value,
        limit_type="static" if limit is None else limit.kind,
        trigger=trigger,
        reference=reference,
        display=json_number(params, "display_qty"),
        close=_conditional(params, reference),
        stp=_choice(params, "stp_type", "cancel_newest", STP_TYPES),
        time_in_force=parts.in_force(_word(params, "time_in_force", "gtc").upper(), "time_in_force"),
        start_ns=parts.time(params.get("effective_time"), "effective_time"),
        expire_ns=parts.time(params.get("expire_time"), "expire_time"),
        deadline_ns=parts.time(params.get("deadline"), "deadline") or now_ns + DEADLINE_NS,
        deadline_min_ns=DEADLINE_MIN_NS,
        post_only=json_flag(params, "post_only"),
        reduce_only=json_flag(params, "reduce_only"),
        leverage=LEVERAGE_MAX if margin else 0,
        fee_in_base=_choice(params, "fee_preference", "quote", frozenset({"base", "quote"})) == "base",
        cl_ord_id=_word(params, "cl_ord_id", ""),
        userref=parts.userref(params.get("order_userref", 0)),
        validate=json_flag(params, "validate"),
    )


def amend(params: Mapping[str, Any], order_type: str, now_ns: int) -> AmendRequest:
    """amend_order's parameters; the type is that of the order."""
    limit = _spec(params, "limit_price", "limit_price_type", "quote" if order_type in TRAILING else "static")
    trigger = _spec(params, "trigger_price", "trigger_price_type", "quote" if order_type in TRAILING else "static")
    return AmendRequest(
        quantity=json_number(params, "order_qty"),
        limit_price=None if limit is None else limit.value,
        limit_type="static" if limit is None else limit.kind,
        trigger=trigger,
        display=json_number(params, "display_qty"),
        post_only=json_flag(params, "post_only"),
        deadline_ns=parts.time(params.get("deadline"), "deadline") or now_ns + DEADLINE_NS,
        deadline_min_ns=DEADLINE_MIN_NS,
    )


def edit(params: Mapping[str, Any], listing: Listing, order_type: str, now_ns: int) -> EditRequest:
    """edit_order's parameters; the type is that of the order."""
    symbol = _symbol(params, listing)
    triggers = params.get("triggers")
    trigger, reference = _trigger(params, order_type) if triggers is not None else (None, "")
    prefers = _choice(params, "fee_preference", "", frozenset({"base", "quote", ""}))
    kind = "quote" if order_type in TRAILING else "static"
    return EditRequest(
        symbol=symbol,
        quantity=json_number(params, "order_qty"),
        limit=_spec(params, "limit_price", "", kind),
        trigger=trigger,
        reference=reference,
        display=json_number(params, "display_qty"),
        post_only=json_flag(params, "post_only"),
        reduce_only=json_flag(params, "reduce_only"),
        fee_in_base=prefers == "base" if prefers else None,
        userref=parts.userref(params.get("order_userref", 0)),
        deadline_ns=parts.time(params.get("deadline"), "deadline") or now_ns + DEADLINE_NS,
        deadline_min_ns=DEADLINE_MIN_NS,
        validate=json_flag(params, "validate"),
    )


def json_number(params: Mapping[str, Any], name: str) -> Decimal | None:
    """A JSON number with its digits; a text gets Kraken's words (sheet 3.3)."""
    value = _json(params, name)
    return None if value is None else parts.number(value, name)


def json_flag(params: Mapping[str, Any], name: str) -> bool:
    """A JSON boolean."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise RequestError(f"{name.capitalize()} field must be a boolean")
    return value


def _json(params: Mapping[str, Any], name: str) -> int | Decimal | None:
    value = params.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise RequestError(f"{name.capitalize()} field must be a number_float")
    return value


def _symbol(params: Mapping[str, Any], listing: Listing) -> str:
    symbol = params.get("symbol")
    if not isinstance(symbol, str) or symbol not in listing.pairs:
        raise OrderRefused(f"Currency pair not supported {symbol}")
    return symbol


def _spec(params: Mapping[str, Any], name: str, type_name: str, default: str) -> PriceSpec | None:
    """A price with its kind; only one that is relative has a sign."""
    value = _json(params, name)
    kind = _choice(params, type_name, default, PRICE_TYPES) if type_name else default
    if value is None:
        return None
    return PriceSpec(parts.number(value, name) if kind == "static" else parts.signed_number(value, name), kind)


def _limit(params: Mapping[str, Any], order_type: str) -> PriceSpec | None:
    """The limit; only that of a trailing stop may be relative."""
    if order_type not in LIMITED:
        return None
    trails = order_type in TRAILING
    found = _spec(params, "limit_price", "limit_price_type", "quote" if trails else "static")
    if found is None or (found.kind != "static" and not trails):
        raise invalid("limit_price" if found is None else "limit_price_type")
    return found


def _trigger(params: Mapping[str, Any], order_type: str) -> tuple[PriceSpec | None, str]:
    """(trigger, what it looks at). The old names `stop_price` and `trigger` are taken too."""
    triggers = params.get("triggers")
    if triggers is None:
        triggers = {}
        if "stop_price" in params:
            triggers["price"] = params["stop_price"]
        if "trigger" in params:
            triggers["reference"] = params["trigger"]
    elif not isinstance(triggers, dict) or not triggers.keys() <= {"reference", "price", "price_type"}:
        raise invalid("triggers")
    if order_type not in TRIGGERED:
        if triggers or "triggers" in params:
            raise invalid("triggers")
        return None, "last"
    found = _spec(triggers, "price", "price_type", "static")
    trails = order_type in TRAILING
    if found is None or (trails and (found.kind == "static" or found.value <= 0)):
        raise invalid("triggers")
    return found, _choice(triggers, "reference", "last", REFERENCES)


def _conditional(params: Mapping[str, Any], reference: str) -> Close | None:
    row = params.get("conditional")
    if row is None:
        return None
    known = {"order_type", "limit_price", "limit_price_type", "trigger_price", "trigger_price_type", "stop_price"}
    if not isinstance(row, dict) or not row.keys() <= known:
        raise invalid("conditional")
    order_type = _word(row, "order_type", "")
    if order_type not in CLOSE_TYPES:
        raise invalid("conditional")
    trails = order_type in TRAILING
    kind = "quote" if trails else "static"
    limit = _spec(row, "limit_price", "limit_price_type", kind) if order_type in LIMITED else None
    trigger = None
    if order_type in TRIGGERED:
        if "stop_price" in row:
            row = {"trigger_price": row["stop_price"], **row}
        trigger = _spec(row, "trigger_price", "trigger_price_type", kind)
    is_short = (limit is None and order_type in LIMITED) or (trigger is None and order_type in TRIGGERED)
    if is_short or (trails and trigger is not None and (trigger.kind == "static" or trigger.value <= 0)):
        raise invalid("conditional")
    return Close(order_type=order_type, limit=limit, trigger=trigger, reference=reference)


def _word(params: Mapping[str, Any], name: str, default: str) -> str:
    value = params.get(name, default)
    if not isinstance(value, str):
        raise RequestError(f"{name.capitalize()} field must be a string")
    return value


def _choice(params: Mapping[str, Any], name: str, default: str, known: frozenset[str]) -> str:
    value = _word(params, name, default)
    if value not in known:
        raise invalid(name)
    return value
