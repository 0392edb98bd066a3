"""settle-position: a margin position is settled from the balances, without a trade (sheet 3.6; how is not said there)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts import funds
from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import rounded
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders import checks as order_checks
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.orders.request import OrderRefused

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken


def check(exchange: SimulatedKraken, account: Account, order: OwnOrder) -> None:
    """Whether there is such a position and what it takes. Raises OrderRefused."""
    if not order.leverage:
        raise OrderRefused("EGeneral:Invalid arguments:leverage")
    if order_checks.reducible(account, order.market, order.side) < order.quantity:
        raise OrderRefused("EOrder:Unknown position")
    pair, listing = order.market.pair, exchange.feed.listing
    asset = pair.base if order.side == BUY else pair.quote
    needed = order.quantity if order.side == BUY else _opening_cost(account, order)
    if needed > funds.available(account, listing, asset, exchange.now_ns):
        raise OrderRefused("EOrder:Insufficient funds")


def settle(exchange: SimulatedKraken, account: Account, order: OwnOrder, now_ns: int) -> None:
    """Take what was borrowed from the balances, hand over what was bought with it: at the price of the opening, no fee."""
    sign = -1 if order.side == BUY else 1
    cost = _opening_cost(account, order)
    exchange.accounts.settlement.settle(account, order, sign * order.quantity, -sign * cost, now_ns)
    order.filled, order.cost = order.quantity, cost


def _opening_cost(account: Account, order: OwnOrder) -> Decimal:
    """What the settled parts of the positions cost when they were opened, oldest first."""
    left, cost, decimals = order.quantity, Decimal(0), order.market.pair.cost_precision
    for position in account.positions.values():
        if position.market is order.market and position.side != order.side and left:
            taken = min(left, position.open_quantity)
            cost += position.opening_cost(taken, decimals)
            left -= taken
    return rounded(cost, decimals)
