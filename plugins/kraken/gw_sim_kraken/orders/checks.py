"""Whether a new order is taken (sheet 2.2, 3.6-3.8): its fields, modes, ids, limits, funds. Raises OrderRefused."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts import funds
from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import AMOUNT_MAX, from_scaled, to_scaled
from gw_sim_kraken.market.listing import Pair
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.matching import BUY
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.orders.request import OrderRefused, OrderRequest
from gw_sim_kraken.orders.types import ICEBERG, LIMIT, LIMITED, MARKET, ORDER_TYPES, SETTLE, TRIGGERED
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

LEVERAGE_MAX = 5
#: An iceberg shows at least this part of itself.
DISPLAY_PART = 15
#: Orders of one account that wait for their time: the sheet has the refusal and no number.
SCHEDULED_MAX = 100
#: A UUID with dashes, 32 hexadecimal digits, or free text (sheet 3.5).
_CLIENT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x20-\x7e]{1,18}")
_DEADLINE_MAX_NS = 60 * SECOND_NS
#: An expiry is at least so far ahead, and at most a month.
_EXPIRY_MIN_NS, _EXPIRY_MAX_NS = 5 * SECOND_NS, 31 * 86_400 * SECOND_NS
_MARGIN_CALL = 80  # percent: below it no margin order is taken


def check_deadline(exchange: SimulatedKraken, deadline_ns: int, min_ns: int = 0) -> None:
    """Whether a deadline (0: none) is one: neither over nor too near nor too far."""
    received_ns = exchange.received_ns()
    if deadline_ns and deadline_ns < exchange.venue_ns():
        raise OrderRefused("EService:Deadline elapsed")
    if deadline_ns and not received_ns + min_ns <= deadline_ns <= received_ns + _DEADLINE_MAX_NS:
        raise OrderRefused("EGeneral:Invalid arguments:deadline")


def check_mode(
    exchange: SimulatedKraken, pair: Pair, *, post_only: bool, is_market: bool, reduce_only: bool = False
) -> None:
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
    if mode == "reduce_only" and not reduce_only:
        raise OrderRefused("EService:Market in reduce_only mode")


def check_fields(exchange: SimulatedKraken, request: OrderRequest, order: OwnOrder) -> None:
    """All that is wrong with an order whatever the engine's state: one such order refuses its whole batch."""
    pair, order_type = order.market.pair, request.order_type
    if order_type not in ORDER_TYPES:
        raise OrderRefused("EGeneral:Invalid arguments:ordertype")
    if (request.limit_price is None) != (order_type not in LIMITED):
        raise OrderRefused("EGeneral:Invalid arguments:price")
    if (request.trigger is None) != (order_type not in TRIGGERED):
        raise OrderRefused("EGeneral:Invalid arguments:triggers")
    if request.reference == "index" and not pair.has_index:
        raise OrderRefused("EGeneral:Invalid arguments:Index unavailable")
    if (request.post_only and order_type not in (LIMIT, ICEBERG)) or (
        request.time_in_force == "FOK" and order_type != LIMIT
    ):
        raise OrderRefused("EGeneral:Invalid arguments")
    if request.post_only and request.time_in_force in ("IOC", "FOK"):
        raise OrderRefused("EGeneral:Invalid arguments:timeinforce")
    _check_times(exchange, request)
    _check_sizes(pair, request, order)
    if request.close is not None and (order_type == SETTLE or request.reduce_only):
        raise OrderRefused("EGeneral:Invalid arguments:close")
    if request.cl_ord_id and not _CLIENT_ID.fullmatch(request.cl_ord_id):
        raise OrderRefused("EGeneral:Invalid arguments:cl_ord_id")
    if request.cl_ord_id and request.userref:
        raise OrderRefused("EGeneral:Invalid arguments:cl_ord_id and userref are mutually exclusive")
    if request.leverage and not (pair.marginable and 2 <= request.leverage <= LEVERAGE_MAX):
        raise OrderRefused("EGeneral:Invalid arguments:leverage")
    if request.reduce_only and not request.leverage:
        raise OrderRefused("EGeneral:Invalid arguments:reduce_only")


def check_engine(
    exchange: SimulatedKraken,
    account: Account,
    request: OrderRequest,
    order: OwnOrder,
    instead_of: OwnOrder | None = None,
) -> None:
    """What the engine refuses: in a batch that order alone. `instead_of`: an open order that makes room for it."""
    check_deadline(exchange, request.deadline_ns, request.deadline_min_ns)
    check_mode(
        exchange,
        order.market.pair,
        post_only=request.post_only,
        is_market=request.order_type not in LIMITED,
        reduce_only=request.reduce_only,
    )
    open_orders = [one for one in account.open_orders.values() if one is not instead_of]
    if request.cl_ord_id and any(one.cl_ord_id == request.cl_ord_id for one in open_orders):
        raise OrderRefused("EGeneral:Invalid arguments:cl_ord_id")
    if exchange.settings.engine_limits:
        if sum(one.market is order.market for one in open_orders) >= account.tier.open_orders_max:
            raise OrderRefused("EOrder:Orders limit exceeded")
        if order.start_ns and sum(bool(one.start_ns) for one in open_orders) >= SCHEDULED_MAX:
            raise OrderRefused("EOrder:Scheduled orders limit exceeded")
    if request.reduce_only and not reducible(account, order.market, request.side):
        raise OrderRefused("EOrder:Reduce only:No position exists")
    if request.leverage:
        _check_margin(exchange, account, order)
    else:
        check_funds(exchange, account, order, instead_of)


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
    check_price(pair, price)
    if price * quantity < Decimal(pair.cost_min):
        raise OrderRefused("EOrder:Cost minimum not met")


