"""Orders, amends and edits as REST writes them (sheet 2.7): all texts. Refusals are OrderRefused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gw_sim_kraken.market.listing import Listing
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders import parsing as parts
from gw_sim_kraken.orders.parsing import invalid
from gw_sim_kraken.orders.request import AmendRequest, Close, EditRequest, OrderRefused, OrderRequest, PriceSpec
from gw_sim_kraken.orders.types import CLOSE_TYPES, LIMITED, REFERENCES, STP_TYPES, TRIGGERED, rises
from gw_sim_kraken.rest.private_body import as_text, flag
from gw_sim_kraken.texts import SECOND_NS

#: A deadline is at least so far ahead.
DEADLINE_MIN_NS = 2 * SECOND_NS
_FLAGS = frozenset({"post", "fcib", "fciq", "nompp", "viqc"})
#: Names of a conditional close as an object, and in a form.
_CLOSE = ("ordertype", "price", "price2")


def order(params: Mapping[str, Any], listing: Listing, now_ns: int) -> OrderRequest:
    """AddOrder's parameters."""
    pair = listing.find(str(params.get("pair", "")))
    if pair is None:
        raise OrderRefused("EQuery:Unknown asset pair")
    flags = {word.strip() for word in str(params.get("oflags", "")).split(",") if word.strip()}
    order_type, side = str(params.get("ordertype", "")), parts.side(params.get("type"))
    is_cash = "viqc" in flags
    if not flags <= _FLAGS or {"fcib", "fciq"} <= flags or (is_cash and (order_type != "market" or side != BUY)):
        raise invalid("oflags")
    quantity = parts.number(params.get("volume"), "volume")
    limit, trigger = _prices(params, order_type, side)
    display = params.get("displayvol")
    return OrderRequest(
        symbol=pair.symbol,
        side=side,
        order_type=order_type,
        quantity=Decimal(0) if is_cash else quantity,
        cash=quantity if is_cash else None,
        limit_price=None if limit is None else limit.value,
        limit_type="static" if limit is None else limit.kind,
        trigger=trigger,
        reference=_word(params, "trigger", "last", REFERENCES),
        display=None if display in (None, "", "0") else parts.number(display, "displayvol"),
        close=_close(params, side),
        stp=_word(params, "stptype", "cancel-newest", {one.replace("_", "-") for one in STP_TYPES}).replace("-", "_"),
        time_in_force=parts.in_force(params.get("timeinforce", "GTC"), "timeinforce"),
        start_ns=_when(str(params.get("starttm", "0")), "starttm", now_ns),
        expire_ns=_when(str(params.get("expiretm", "0")), "expiretm", now_ns),
        deadline_ns=parts.time(params.get("deadline"), "deadline"),
        deadline_min_ns=DEADLINE_MIN_NS,
        post_only="post" in flags,
        reduce_only=flag(params, "reduce_only"),
        leverage=_leverage(params.get("leverage", "none")),
        fee_in_base="fcib" in flags,
        cl_ord_id=str(params.get("cl_ord_id", "")),
        userref=parts.userref(params.get("userref", "0")),
        validate=flag(params, "validate"),
    )


def amend(params: Mapping[str, Any], side: int, order_type: str) -> AmendRequest:
    """AmendOrder's parameters; side and type are those of the order, for relative prices."""
    quantity, display = params.get("order_qty"), params.get("display_qty")
    # A limit that was an offset may be amended to a price: once it is triggered it is one.
    limit = _price(params, "limit_price", "limit", side, of_limit=True)
    trigger = _price(params, "trigger_price", order_type, side, of_limit=False)
    return AmendRequest(
        quantity=None if quantity is None else parts.number(quantity, "order_qty"),
        limit_price=None if limit is None else limit.value,
        limit_type="static" if limit is None else limit.kind,
        trigger=trigger,
        display=None if display is None else parts.number(display, "display_qty"),
        post_only=flag(params, "post_only"),
        deadline_ns=parts.time(params.get("deadline"), "deadline"),
        deadline_min_ns=DEADLINE_MIN_NS,
    )


