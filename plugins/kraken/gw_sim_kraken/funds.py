"""What open orders hold back (sheet 2.6: BalanceEx; spot orders only), and what a new one may use."""

from __future__ import annotations

from decimal import Decimal

from gw_sim_kraken.account import Account
from gw_sim_kraken.amounts import ZERO, rounded_up
from gw_sim_kraken.listing import Listing, Pair
from gw_sim_kraken.matching import BUY
from gw_sim_kraken.tiers import FEES, fee_step


def spot_need(
    listing: Listing, pair: Pair, side: int, quantity: Decimal, cost: Decimal, fee_percent: Decimal
) -> tuple[str, Decimal]:
    """(asset, amount) that a spot order may use up: a sell its quantity, a buy its cost with the fee."""
    if side != BUY:
        return pair.base, rounded_up(quantity, listing.assets[pair.base].precision)
    return pair.quote, rounded_up(cost * (1 + fee_percent / 100), listing.assets[pair.quote].precision)


def taker_percent(account: Account, now_ns: int) -> Decimal:
    """The fee that a new order pays at most."""
    return FEES[fee_step(account.volume(now_ns))].taker


def holds(account: Account, listing: Listing, now_ns: int) -> dict[str, Decimal]:
    """Held amounts by asset; assets without any are left out."""
    percent = taker_percent(account, now_ns)
    found: dict[str, Decimal] = {}
    for order in account.open_orders.values():
        if not order.leverage and order.limit_price is not None:
            cost = order.remaining * order.limit_price
            asset, amount = spot_need(listing, order.market.pair, order.side, order.remaining, cost, percent)
            found[asset] = found.get(asset, ZERO) + amount
    return found


def available(account: Account, listing: Listing, asset: str, now_ns: int) -> Decimal:
    """Balance without what is held."""
    return account.balance(asset) - holds(account, listing, now_ns).get(asset, ZERO)
