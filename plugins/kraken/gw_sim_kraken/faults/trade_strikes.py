"""What faults do just before a trading request is carried out, by whatever way it came: modes change, orders are filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gw_sim_kraken import modes
from gw_sim_kraken.faults import trade_faults as kinds
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders.own_order import OwnOrder

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

#: Parameters with ids of orders, by either way.
_IDS = ("order_id", "cl_ord_id", "order_userref", "orders", "txid", "cl_ord_ids")


def strike(exchange: SimulatedKraken, scope: tuple[str, str, str], params: Mapping[str, Any]) -> None:
    """Let what is armed for this request happen. `scope`: method, way, account."""
    mode = exchange.trade_faults.take(kinds.MODE, *scope)
    if mode is not None:
        modes.set_system(exchange, mode.system)
    account = exchange.accounts.get(scope[2])
    named = [order for text in _texts(params) for order in account.find_orders(text)]
    resting = [order for order in named if order.number in order.market.engine.orders]
    fills = exchange.trade_faults.take(kinds.FILL, *scope) if resting else None
    if fills is not None:
        _fill(exchange, resting[0], fills.percent)


def _texts(params: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for name in _IDS:
        value = params.get(name, ())
        rows = value if isinstance(value, list) else [value]
        found += [str(row) for row in rows if isinstance(row, str | int)]
    return found


def _fill(exchange: SimulatedKraken, order: OwnOrder, percent: int) -> None:
    """The crowd takes what is ahead of a resting order, then this share of it, in one sweep."""
    market, engine = order.market, order.market.engine
    resting = engine.orders[order.number]
    book, wanted = engine.sides[resting.side], max(1, resting.total * percent // 100)
    for level in book.levels.values():
        if level.price == resting.price:
            # The dict is in the order of the queue; a refilled iceberg has its old number at a new place.
            for one in level.orders.values():
                if one is resting:
                    break
                wanted += one.quantity
            break
        wanted += sum(one.total for one in level.orders.values())
    best = market.best()
    fills = engine.market(1 - resting.side, wanted)
    name = "sell" if resting.side == BUY else "buy"
    exchange.publish(market.emit(exchange.now_ns, best, (name, "market", fills)))