def edit(params: Mapping[str, Any], listing: Listing, side: int, order_type: str) -> EditRequest:
    """EditOrder's parameters; side and type are those of the order, for relative prices."""
    pair = listing.find(str(params.get("pair", "")))
    if pair is None:
        raise OrderRefused("EQuery:Unknown asset pair")
    flags = {word.strip() for word in str(params.get("oflags", "")).split(",") if word.strip()}
    if not flags <= {"post"}:
        raise invalid("oflags")
    quantity, display = params.get("volume"), params.get("displayvol")
    name = "price2" if order_type in TRIGGERED else "price"
    trigger = _price(params, "price", order_type, side, of_limit=False) if order_type in TRIGGERED else None
    return EditRequest(
        symbol=pair.symbol,
        quantity=None if quantity is None else parts.number(quantity, "volume"),
        limit=_price(params, name, order_type, side, of_limit=True) if order_type in LIMITED else None,
        trigger=trigger,
        display=None if display is None else parts.number(display, "displayvol"),
        post_only="post" in flags,
        userref=parts.userref(params.get("userref", "0")),
        deadline_ns=parts.time(params.get("deadline"), "deadline"),
        deadline_min_ns=DEADLINE_MIN_NS,
        validate=flag(params, "validate"),
    )


def _prices(params: Mapping[str, Any], order_type: str, side: int) -> tuple[PriceSpec | None, PriceSpec | None]:
    """(limit, trigger): `price` is the limit, or of triggered types the trigger; then `price2` is the limit."""
    if order_type not in TRIGGERED:
        if params.get("price2") not in (None, "", "0"):
            raise invalid("price2")
        limit = _price(params, "price", order_type, side, of_limit=True) if order_type in LIMITED else None
        if limit is None and order_type in LIMITED:
            raise invalid("price")
        return limit, None
    trigger = _price(params, "price", order_type, side, of_limit=False)
    if trigger is None:
        raise invalid("price")
    limit = _price(params, "price2", order_type, side, of_limit=True) if order_type in LIMITED else None
    if limit is None and order_type in LIMITED:
        raise invalid("price2")
    return limit, trigger


def _price(params: Mapping[str, Any], name: str, order_type: str, side: int, *, of_limit: bool) -> PriceSpec | None:
    """One price; None where it is not given."""
    text = params.get(name)
    if text is None or text == "":
        return None
    if of_limit:
        # A limit waits on its own side of the market; only the trigger of a trailing stop has to be an offset.
        found = parts.relative_price(str(text), name, "limit", falls=side == BUY)
        if order_type == "trailing-stop-limit" and found.kind == "static":
            raise invalid(name)
        return found
    return parts.relative_price(str(text), name, order_type, falls=not rises(order_type, is_buy=side == BUY))


def _close(params: Mapping[str, Any], side: int) -> Close | None:
    """A conditional close: an object in JSON, `close[...]` in a form. It is an order of the other side."""
    given = params.get("close")
    if given is not None and not isinstance(given, dict):
        raise invalid("close")
    row = {name: as_text(given[name]) for name in _CLOSE if name in given} if given else {}
    row |= {name: params[f"close[{name}]"] for name in _CLOSE if f"close[{name}]" in params}
    if not row:
        if given:
            raise invalid("close")
        return None
    order_type = row.get("ordertype", "")
    if order_type not in CLOSE_TYPES:
        raise invalid("close[ordertype]")
    try:
        limit, trigger = _prices(row, order_type, 1 - side)
    except OrderRefused as refusal:
        raise invalid(f"close[{str(refusal).rpartition(':')[2]}]") from None
    return Close(
        order_type=order_type,
        limit=limit,
        trigger=trigger,
        reference=_word(params, "trigger", "last", REFERENCES),
    )


def _word(params: Mapping[str, Any], name: str, default: str, known: frozenset[str] | set[str]) -> str:
    value = str(params.get(name, default)) or default
    if value not in known:
        raise invalid(name)
    return value


def _when(text: str, name: str, now_ns: int) -> int:
    """0, unix seconds, or seconds from now."""
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len("9999999999"):
        raise invalid(name)
    seconds = int(digits) * SECOND_NS
    return now_ns + seconds if text.startswith("+") else seconds


def _leverage(value: Any) -> int:
    text = str(value).partition(":")[0]
    if text in ("none", "", "0"):
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 3:
        raise invalid("leverage")
    return int(text)
