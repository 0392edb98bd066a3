"""The order desk: accounts' orders in the markets' matching engines. Every way to trade ends here.

It decides in one step what becomes of an order, tells the account's listeners (`private_streams`) in Kraken's order of
reports, and publishes the market data that it causes. What comes later (cancel timers, triggers) plugs in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gw_sim_kraken import engine_costs, order_checks
from gw_sim_kraken.account import Account
from gw_sim_kraken.amounts import to_scaled
from gw_sim_kraken.frames import Trade
from gw_sim_kraken.market import PairMarket
from gw_sim_kraken.matching import Owner
from gw_sim_kraken.order_request import AmendRequest, OrderRefused, OrderRequest
from gw_sim_kraken.own_order import CANCELED, EXPIRED, FILLED, NEW, PARTIAL, Amendment, OwnOrder
from gw_sim_kraken.seeded import SeededFeed

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

USER, POST_ONLY = "User requested", "Post only order"
#: Texts that no source has: what they say is ours.
IOC_REST, FOK_REST, NO_COUNTERPART, SELF_TRADE = (
    "IOC order not filled", "FOK order not filled", "No liquidity", "Self trade prevention",
)  # fmt: skip
REDUCED = "EOrder:Reduce only:Position is closed"


class OrderDesk:
    """Times are those of the call: what is asked for happens at once. Refusals are OrderRefused."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange

    # -- what can be asked for ---------------------------------------------------------------------------------

    def place(self, account: Account, request: OrderRequest, now_ns: int, *, limited: bool = True) -> OwnOrder | None:
        """Take a new order; None where it was only to be checked. `limited`: it counts for the engine's limits."""
        market = self._market(request.symbol)
        if limited:
            self._charge(account, market, engine_costs.ADD, now_ns)
        order_checks.check_new(self._exchange, account, market, request)
        if request.validate:
            return None
        order = OwnOrder(
            self._exchange.accounts.ids.make("O"), account.name, market, request.side, request.order_type,
            request.quantity, request.limit_price, now_ns, request.time_in_force, request.expire_ns, request.post_only,
            request.reduce_only, request.leverage, request.fee_in_base, request.cl_ord_id, request.userref,
            changed_ns=now_ns,
        )  # fmt: skip
        account.add_order(order)
        self._note_amendment(order, "original", "", now_ns)
        self._exchange.streams.report(account, order, order.status, now_ns)
        if order.post_only and market.engine.would_meet(order.side, self._limit(order)) is not None:
            self._end(account, order, CANCELED, POST_ONLY, now_ns)
            return order
        order.status = NEW
        self._exchange.streams.report(account, order, NEW, now_ns)
        if order.expire_ns:
            self._exchange.schedule.at(order.expire_ns, self._expire, account, order)
        self._match(account, order, now_ns)
        return order

    def amend(
        self, account: Account, order: OwnOrder | None, request: AmendRequest, now_ns: int, *, limited: bool = True,
        restated: str = "",
    ) -> str:  # fmt: skip
        """Change an open order in place; returns the amend_id. `restated`: why the engine did it by itself."""
        order = self._open(order)
        self._check_not_down(order)
        if limited:
            self._charge(account, order.market, engine_costs.amend_cost(now_ns - order.changed_ns), now_ns)
        self._check_amend(account, order, request)
        market, engine = order.market, order.market.engine
        price = request.limit_price if request.limit_price is not None else order.limit_price
        quantity = request.quantity if request.quantity is not None else order.quantity
        resting, left = engine.orders.get(order.number), to_scaled(quantity - order.filled, market.pair.qty_precision)
        # A fault may have taken the order off the book, or digits from its quantity.
        moves = price != order.limit_price or resting is None or left > resting.quantity
        best = market.best()
        if moves or quantity <= order.filled:
            engine.cancel(order.number)
        elif resting is not None and left < resting.quantity:
            # Less keeps the place in the queue (sheet 3.6).
            engine.reduce(order.number, left)
        order.limit_price, order.quantity, order.amended, order.changed_ns = price, quantity, True, now_ns
        amend_id = self._note_amendment(order, "restated" if restated else "user", restated or USER, now_ns)
        self._exchange.streams.report(account, order, "restated" if restated else "amended", now_ns)
        if quantity <= order.filled:
            self._exchange.publish(market.emit(now_ns, best))
            self._end(account, order, CANCELED, USER, now_ns)
        elif moves:
            self._match(account, order, now_ns, best)
        else:
            self._exchange.publish(market.emit(now_ns, best))
        return amend_id

    def cancel(
        self, account: Account, order: OwnOrder | None, now_ns: int, *, reason: str = USER, limited: bool = True
    ) -> None:
        """Take an open order out."""
        order = self._open(order)
        self._check_not_down(order)
        if limited:
            self._charge(account, order.market, engine_costs.cancel_cost(now_ns - order.changed_ns), now_ns)
        self._take_out(account, order, CANCELED, reason, now_ns)

    def cancel_all(self, account: Account, now_ns: int) -> int:
        """Take all open orders out; how many. Its cost is not documented: none here."""
        orders = list(account.open_orders.values())
        for order in orders:
            self.cancel(account, order, now_ns, limited=False)
        return len(orders)

    # -- what the markets tell ---------------------------------------------------------------------------------

    def on_trade(self, market: PairMarket, trade: Trade, maker: Owner | None, taker: Owner | None) -> None:
        """A trade with orders of accounts in it."""
        for owner in (taker, maker):
            if isinstance(owner, OwnOrder):
                self._fill(owner, trade, is_maker=owner is maker)

    # -- inside ------------------------------------------------------------------------------------------------

    def _match(self, account: Account, order: OwnOrder, now_ns: int, best: tuple[object, object] | None = None) -> None:
        """Match what crosses, rest or end what is left, publish what it did to the market."""
        market, limit = order.market, self._limit(order)
        engine, decimals = market.engine, market.pair.qty_precision
        best = market.best() if best is None else best
        wanted = to_scaled(order.remaining, decimals)
        if order.reduce_only:
            wanted = min(wanted, to_scaled(order_checks.reducible(account, market, order.side), decimals))
        is_killed = order.time_in_force == "FOK" and engine.offered(order.side, wanted, limit)[0] < wanted
        fills = [] if is_killed else engine.match(order.side, wanted, limit, account.name)
        left = to_scaled(order.remaining, decimals) - sum(fill.quantity for fill in fills)
        met = engine.would_meet(order.side, limit) if left and not is_killed else None
        meets_itself = met is not None and met.owner is not None and met.owner.account == account.name
        ending = self._ending(order, is_killed=is_killed, meets_itself=meets_itself)
        if order.reduce_only and left and not meets_itself and wanted == sum(fill.quantity for fill in fills):
            ending = (CANCELED, REDUCED)
        if left and ending is None and limit is not None:
            engine.rest(order.side, limit, left, order)
        taken = (order.side_name, order.order_type, fills) if fills else None
        self._exchange.publish(market.emit(now_ns, best, taken, order))
        if left and ending is not None:
            self._end(account, order, *ending, now_ns + max(0, len(fills) - 1))

    @staticmethod
    def _ending(order: OwnOrder, *, is_killed: bool, meets_itself: bool) -> tuple[str, str] | None:
        """What becomes of a remainder; None: it rests."""
        if is_killed:
            return CANCELED, FOK_REST
        if meets_itself:
            return EXPIRED, SELF_TRADE
        if order.time_in_force in ("IOC", "FOK"):
            return CANCELED, IOC_REST
        return (CANCELED, NO_COUNTERPART) if order.limit_price is None else None

    def _fill(self, order: OwnOrder, trade: Trade, *, is_maker: bool) -> None:
        accounts, streams = self._exchange.accounts, self._exchange.streams
        account = accounts.get(order.account)
        order.status = PARTIAL
        fill = accounts.settlement.trade(account, order, trade, is_maker=is_maker)
        streams.fill(account, fill)
        if not order.remaining:
            self._end(account, order, FILLED, "", trade.time_ns)
        elif is_maker and order.number not in order.market.engine.orders:
            # A change of precision took digits from what rested: nothing is left there of what is left here.
            self._end(account, order, CANCELED, "", trade.time_ns)

    def _end(self, account: Account, order: OwnOrder, status: str, reason: str, time_ns: int) -> None:
        order.status, order.reason, order.closed_ns, order.number = status, reason, time_ns, 0
        account.open_orders.pop(order.order_id, None)
        self._exchange.streams.report(account, order, status, time_ns)

    def _take_out(self, account: Account, order: OwnOrder, status: str, reason: str, now_ns: int) -> None:
        market = order.market
        best = market.best()
        market.engine.cancel(order.number)
        self._exchange.publish(market.emit(now_ns, best))
        self._end(account, order, status, reason, now_ns)

    def _expire(self, when_ns: int, account: Account, order: OwnOrder) -> None:
        if order.is_open:
            self._take_out(account, order, EXPIRED, "", when_ns)

    def _note_amendment(self, order: OwnOrder, kind: str, reason: str, now_ns: int) -> str:
        amend_id = self._exchange.accounts.ids.make("T")
        order.amendments.append(
            Amendment(
                amend_id, kind, order.quantity, order.remaining, order.limit_price, reason, order.post_only, now_ns
            )
        )
        return amend_id

    def _market(self, symbol: str) -> PairMarket:
        feed = self._exchange.feed
        assert isinstance(feed, SeededFeed), "there are no accounts beside a recording"
        if symbol not in feed.listing.pairs:
            raise OrderRefused("EQuery:Unknown asset pair")
        return feed.market(symbol)

    @staticmethod
    def _limit(order: OwnOrder) -> int | None:
        if order.limit_price is None:
            return None
        return to_scaled(order.limit_price, order.market.pair.price_precision)

    @staticmethod
    def _open(order: OwnOrder | None) -> OwnOrder:
        if order is None or not order.is_open:
            raise OrderRefused("EOrder:Unknown order")
        return order

    def _check_not_down(self, order: OwnOrder) -> None:
        if "maintenance" in (self._exchange.system, order.market.pair.status):
            raise OrderRefused("EService:Unavailable")

    def _check_amend(self, account: Account, order: OwnOrder, request: AmendRequest) -> None:
        exchange, market = self._exchange, order.market
        order_checks.check_deadline(exchange, request.deadline_ns)
        if request.quantity is None and request.limit_price is None:
            raise OrderRefused("EGeneral:Invalid arguments")
        order_checks.check_mode(exchange, market.pair, post_only=order.post_only, is_market=False)
        quantity = order.quantity if request.quantity is None else request.quantity
        price = order.limit_price if request.limit_price is None else request.limit_price
        order_checks.check_amounts(market.pair, quantity, price)
        if quantity <= order.filled or price is None:
            return
        limit = to_scaled(price, market.pair.price_precision)
        if (request.post_only or order.post_only) and market.engine.would_meet(order.side, limit) is not None:
            raise OrderRefused("EOrder:Post only order")
        wanted = OrderRequest(
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=quantity - order.filled,
            limit_price=price,
            leverage=order.leverage,
        )
        order_checks.check_funds(exchange, account, market, wanted, order)

    def charge_cancel(self, account: Account, order: OwnOrder, now_ns: int) -> None:
        """Count the cancel of a batch: it is accepted also beyond the maximum (sheet 3.7)."""
        counter = account.engine_counter(order.symbol)
        counter.add(engine_costs.cancel_cost(now_ns - order.changed_ns), now_ns)

    def charge_batch(self, account: Account, symbol: str, cost: int, now_ns: int) -> None:
        """Count the adds of a batch at once."""
        self._charge(account, self._market(symbol), cost, now_ns)

    def check(self, account: Account, request: OrderRequest) -> None:
        """All that `place` would refuse for, without placing or counting."""
        order_checks.check_new(self._exchange, account, self._market(request.symbol), request)

    def _charge(self, account: Account, market: PairMarket, cost: int, now_ns: int) -> None:
        """Count a transaction; the fixed part is charged even if its validation fails later."""
        counter = account.engine_counter(market.pair.symbol)
        if self._exchange.settings.engine_limits and not counter.takes(cost, now_ns):
            raise OrderRefused("EOrder:Rate limit exceeded")