def check_price(pair: Pair, price: Decimal) -> None:
    """Digits and steps."""
    if not 0 < price <= AMOUNT_MAX:
        raise OrderRefused("EGeneral:Invalid arguments:price")
    if price != from_scaled(to_scaled(price, pair.price_precision), pair.price_precision):
        raise OrderRefused(
            f"EOrder:Invalid price:{pair.rest_key} price can only be specified up to {pair.price_precision} decimals."
        )
    if price % Decimal(pair.tick_text):
        raise OrderRefused("EOrder:Tick size check failed")


def check_display(pair: Pair, display: Decimal | None, remaining: Decimal) -> None:
    """At least a fifteenth of what is left, in whole lots."""
    if display is None:
        return
    digits = from_scaled(to_scaled(display, pair.qty_precision), pair.qty_precision)
    if display <= 0 or display != digits or display * DISPLAY_PART < remaining or display > remaining:
        raise OrderRefused("EGeneral:Invalid arguments:display_qty")


def check_funds(
    exchange: SimulatedKraken, account: Account, order: OwnOrder, instead_of: OwnOrder | None = None
) -> None:
    """Whether what a spot order may use up is there. `instead_of`: an order whose hold it takes over."""
    listing, percent = exchange.feed.listing, funds.taker_percent(account, exchange.now_ns)
    asset, needed = funds.need(listing, order, percent, _cost(order))
    free = funds.available(account, listing, asset, exchange.now_ns)
    if instead_of is not None and instead_of.order_id in account.open_orders:
        held = funds.hold(listing, instead_of, percent)
        free += held[1] if held is not None and held[0] == asset else 0
    if needed > free:
        raise OrderRefused("EOrder:Insufficient funds")


def check_change(exchange: SimulatedKraken, account: Account, order: OwnOrder, before: OwnOrder) -> None:
    """Whether an amended order is paid for."""
    if not order.leverage:
        check_funds(exchange, account, order, before)
    else:
        _check_margin(exchange, account, order)


def reducible(account: Account, market: PairMarket, side: int) -> Decimal:
    """What of the positions of a market an order of this side would close."""
    return sum(
        (one.open_quantity for one in account.positions.values() if one.market is market and one.side != side),
        Decimal(0),
    )


def _check_times(exchange: SimulatedKraken, request: OrderRequest) -> None:
    now_ns = exchange.venue_ns()
    if request.time_in_force == "GTD" and not request.expire_ns:
        raise OrderRefused("EGeneral:Invalid arguments:expiretm")
    if request.expire_ns and not now_ns + _EXPIRY_MIN_NS <= request.expire_ns <= now_ns + _EXPIRY_MAX_NS:
        raise OrderRefused("EGeneral:Invalid arguments:expiretm")
    if request.start_ns > now_ns + _EXPIRY_MAX_NS or (request.expire_ns and request.start_ns >= request.expire_ns):
        raise OrderRefused("EGeneral:Invalid arguments:starttm")


def _check_sizes(pair: Pair, request: OrderRequest, order: OwnOrder) -> None:
    if request.cash is not None:
        if request.order_type != MARKET or request.side != BUY or request.leverage:
            raise OrderRefused("EGeneral:Invalid arguments:cash_order_qty")
        digits = from_scaled(to_scaled(request.cash, pair.cost_precision), pair.cost_precision)
        if not 0 < request.cash <= AMOUNT_MAX or request.cash != digits:
            raise OrderRefused("EGeneral:Invalid arguments:volume")
        if request.cash < Decimal(pair.cost_min):
            raise OrderRefused("EOrder:Cost minimum not met")
        return
    check_amounts(pair, request.quantity, order.price)
    if order.trigger is not None and order.limit_price is not None:
        check_price(pair, order.trigger.price)
    if (request.display is not None) != (request.order_type == ICEBERG):
        raise OrderRefused("EGeneral:Invalid arguments:display_qty")
    check_display(pair, request.display, request.quantity)


def _cost(order: OwnOrder) -> Decimal:
    """What the rest of it costs: by its price, by its cash, or by what the book offers now."""
    pair = order.market.pair
    if order.cash is not None:
        return order.cash
    if order.price is not None and (order.limit_price is not None or order.is_waiting):
        return order.remaining * order.price
    scaled = to_scaled(order.remaining, pair.qty_precision)
    notional = order.market.engine.offered(order.side, scaled, None)[1]
    return from_scaled(notional, pair.qty_precision + pair.price_precision)


def _check_margin(exchange: SimulatedKraken, account: Account, order: OwnOrder) -> None:
    """Whether a position can be opened, as far as the order opens one."""
    pair = order.market.pair
    if reducible(account, order.market, order.side) >= order.remaining:
        return
    valuation = exchange.accounts.valuation
    figures = valuation.figures(account)
    if figures.margin and figures.equity * 100 < figures.margin * _MARGIN_CALL:
        raise OrderRefused("EOrder:Margin level too low")
    if _cost(order) / order.leverage * valuation.rate(pair.quote) > figures.free:
        raise OrderRefused("EOrder:Insufficient margin")
    largest = pair.position_limit_long if order.side == BUY else pair.position_limit_short
    same = (one for one in account.positions.values() if one.market is order.market and one.side == order.side)
    size = sum((one.open_quantity for one in same), Decimal(0)) + order.remaining
    if largest and size > largest:
        raise OrderRefused("EOrder:Margin position size exceeded")
