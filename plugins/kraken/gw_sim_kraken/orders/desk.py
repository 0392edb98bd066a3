"""The order desk: every way to trade ends here. It checks, counts, and hands on to `order_matching`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts import settling
from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.orders import amending as order_amending
from gw_sim_kraken.orders import checks as order_checks
from gw_sim_kraken.orders import closing, engine_costs, new_order
from gw_sim_kraken.orders.matching import OUT_OF_FUNDS, USER, OrderMatching
from gw_sim_kraken.orders.own_order import CANCELED, PENDING, Amendment, OwnFill, OwnOrder
from gw_sim_kraken.orders.request import AmendRequest, EditRequest, OrderRefused, OrderRequest
from gw_sim_kraken.orders.types import SETTLE

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken


class OrderDesk:
    """Times are those of the call: what is asked for happens at once. Refusals are OrderRefused."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._matching = OrderMatching(exchange)
        self.on_trade = self._matching.on_trade
        self.execute = self._matching.execute

    # -- what can be asked for ---------------------------------------------------------------------------------

    def place(self, account: Account, request: OrderRequest, now_ns: int, *, limited: bool = True) -> OwnOrder | None:
        """Take a new order; None where it was only to be checked. `limited`: it counts for the engine's limits."""
        market = self._market(request.symbol)
        if limited:
            self._charge(account, market, engine_costs.ADD, now_ns)
        request, order = self._made(account, market, request, now_ns)
        order_checks.check_fields(self._exchange, request, order)
        if request.order_type == SETTLE:
            settling.check(self._exchange, account, order)
        order_checks.check_engine(self._exchange, account, request, order)
        if request.validate:
            return None
        self._enter(account, order, now_ns)
        if order.expire_ns:
            self._exchange.schedule.at(order.expire_ns, self._matching.expire, account, order)
        wait_ns = self._exchange.trade_faults.pending_ns(account.name)
        if order.start_ns or wait_ns:
            start_ns = max(order.start_ns, now_ns + wait_ns)
            self._exchange.schedule.at(start_ns, self._matching.start, account, order)
        else:
            self._matching.activate(account, order, now_ns)
        return order

    def place_secondary(self, account: Account, parent: OwnOrder, fill: OwnFill, now_ns: int) -> None:
        """A fill of an order with a conditional close made an order: no minimum holds it up, but it has to be paid for."""
        assert parent.close is not None, "it has a conditional close"
        request = closing.secondary(parent, parent.close, fill)
        # What its prices are relative to is the price of the fill.
        order = new_order.build(account.name, parent.market, request, now_ns, fill.price, fill.price)
        order.parent_id = parent.order_id
        self._enter(account, order, now_ns)
        try:
            if not order.leverage:
                order_checks.check_funds(self._exchange, account, order, order)
        except OrderRefused:
            self._matching.end(account, order, CANCELED, OUT_OF_FUNDS, now_ns)
            return
        self._matching.activate(account, order, now_ns)

    def amend(
        self, account: Account, order: OwnOrder | None, request: AmendRequest, now_ns: int, *, limited: bool = True,
        restated: str = "",
    ) -> str:  # fmt: skip
        """Change an open order in place; returns the amend_id. `restated`: why the engine did it by itself."""
        order = self._open(order)
        self._check_not_down(order)
        cancel_cost = engine_costs.cancel_cost(now_ns - order.changed_ns)
        if limited:
            self._charge(account, order.market, engine_costs.amend_cost(now_ns - order.changed_ns), now_ns)
        made = order_amending.amended(self._exchange, account, order, request)
        market = order.market
        best, ends = market.best(), made.quantity <= order.filled
        moves = not ends and order_amending.loses_place(order, made)
        if moves or ends:
            market.engine.cancel(order.number)
        else:
            order_amending.keep_place(order, made)
        order_amending.apply(order, made, now_ns)
        amend_id = self._note_amendment(order, "restated" if restated else "user", restated or USER, now_ns)
        self._exchange.streams.report(account, order, "restated" if restated else "amended", now_ns)
        if moves:
            self._matching.match(account, order, now_ns, best)
            return amend_id
        self._exchange.publish(market.emit(now_ns, best))
        if ends:
            if limited:
                # What is left goes, and costs what a cancel does (sheet 3.6).
                account.engine_counter(order.symbol).add(cancel_cost, now_ns)
            self._matching.end(account, order, CANCELED, USER, now_ns)
        elif order.is_waiting and order.status != PENDING:
            self._exchange.triggers.add(order, now_ns)
        return amend_id

    def edit(self, account: Account, order: OwnOrder | None, request: EditRequest, now_ns: int) -> OwnOrder | None:
        """Cancel an order and place another for what is left; None where it was only to be checked."""
        order = self._open(order)
        self._check_not_down(order)
        self._charge(account, order.market, engine_costs.edit_cost(now_ns - order.changed_ns), now_ns)
        wanted = order_amending.replacement(order, request)
        _, made = self._made(account, order.market, wanted, now_ns)
        order_checks.check_fields(self._exchange, wanted, made)
        # The old order's funds and place are free for the new one; where that is refused the old one stays.
        order_checks.check_engine(self._exchange, account, wanted, made, order)
        if wanted.validate:
            return None
        self._matching.take_out(account, order, CANCELED, USER, now_ns)
        return self.place(account, wanted, now_ns, limited=False)

    def cancel(
        self, account: Account, order: OwnOrder | None, now_ns: int, *, reason: str = USER, limited: bool = True
    ) -> None:
        """Take an open order out."""
        order = self._open(order)
        self._check_not_down(order)
        if limited:
            self._charge(account, order.market, engine_costs.cancel_cost(now_ns - order.changed_ns), now_ns)
        self._matching.take_out(account, order, CANCELED, reason, now_ns)

    def cancel_all(self, account: Account, now_ns: int, *, limited: bool = False) -> int:
        """Take all open orders out; how many. `limited`: it counts like a batch cancel, and is accepted as that is."""
        orders = list(account.open_orders.values())
        for order in orders:
            if limited:
                self.charge_cancel(account, order, now_ns)
            self.cancel(account, order, now_ns, limited=False)
        return len(orders)

    def charge_cancel(self, account: Account, order: OwnOrder, now_ns: int) -> None:
        """Count the cancel of a batch: it is accepted also beyond the maximum (sheet 3.7)."""
        counter = account.engine_counter(order.symbol)
        counter.add(engine_costs.cancel_cost(now_ns - order.changed_ns), now_ns)

    def charge_batch(self, account: Account, symbol: str, cost: int, now_ns: int) -> None:
        """Count the adds of a batch at once."""
        self._charge(account, self._market(symbol), cost, now_ns)

    def check_fields(self, account: Account, request: OrderRequest, now_ns: int) -> None:
        """What is wrong with an order by itself: that refuses a whole batch."""
        order_checks.check_fields(self._exchange, *self._made(account, self._market(request.symbol), request, now_ns))

    def draft(self, account: Account, request: OrderRequest, now_ns: int) -> OwnOrder:
        """The order that a request would make, for its words; nothing is checked. Raises OrderRefused for no position."""
        return self._made(account, self._market(request.symbol), request, now_ns)[1]

    # -- inside ------------------------------------------------------------------------------------------------

    def _made(
        self, account: Account, market: PairMarket, request: OrderRequest, now_ns: int
    ) -> tuple[OrderRequest, OwnOrder]:
        """What is asked for, a volume of 0 replaced by all of the position, and the order that comes of it."""
        if request.leverage and not request.quantity and request.cash is None:
            quantity = order_checks.reducible(account, market, request.side)
            if not quantity:
                raise OrderRefused("EOrder:Reduce only:No position exists")
            request = replace(request, quantity=quantity)
        triggers = self._exchange.triggers
        last, reference = triggers.reference(market, "last"), triggers.reference(market, request.reference)
        return request, new_order.build(account.name, market, request, now_ns, last, reference)

    def _enter(self, account: Account, order: OwnOrder, now_ns: int) -> None:
        """It has an id from now on, and its owner hears of it."""
        order.order_id = self._exchange.accounts.ids.make("O")
        account.add_order(order)
        self._note_amendment(order, "original", "", now_ns)
        self._exchange.streams.report(account, order, order.status, now_ns)

    def _note_amendment(self, order: OwnOrder, kind: str, reason: str, now_ns: int) -> str:
        amend_id = self._exchange.accounts.ids.make("T")
        order.amendments.append(
            Amendment(
                amend_id, kind, order.quantity, max(Decimal(0), order.remaining), order.limit_price, reason,
                order.post_only, now_ns, order.display, None if order.trigger is None else order.trigger.price,
            )
        )  # fmt: skip
        return amend_id

    def _market(self, symbol: str) -> PairMarket:
        feed = self._exchange.feed
        assert isinstance(feed, SeededFeed), "there are no accounts beside a recording"
        if symbol not in feed.listing.pairs:
            raise OrderRefused("EQuery:Unknown asset pair")
        return feed.market(symbol)

    @staticmethod
    def _open(order: OwnOrder | None) -> OwnOrder:
        if order is None or not order.is_open:
            raise OrderRefused("EOrder:Unknown order")
        return order

    def _check_not_down(self, order: OwnOrder) -> None:
        if "maintenance" in (self._exchange.system, order.market.pair.status):
            raise OrderRefused("EService:Unavailable")

    def _charge(self, account: Account, market: PairMarket, cost: int, now_ns: int) -> None:
        """Count a transaction; the fixed part is charged even if its validation fails later."""
        counter = account.engine_counter(market.pair.symbol)
        if self._exchange.settings.engine_limits and not counter.takes(cost, now_ns):
            raise OrderRefused("EOrder:Rate limit exceeded")
