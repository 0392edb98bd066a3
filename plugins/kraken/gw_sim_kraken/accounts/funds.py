"""What open orders hold back (sheet 2.6: BalanceEx; spot orders only), and what a new one may use."""

from __future__ import annotations

from decimal import Decimal

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import ZERO, rounded_up
from gw_sim_kraken.accounts.tiers import FEES, fee_step
from gw_sim_kraken.market.listing import Listing
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders.own_order import OwnOrder


def need(listing: Listing, order: OwnOrder, fee_percent: Decimal, cost: Decimal) -> tuple[str, Decimal]:
    """(asset, amount) that a spot order may use up: a sell its quantity, a buy its cost, with the fee where it is in that."""
    pair, with_fee = order.market.pair, 1 + fee_percent / 100
    if order.side != BUY:
        amount = order.remaining * with_fee if order.fee_in_base else order.remaining
        return pair.base, rounded_up(amount, listing.assets[pair.base].precision)
    return pair.quote, rounded_up(cost if order.fee_in_base else cost * with_fee, listing.assets[pair.quote].precision)


def hold(listing: Listing, order: OwnOrder, fee_percent: Decimal) -> tuple[str, Decimal] | None:
    """What an open order keeps back; a buy at the market's price, which has none yet, nothing."""
    if order.leverage:
        return None
    if order.cash is not None:
        return need(listing, order, fee_percent, order.cash)
    if order.price is None and order.side == BUY:
        return None
    return need(listing, order, fee_percent, order.remaining * (order.price or ZERO))


def taker_percent(account: Account, now_ns: int) -> Decimal:
    """The fee that a new order pays at most."""
    return FEES[fee_step(account.volume(now_ns))].taker


def holds(account: Account, listing: Listing, now_ns: int) -> dict[str, Decimal]:
    """Held amounts by asset; assets without any are left out."""
    percent = taker_percent(account, now_ns)
    found: dict[str, Decimal] = {}
    for order in account.open_orders.values():
        held = hold(listing, order, percent)
        if held is not None:
            found[held[0]] = found.get(held[0], ZERO) + held[1]
    return found


def available(account: Account, listing: Listing, asset: str, now_ns: int) -> Decimal:
    """Balance without what is held."""
    return account.balance(asset) - holds(account, listing, now_ns).get(asset, ZERO)
