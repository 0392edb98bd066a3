"""Private REST: trades, positions, ledgers (sheet 2.6). What REST does not know yet is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import ZERO, fixed
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.accounts.position import Position
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.names import asset_id
from gw_sim_kraken.orders.own_order import OwnFill
from gw_sim_kraken.orders.types import trade_words
from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.rest.orders import WIDE_DECIMALS
from gw_sim_kraken.rest.pages import page, seconds
from gw_sim_kraken.rest.private_body import flag
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.rest.private import Caller

QUERY_MAX = 20
_ROLLOVER_NS = 4 * 3_600 * SECOND_NS
_NET_DECIMALS = 4


def trades_history(caller: Caller) -> Any:
    """TradesHistory: a page of 50, newest first."""
    kind = caller.params.get("type", "all")
    rows = [
        fill for fill in caller.account.fills if caller.sees(fill.time_ns) and _is_of_kind(fill, kind, caller.account)
    ]
    found, count = page(rows, caller.params, lambda fill: fill.time_ns, lambda fill: fill.exec_id)
    with_ledgers = flag(caller.params, "ledgers")
    result: dict[str, Any] = {
        "trades": {fill.exec_id: _trade_row(caller.account, fill, with_ledgers=with_ledgers) for fill in found}
    }
    if not flag(caller.params, "without_count"):
        result["count"] = count
    return result


def query_trades(caller: Caller) -> Any:
    """QueryTrades: up to 20 by id."""
    known = {fill.exec_id: fill for fill in caller.account.fills if caller.sees(fill.time_ns)}
    texts = _ids(caller, "txid")
    if any(text not in known for text in texts):
        raise ApiError("EQuery:Unknown trade")
    return {text: _trade_row(caller.account, known[text], with_ledgers=True) for text in texts}


def open_positions(caller: Caller) -> Any:
    """OpenPositions by the id of the trade that opened them; `value` and `net` with `docalcs`."""
    wanted = str(caller.params.get("txid", ""))
    chosen = {text.strip() for text in wanted.split(",") if text.strip()}
    calculated = flag(caller.params, "docalcs")
    return {
        position.position_id: _position_row(caller, position, calculated=calculated)
        for position in caller.account.positions.values()
        if caller.sees(position.opened_ns) and (not chosen or position.position_id in chosen)
    }


def ledgers(caller: Caller) -> Any:
    """Ledgers: a page of 50, newest first; by asset and type where asked for."""
    asset, kind = caller.params.get("asset", "all"), caller.params.get("type", "all")
    assets = {name.strip() for name in asset.split(",")}
    rows = [
        entry
        for entry in caller.account.ledger
        if caller.sees(entry.time_ns)
        and (asset == "all" or not assets.isdisjoint((entry.asset, asset_id(entry.asset))))
        and kind in ("all", entry.kind)
    ]
    found, count = page(rows, caller.params, lambda entry: entry.time_ns, lambda entry: entry.ledger_id)
    result: dict[str, Any] = {"ledger": {entry.ledger_id: _ledger_row(caller, entry) for entry in found}}
    if not flag(caller.params, "without_count"):
        result["count"] = count
    return result


def query_ledgers(caller: Caller) -> Any:
    """QueryLedgers: up to 20 by id."""
    known = {entry.ledger_id: entry for entry in caller.account.ledger if caller.sees(entry.time_ns)}
    texts = _ids(caller, "id")
    if any(text not in known for text in texts):
        raise ApiError("EQuery:Unknown ledger")
    return {text: _ledger_row(caller, known[text]) for text in texts}


def _ids(caller: Caller, name: str) -> list[str]:
    texts = [text.strip() for text in str(caller.params.get(name, "")).split(",") if text.strip()]
    if not 0 < len(texts) <= QUERY_MAX:
        raise ApiError(f"EGeneral:Invalid arguments:{name}")
    return texts


def _is_of_kind(fill: OwnFill, kind: str, account: Account) -> bool:
    if kind == "all":
        return True
    has_position = bool(fill.position_status)
    if kind == "no position":
        return not has_position
    if kind == "any position":
        return has_position
    if kind == "closing position":
        return fill.is_closing
    if kind == "closed position":
        return has_position and fill.position_id not in account.positions
    raise ApiError("EGeneral:Invalid arguments:type")


def _trade_row(account: Account, fill: OwnFill, *, with_ledgers: bool) -> dict[str, Any]:
    order = fill.order
    pair = order.market.pair
    row: dict[str, Any] = {
        "ordertxid": order.order_id,
        "postxid": fill.position_id or account.post_id,
        "pair": pair.rest_key,
        "time": seconds(fill.time_ns),
        "type": order.side_name,
        "ordertype": trade_words(order.order_type),
        "price": fixed(fill.price, max(WIDE_DECIMALS, pair.price_precision)),
        "cost": fixed(fill.cost, pair.cost_precision),
        "fee": fixed(fill.fee_in_quote, pair.cost_precision),
        "vol": fixed(fill.quantity, pair.qty_precision),
        "margin": fixed(fill.margin, pair.cost_precision),
        "leverage": str(order.leverage),
        "misc": "closing" if fill.is_closing else "",
        "trade_id": fill.trade_id,
        "maker": fill.is_maker,
    }
    if fill.position_id == fill.exec_id:
        row["posstatus"] = "open" if fill.position_id in account.positions else "closed"
    if with_ledgers:
        row["ledgers"] = list(fill.ledger_ids)
    return row


def _position_row(caller: Caller, position: Position, *, calculated: bool) -> dict[str, Any]:
    pair = position.market.pair
    held_ns = max(0, caller.now_ns - position.opened_ns)
    row = {
        "ordertxid": position.order_id,
        "posstatus": "open",
        "pair": pair.rest_key,
        "time": seconds(position.opened_ns),
        "type": "buy" if position.side == BUY else "sell",
        "ordertype": position.order_type,
        "cost": fixed(position.cost, pair.cost_precision),
        "fee": fixed(position.fee, pair.cost_precision),
        "vol": fixed(position.quantity, pair.qty_precision),
        "vol_closed": fixed(position.closed_quantity, pair.qty_precision),
        "margin": fixed(position.margin, pair.cost_precision),
    }
    if calculated:
        _, value, net = caller.exchange.accounts.valuation.position_value(position)
        row["value"] = fixed(value, 1)
        row["net"] = ("+" if net >= ZERO else "") + fixed(net, _NET_DECIMALS)
    rollover_ns = position.opened_ns + (held_ns // _ROLLOVER_NS + 1) * _ROLLOVER_NS
    return {
        **row,
        "terms": "0.0100% per 4 hours",
        "rollovertm": str(rollover_ns // SECOND_NS),
        "misc": "",
        "oflags": "",
    }


def _ledger_row(caller: Caller, entry: LedgerEntry) -> dict[str, Any]:
    decimals = caller.exchange.feed.listing.assets[entry.asset].precision
    return {
        "refid": entry.ref_id,
        "time": seconds(entry.time_ns),
        "type": entry.kind,
        "subtype": "",
        "aclass": "currency",
        "asset": asset_id(entry.asset),
        "amount": fixed(entry.amount, decimals),
        "fee": fixed(entry.fee, decimals),
        "balance": fixed(entry.balance, decimals),
    }
