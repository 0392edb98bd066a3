"""Whether a new order is taken (sheet 2.2, 3.6-3.8): modes, precision, minimums, ids, funds. Raises OrderRefused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from gw_sim_kraken import funds
from gw_sim_kraken.account import Account
from gw_sim_kraken.amounts import AMOUNT_MAX, from_scaled, to_scaled
from gw_sim_kraken.listing import Pair
from gw_sim_kraken.market import PairMarket
from gw_sim_kraken.order_request import OrderRefused, OrderRequest
from gw_sim_kraken.own_order import OwnOrder
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

LEVERAGE_MAX = 5
#: A UUID with dashes, 32 hexadecimal digits, or free text (sheet 3.5).
_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x20-\x7e]{1,18}")
_DEADLINE_MAX_NS = 60 * SECOND_NS


def check_deadline(exchange: SimulatedKraken, deadline_ns: int) -> None:
    """Whether the engine still takes what must be done by then (0: whenever)."""
    if deadline_ns and deadline_ns < exchange.venue_ns():
        raise OrderRefused("EService:Deadline elapsed")
    if deadline_ns > exchange.venue_ns() + _DEADLINE_MAX_NS:
        raise OrderRefused("EGeneral:Invalid arguments:deadline")


def check_mode(exchange: SimulatedKraken, pair: Pair, *, post_only: bool, is_market: bool) -> None:
    """Whether the exchange and the pair take new orders of this kind now."""
    mode = exchange.system if exchange.system != "online" else pair.status
    if mode in ("maintenance", "delisted", "work_in_progress"):
        raise OrderRefused("EService:Unavailable")
    if mode == "cancel_only":
        raise OrderRefused("EService:Market in cancel_only mode")
    if mode == "post_only" and not post_only:
        raise OrderRefused("EService:Market in post_only mode")
    if mode == "limit_only" and is_market:
        raise OrderRefused("EService:Market in limit_only mode")


def check_new(exchange: SimulatedKraken, account: Account, market: PairMarket, request: OrderRequest) -> None:
    """All that can be said before the order meets the book."""
    pair = market.pair
    check_deadline(exchange, request.deadline_ns)
    check_mode(exchange, pair, post_only=request.post_only, is_market=request.order_type == "market")
    if request.order_type not in ("limit", "market"):
        raise OrderRefused("EGeneral:Invalid arguments:ordertype")
    if (request.limit_price is None) != (request.order_type == "market"):
        raise OrderRefused("EGeneral:Invalid arguments:price")
    if request.order_type == "market" and (request.post_only or request.time_in_force == "FOK"):
        raise OrderRefused("EGeneral:Invalid arguments")
    if request.time_in_force == "GTD" and request.expire_ns <= exchange.venue_ns():
        raise OrderRefused("EGeneral:Invalid arguments:expiretm")
    check_amounts(pair, request.quantity, request.limit_price)
    if request.cl_ord_id and not _CLIENT_ID.fullmatch(request.cl_ord_id):
        raise OrderRefused("EGeneral:Invalid arguments:cl_ord_id")
    if request.cl_ord_id and request.userref:
        raise OrderRefused("EGeneral:Invalid arguments:cl_ord_id and userref are mutually exclusive")
    if request.cl_ord_id and any(one.cl_ord_id == request.cl_ord_id for one in account.open_orders.values()):
        raise OrderRefused("EGeneral:Invalid arguments:cl_ord_id")
    count = sum(one.market is market for one in account.open_orders.values())
    if exchange.settings.engine_limits and count >= account.tier.open_orders_max:
        raise OrderRefused("EOrder:Orders limit exceeded")
    _check_leverage(account, market, request)
    check_funds(exchange, account, market, request, None)


def check_amounts(pair: Pair, quantity: Decimal, price: Decimal | None) -> None:
    """Digits and minimums."""
    if quantity <= 0 or quantity != from_scaled(to_scaled(quantity, pair.qty_precision), pair.qty_precision):
        raise OrderRefused("EGeneral:Invalid arguments:volume")
    if quantity < Decimal(pair.qty_min):
        raise OrderRefused("EGeneral:Invalid arguments:volume minimum not met")
    if quantity > AMOUNT_MAX:
        raise OrderRefused("EGeneral:Invalid arguments:volume")
    if price is None:
        return
    if price > AMOUNT_MAX or quantity * price > AMOUNT_MAX:
        raise OrderRefused("EOrder:Insufficient funds")
    if price <= 0:
        raise OrderRefused("EGeneral:Invalid arguments:price")
    if price != from_scaled(to_scaled(price, pair.price_precision), pair.price_precision):
        raise OrderRefused(
            f"EOrder:Invalid price:{pair.rest_key} price can only be specified up to {pair.price_precision} decimals."
        )
    if price % Decimal(pair.tick_text):
        raise OrderRefused("EOrder:Tick size check failed")
    if price * quantity < Decimal(pair.cost_min):
        raise OrderRefused("EOrder:Cost minimum not met")


def check_funds(
    exchange: SimulatedKraken, account: Account, market: PairMarket, request: OrderRequest, instead_of: OwnOrder | None
) -> None:
    """Whether what the order may use up is there. `instead_of`: an order whose hold it takes over."""
    pair, listing, now_ns = market.pair, exchange.feed.listing, exchange.now_ns
    if request.limit_price is None:
        scaled = to_scaled(request.quantity, pair.qty_precision)
        notional = market.engine.offered(request.side, scaled, None)[1]
        cost = from_scaled(notional, pair.qty_precision + pair.price_precision)
    else:
        cost = request.quantity * request.limit_price
    if request.leverage:
        if reducible(account, market, request.side) >= request.quantity:
            return
        valuation = exchange.accounts.valuation
        if cost / request.leverage * valuation.rate(pair.quote) > valuation.figures(account).free:
            raise OrderRefused("EOrder:Insufficient margin")
        return
    percent = funds.taker_percent(account, now_ns)
    asset, needed = funds.spot_need(listing, pair, request.side, request.quantity, cost, percent)
    free = funds.available(account, listing, asset, now_ns)
    if instead_of is not None and instead_of.limit_price is not None:
        held = instead_of.remaining * instead_of.limit_price
        free += funds.spot_need(listing, pair, request.side, instead_of.remaining, held, percent)[1]
    if needed > free:
        raise OrderRefused("EOrder:Insufficient funds")


def reducible(account: Account, market: PairMarket, side: int) -> Decimal:
    """What of the positions of a market an order of this side would close."""
    return sum(
        (one.open_quantity for one in account.positions.values() if one.market is market and one.side != side),
        Decimal(0),
    )


def _check_leverage(account: Account, market: PairMarket, request: OrderRequest) -> None:
    if request.leverage and not (market.pair.marginable and 2 <= request.leverage <= LEVERAGE_MAX):
        raise OrderRefused("EGeneral:Invalid arguments:leverage")
    if not request.reduce_only:
        return
    if not request.leverage:
        raise OrderRefused("EGeneral:Invalid arguments:reduce_only")
    if not reducible(account, market, request.side):
        raise OrderRefused("EOrder:Reduce only:No position exists")
