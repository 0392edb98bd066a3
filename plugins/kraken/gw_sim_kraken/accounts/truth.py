"""The truth about accounts, for oracles: what they own and did, as exact decimal text. Never a key or a secret."""

from __future__ import annotations

from typing import Any

from gw_sim_kraken.accounts import funds
from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import plain
from gw_sim_kraken.accounts.ledger import LedgerEntry
from gw_sim_kraken.accounts.position import Position
from gw_sim_kraken.market.listing import Listing
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders.own_order import OwnFill, OwnOrder


def account_truth(account: Account, listing: Listing, now_ns: int) -> dict[str, Any]:
    """All of one account, oldest rows first. Amounts are decimal text, assets and symbols v2 names, times ns."""
    return {
        "account": account.name,
        "time_ns": now_ns,
        "balances": {asset: plain(amount) for asset, amount in account.balances.items()},
        "holds": {asset: plain(amount) for asset, amount in funds.holds(account, listing, now_ns).items()},
        "volume_usd": plain(account.volume(now_ns)),
        "orders_made": account.orders_made,
        "fills_made": account.fills_made,
        "orders": [order_truth(order) for order in account.orders.values()],
        "fills": [fill_truth(fill) for fill in account.fills],
        "positions": [_position(one) for one in account.positions.values()],
        "closed_positions": [_position(one) for one in account.closed_positions],
        "ledger": [_entry(entry) for entry in account.ledger],
    }


def order_truth(order: OwnOrder) -> dict[str, Any]:
    """One order as it is now."""
    return {
        "order_id": order.order_id,
        "cl_ord_id": order.cl_ord_id,
        "userref": order.userref,
        "symbol": order.symbol,
        "side": order.side_name,
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
        "leverage": order.leverage,
        "status": order.status,
        "reason": order.reason,
        "quantity": plain(order.quantity),
        "limit_price": None if order.limit_price is None else plain(order.limit_price),
        "trigger_price": None if order.trigger is None else plain(order.trigger.price),
        "is_triggered": order.trigger is not None and order.trigger.is_fired,
        "display_quantity": None if order.display is None else plain(order.display),
        "cash": None if order.cash is None else plain(order.cash),
        "close": None if order.close is None else order.close.order_type,
        "parent_id": order.parent_id,
        "post_only": order.post_only,
        "reduce_only": order.reduce_only,
        "expire_ns": order.expire_ns,
        "amendments": len(order.amendments) - 1,
        "filled": plain(order.filled),
        "cost": plain(order.cost),
        "fee": plain(order.fee),
        "opened_ns": order.opened_ns,
        "closed_ns": order.closed_ns,
        "fills": [fill.exec_id for fill in order.fills],
    }


def fill_truth(fill: OwnFill) -> dict[str, Any]:
    """One fill."""
    return {
        "exec_id": fill.exec_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order.order_id,
        "symbol": fill.order.symbol,
        "side": fill.order.side_name,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "cost": plain(fill.cost),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "is_maker": fill.is_maker,
        "position_status": fill.position_status,
        "position_id": fill.position_id,
        "time_ns": fill.time_ns,
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "position_id": position.position_id,
        "order_id": position.order_id,
        "symbol": position.symbol,
        "side": "long" if position.side == BUY else "short",
        "leverage": position.leverage,
        "quantity": plain(position.quantity),
        "closed_quantity": plain(position.closed_quantity),
        "price": plain(position.price),
        "cost": plain(position.cost),
        "fee": plain(position.fee),
        "margin": plain(position.margin),
        "closed_cost": plain(position.closed_cost),
        "closed_fee": plain(position.closed_fee),
        "profit": plain(position.profit),
        "opened_ns": position.opened_ns,
    }


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "ledger_id": entry.ledger_id,
        "ref_id": entry.ref_id,
        "kind": entry.kind,
        "asset": entry.asset,
        "amount": plain(entry.amount),
        "fee": plain(entry.fee),
        "balance": plain(entry.balance),
        "time_ns": entry.time_ns,
    }
