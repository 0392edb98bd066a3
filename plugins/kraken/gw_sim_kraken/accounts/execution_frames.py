"""Rows of the `executions` channel as JSON text (sheet 4.12): key order of recorded frames, fixed-width numbers.

After the first report of an order the rows are deltas: many have neither symbol nor side nor price.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from gw_sim_kraken.accounts.amounts import ZERO, fixed, plain
from gw_sim_kraken.orders.own_order import CANCELED, EXPIRED, FILLED, PARTIAL, PENDING, OwnFill, OwnOrder
from gw_sim_kraken.orders.request import PriceSpec
from gw_sim_kraken.texts import second_text, time_text

#: Decimals of `fee_usd_equiv` where the quote asset is not the dollar.
_USD_DECIMALS = 4
_Field = tuple[str, str]


def frame(kind: str, rows: Iterable[str], sequence: int) -> bytes:
    """A snapshot or an update with its place in the subscription."""
    return f'{{"channel":"executions","type":"{kind}","data":[{",".join(rows)}],"sequence":{sequence}}}'.encode()


def report(order: OwnOrder, exec_type: str, time_ns: int) -> str:
    """What became of an order: pending_new in full, all else only what changed."""
    if exec_type == PENDING:
        return _row(_in_full(order, PENDING, PENDING, time_ns))
    if exec_type in ("amended", "restated"):
        return _row(_amended(order, exec_type, time_ns))
    if exec_type == "iceberg_refill":
        return _row([*_change(order, exec_type, time_ns), *_display(order), *_ids(order)])
    if exec_type == "status":
        return _row([*_change(order, exec_type, time_ns), *reversed(_price(order)), *_triggers(order), *_ids(order)])
    fields = _change(order, exec_type, time_ns)
    if exec_type in (FILLED, CANCELED, EXPIRED):
        fields += _sums(order)
    fields.append(_reference(order))
    if exec_type in (CANCELED, EXPIRED) and order.reason:
        # The deprecated name is still sent beside the new one.
        fields += [("cancel_reason", _text(order.reason)), ("reason", _text(order.reason))]
    return _row([*fields, ("order_id", _text(order.order_id))])


def open_order(order: OwnOrder) -> str:
    """An open order in the snapshot: in full, with what is filled. No such frame was recorded: keys are those of updates."""
    exec_type = order.status if order.status == PENDING else "new"
    fields = _in_full(order, exec_type, order.status, order.changed_ns)
    return _row([*fields[:-1], *_sums(order), fields[-1]])


def trade(fill: OwnFill, cum_quantity: Decimal, cum_cost: Decimal, cum_average: Decimal) -> str:
    """A fill with the order's sums after it. The status is partially_filled even for the last one: `filled` follows."""
    pair = fill.order.market.pair
    sums = [
        ("order_status", _text(PARTIAL)),
        ("cum_qty", fixed(cum_quantity, pair.qty_precision)),
        ("cum_cost", fixed(cum_cost, pair.cost_precision)),
        ("avg_price", fixed(cum_average, pair.price_precision)),
    ]
    head, tail = _trade_fields(fill)
    order_type, time = ("order_type", _text(fill.order.order_type)), ("timestamp", _text(time_text(fill.time_ns)))
    return _row([*head, order_type, time, *sums, *tail])


def past_trade(fill: OwnFill) -> str:
    """A fill in the snapshot: order_status filled, no sums of the order."""
    head, tail = _trade_fields(fill)
    order_type, time = ("order_type", _text(fill.order.order_type)), ("timestamp", _text(time_text(fill.time_ns)))
    return _row([*head, ("order_status", _text(FILLED)), order_type, time, *tail])


def with_ratecount(row: str, points: str) -> str:
    """The engine counter behind a row. The field's name in v2 is not documented: this is v1's."""
    return f'{row[:-1]},"ratecount":{points}}}'


def _row(fields: Iterable[_Field]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields) + "}"


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()


def _reference(order: OwnOrder) -> _Field:
    """cl_ord_id and userref exclude each other; without either a userref of 0 is shown."""
    if order.cl_ord_id:
        return "cl_ord_id", _text(order.cl_ord_id)
    return "order_userref", str(order.userref)


def _ids(order: OwnOrder) -> list[_Field]:
    return [_reference(order), ("order_id", _text(order.order_id))]


def _change(order: OwnOrder, exec_type: str, time_ns: int) -> list[_Field]:
    """What every delta begins with."""
    return [
        ("timestamp", _text(time_text(time_ns))),
        ("order_status", _text(order.status)),
        ("exec_type", _text(exec_type)),
    ]


def _fee_usd(order: OwnOrder, value: Decimal) -> _Field:
    pair = order.market.pair
    return "fee_usd_equiv", fixed(value, pair.cost_precision if pair.quote == "USD" else _USD_DECIMALS)


def _sums(order: OwnOrder) -> list[_Field]:
    pair = order.market.pair
    return [
        ("cum_qty", fixed(order.filled, pair.qty_precision)),
        ("cum_cost", fixed(order.cost, pair.cost_precision)),
        _fee_usd(order, order.fee_usd),
        ("avg_price", fixed(order.average(), pair.price_precision)),
    ]


def _flags(order: OwnOrder) -> list[_Field]:
    """Present only where they are true."""
    named = {"post_only": order.post_only, "reduce_only": order.reduce_only, "margin": bool(order.leverage)}
    return [(name, "true") for name, value in {**named, "amended": order.amended}.items() if value]


def _price(order: OwnOrder) -> list[_Field]:
    if order.limit_price is None:
        return []
    decimals = order.market.pair.price_precision
    kind = order.limit.kind if order.limit is not None and order.is_trailing else "static"
    return [("limit_price_type", _text(kind)), ("limit_price", fixed(order.limit_price, decimals))]


def _display(order: OwnOrder) -> list[_Field]:
    """Of an iceberg: what it shows at most, and what is seen of it now."""
    if order.display is None:
        return []
    decimals = order.market.pair.qty_precision
    return [("display_qty", fixed(order.display, decimals)), ("display_qty_remain", fixed(order.shown, decimals))]


def _quantity(order: OwnOrder) -> list[_Field]:
    """In the base asset, or what a cash order spends of the quote asset."""
    pair = order.market.pair
    if order.cash is not None:
        return [("cash_order_qty", fixed(order.cash, pair.cost_precision))]
    return [("order_qty", fixed(order.quantity, pair.qty_precision))]


def _spec(order: OwnOrder, spec: PriceSpec) -> str:
    """A price or an offset; percentages are as they were given."""
    return plain(spec.value) if spec.kind == "pct" else fixed(spec.value, order.market.pair.price_precision)


def _triggers(order: OwnOrder) -> list[_Field]:
    """What a triggered order waits for, or what it waited for. `price` is that of now, or a trailing stop's offset."""
    trigger = order.trigger
    if trigger is None:
        return []
    decimals = order.market.pair.price_precision
    kind = trigger.spec.kind if order.is_trailing else "static"
    price = _spec(order, trigger.spec) if order.is_trailing else fixed(trigger.price, decimals)
    fields = [
        ("reference", _text(trigger.reference)),
        ("price", price),
        ("price_type", _text(kind)),
        ("actual_price", fixed(trigger.price, decimals)),
        *([("peak_price", fixed(trigger.peak, decimals))] if order.is_trailing else []),
        ("last_price", fixed(trigger.last_price, decimals)),
        ("status", '"triggered"' if trigger.is_fired else '"untriggered"'),
        *([("timestamp", _text(time_text(trigger.fired_ns)))] if trigger.is_fired else []),
    ]
    return [("triggers", _row(fields))]


def _contingent(order: OwnOrder) -> list[_Field]:
    """The conditional close."""
    close = order.close
    if close is None:
        return []
    fields = [("order_type", _text(close.order_type))]
    for name, spec in (("trigger_price", close.trigger), ("limit_price", close.limit)):
        if spec is not None:
            fields += [(name, _spec(order, spec)), (f"{name}_type", _text(spec.kind))]
    return [("contingent", _row(fields))]


def _in_full(order: OwnOrder, exec_type: str, status: str, time_ns: int) -> list[_Field]:
    pair = order.market.pair
    is_new = exec_type == PENDING
    return [
        ("order_id", _text(order.order_id)),
        ("symbol", _text(pair.symbol)),
        *_quantity(order),
        *([("cum_cost", fixed(ZERO, pair.cost_precision))] if is_new else []),
        ("time_in_force", _text(order.time_in_force)),
        ("exec_type", _text(exec_type)),
        ("side", _text(order.side_name)),
        ("order_type", _text(order.order_type)),
        _reference(order),
        *_price(order),
        *_display(order),
        *([("effective_time", _text(second_text(order.start_ns)))] if order.start_ns else []),
        *([("expire_time", _text(second_text(order.expire_ns)))] if order.expire_ns else []),
        ("stop_price", fixed(ZERO if order.trigger is None else order.trigger.price, pair.price_precision)),
        *_triggers(order),
        *_contingent(order),
        *([("ord_ref_id", _text(order.parent_id))] if order.parent_id else []),
        ("order_status", _text(status)),
        *_flags(order),
        *([_fee_usd(order, ZERO)] if is_new else []),
        ("fee_ccy_pref", _text(order.fee_preference)),
        ("timestamp", _text(time_text(time_ns))),
    ]


def _amended(order: OwnOrder, exec_type: str, time_ns: int) -> list[_Field]:
    pair = order.market.pair
    return [
        ("timestamp", _text(time_text(time_ns))),
        ("exec_type", _text(exec_type)),
        ("order_status", _text(order.status)),
        ("cum_qty", fixed(order.filled, pair.qty_precision)),
        ("reason", _text(order.amendments[-1].reason if order.amendments else "")),
        ("amended", "true"),
        *_quantity(order),
        *reversed(_price(order)),
        *_display(order),
        *_triggers(order),
        _reference(order),
        ("order_id", _text(order.order_id)),
    ]


def _trade_fields(fill: OwnFill) -> tuple[list[_Field], list[_Field]]:
    """What stands before and behind order type, time and status."""
    order = fill.order
    pair = order.market.pair
    in_base = fill.fee_asset == pair.base
    fee = format(fill.fee, "f") if in_base else fixed(fill.fee, pair.cost_precision)
    margin = [("margin", "true"), ("position_status", _text(fill.position_status))] if fill.position_status else []
    head = [
        ("order_id", _text(order.order_id)),
        _reference(order),
        ("exec_id", _text(fill.exec_id)),
        ("exec_type", '"trade"'),
        ("trade_id", str(fill.trade_id)),
        ("symbol", _text(pair.symbol)),
        ("side", _text(order.side_name)),
        ("last_qty", fixed(fill.quantity, pair.qty_precision)),
        ("last_price", fixed(fill.price, pair.price_precision)),
        ("liquidity_ind", '"m"' if fill.is_maker else '"t"'),
        *margin,
        ("cost", fixed(fill.cost, pair.cost_precision)),
    ]
    return head, [_fee_usd(order, fill.fee_usd), ("fees", f'[{{"asset":{_text(fill.fee_asset)},"qty":{fee}}}]')]
