"""What becomes of accounts' orders once they are live: they meet the book, rest, trade, end (sheet 3.6, 4.12).

It decides in one step, tells the account's listeners in Kraken's order of reports, and publishes the market data that it
causes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gw_sim_kraken import modes
from gw_sim_kraken.accounts import settling
from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import ZERO, from_scaled, to_scaled
from gw_sim_kraken.market.frames import Trade
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.matching import Fill, MatchingEngine, Owner
from gw_sim_kraken.orders import checks as order_checks
from gw_sim_kraken.orders import new_order
from gw_sim_kraken.orders.own_order import CANCELED, EXPIRED, FILLED, NEW, PARTIAL, PENDING, OwnFill, OwnOrder
from gw_sim_kraken.orders.request import OrderRefused
from gw_sim_kraken.orders.types import SETTLE
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

USER, POST_ONLY = "User requested", "Post only order"
OUT_OF_FUNDS = "Out of funds"
#: Texts that no source has: what they say is ours.
IOC_REST, FOK_REST, NO_COUNTERPART, SELF_TRADE = (
    "IOC order not filled", "FOK order not filled", "No liquidity", "Self trade prevention",
)  # fmt: skip
REDUCED = "EOrder:Reduce only:Position is closed"


class OrderMatching:
    """Times are those of the call: what is asked for happens at once."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange

    # -- going live --------------------------------------------------------------------------------------------

    def start(self, when_ns: int, account: Account, order: OwnOrder) -> None:
        """The time of a scheduled order has come: it goes live once orders are matched, if it is paid for."""
        if order.status != PENDING:
            return
        if not modes.matches(self._exchange, order.market.pair):
            self._exchange.schedule.at(when_ns + SECOND_NS, self.start, account, order)
            return
        order.start_ns = 0
        if order.is_trailing and order.trigger is not None:
            # It follows from now on, not from when it was asked for.
            reference = self._exchange.triggers.reference(order.market, order.trigger.reference)
            new_order.set_prices(order, reference, reference)
        self.activate(account, order, when_ns)

    def activate(self, account: Account, order: OwnOrder, now_ns: int) -> None:
        """Make an order live: it waits for its trigger, or meets the book."""
        streams, triggers = self._exchange.streams, self._exchange.triggers
        if order.post_only and order.market.engine.would_meet(order.side, scaled_limit(order)) is not None:
            self.end(account, order, CANCELED, POST_ONLY, now_ns)
            return
        order.status = NEW
        streams.report(account, order, NEW, now_ns)
        if order.is_waiting:
            triggers.add(order, now_ns)
        else:
            self.execute(account, order, now_ns)

    def execute(self, account: Account, order: OwnOrder, now_ns: int) -> None:
        """Match an order that is not in the book; one that can't be paid any more is canceled."""
        try:
            if order.order_type == SETTLE:
                settling.check(self._exchange, account, order)
                settling.settle(self._exchange, account, order, now_ns)
                self.end(account, order, FILLED, "", now_ns)
                return
            if not order.leverage:
                order_checks.check_funds(self._exchange, account, order, order)
        except OrderRefused:
            self.end(account, order, CANCELED, OUT_OF_FUNDS, now_ns)
            return
        if order.cash is not None:
            self._spend(order)
        self.match(account, order, now_ns)

    def _spend(self, order: OwnOrder) -> None:
        """Turn cash into the quantity that the book sells for it now."""
        pair, engine = order.market.pair, order.market.engine
        assert order.cash is not None, "it has cash"
        notional = to_scaled(order.cash, pair.price_precision + pair.qty_precision)
        quantity, order.is_short = engine.affordable(order.side, notional)
        order.quantity = from_scaled(quantity, pair.qty_precision)

    # -- in the book -------------------------------------------------------------------------------------------

    def match(
        self, account: Account, order: OwnOrder, now_ns: int, best: tuple[object, object] | None = None
    ) -> None:  # fmt: skip
        """Match what crosses, rest or end what is left, publish what it did to the market."""
        market, limit = order.market, scaled_limit(order)
        engine, decimals = market.engine, market.pair.qty_precision
        best = market.best() if best is None else best
        wanted = to_scaled(order.remaining, decimals)
        if order.reduce_only:
            wanted = min(wanted, to_scaled(order_checks.reducible(account, market, order.side), decimals))
        is_killed = order.time_in_force == "FOK" and self._fillable(order, limit) < wanted
        fills, removed, meets_itself = ([], [], False) if is_killed else _take(engine, order, wanted, limit)
        taken = sum(fill.quantity for fill in fills)
        left = to_scaled(order.remaining, decimals) - taken
        ending = self._ending(order, is_killed=is_killed, meets_itself=meets_itself)
        if order.reduce_only and left and not meets_itself and wanted == taken:
            ending = (CANCELED, REDUCED)
        if left and ending is None and limit is not None:
            display = 0 if order.display is None else max(1, to_scaled(order.display, decimals))
            engine.rest(order.side, limit, left, order, display)
            order.shown = from_scaled(min(display, left), decimals)
        told = (order.side_name, order.executes_as, fills) if fills else None
        self._exchange.publish(market.emit(now_ns, best, told, order))
        for own in removed:
            self.end(account, own, EXPIRED, SELF_TRADE, now_ns)
        end_ns = now_ns + max(0, len(fills) - 1)
        if order.is_short or (left and ending is not None) or (order.cash is not None and not fills):
            self.end(account, order, *(ending or (CANCELED, NO_COUNTERPART)), end_ns)

    def _fillable(self, order: OwnOrder, limit: int | None) -> int:
        skips_own = order.stp == "cancel_oldest"
        return order.market.engine.fillable(order.side, limit, order.account, skips_own=skips_own)

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

    def on_trade(self, market: PairMarket, trade: Trade, fill: Fill, taker: Owner | None) -> None:
        """A trade with orders of accounts in it."""
        if isinstance(taker, OwnOrder):
            self._fill(taker, trade, None)
        if isinstance(fill.maker, OwnOrder):
            self._fill(fill.maker, trade, fill)

    def _fill(self, order: OwnOrder, trade: Trade, as_maker: Fill | None) -> None:
        accounts, streams = self._exchange.accounts, self._exchange.streams
        account = accounts.get(order.account)
        order.status = PARTIAL
        fill = accounts.settlement.trade(account, order, trade, is_maker=as_maker is not None)
        if as_maker is not None and order.display is not None:
            order.shown -= fill.quantity
        streams.fill(account, fill)
        if as_maker is not None and as_maker.refill:
            order.shown = from_scaled(as_maker.refill, order.market.pair.qty_precision)
            streams.report(account, order, "iceberg_refill", trade.time_ns)
        if order.close is not None:
            self._exchange.schedule.at(trade.time_ns, self._close, account, order, fill)
        if not order.remaining:
            if not order.is_short:
                self.end(account, order, FILLED, "", trade.time_ns)
        elif as_maker is not None and order.number not in order.market.engine.orders:
            # What rested was less: a change of precision took digits from it, or there was no more to be reduced.
            self.end(account, order, CANCELED, REDUCED if order.reduce_only else "", trade.time_ns)
        if fill.position_status:
            self._exchange.schedule.at(trade.time_ns, self._trim, account, order.market)

    def _close(self, when_ns: int, account: Account, order: OwnOrder, fill: OwnFill) -> None:
        self._exchange.order_desk.place_secondary(account, order, fill, when_ns)

    def _trim(self, when_ns: int, account: Account, market: PairMarket) -> None:
        """After positions changed: resting orders that only reduce do not rest for more than there is to be reduced."""
        decimals = market.pair.qty_precision
        promised = [0, 0]
        for order in list(account.open_orders.values()):
            resting = market.engine.orders.get(order.number)
            if not order.reduce_only or order.market is not market or resting is None:
                continue
            most = to_scaled(order_checks.reducible(account, market, order.side), decimals) - promised[order.side]
            if most <= 0:
                self.take_out(account, order, CANCELED, REDUCED, when_ns)
                continue
            if most < resting.total:
                best = market.best()
                market.engine.reduce(order.number, most)
                self._exchange.publish(market.emit(when_ns, best))
            promised[order.side] += min(most, resting.total)

    # -- ending ------------------------------------------------------------------------------------------------

    def end(self, account: Account, order: OwnOrder, status: str, reason: str, time_ns: int) -> None:
        """An order is over, whatever it was; it is off the book already."""
        order.status, order.reason, order.closed_ns, order.number, order.shown = status, reason, time_ns, 0, ZERO
        account.open_orders.pop(order.order_id, None)
        self._exchange.triggers.drop(order)
        self._exchange.streams.report(account, order, status, time_ns)

    def take_out(self, account: Account, order: OwnOrder, status: str, reason: str, now_ns: int) -> None:
        """Take an open order off the book and end it."""
        market = order.market
        best = market.best()
        market.engine.cancel(order.number)
        self._exchange.publish(market.emit(now_ns, best))
        self.end(account, order, status, reason, now_ns)

    def expire(self, when_ns: int, account: Account, order: OwnOrder) -> None:
        """The time of an order is over."""
        if order.is_open:
            self.take_out(account, order, EXPIRED, "", when_ns)


def scaled_limit(order: OwnOrder) -> int | None:
    """The limit as the book has it."""
    if order.limit_price is None:
        return None
    return to_scaled(order.limit_price, order.market.pair.price_precision)


def _take(
    engine: MatchingEngine, order: OwnOrder, wanted: int, limit: int | None
) -> tuple[list[Fill], list[OwnOrder], bool]:
    """(fills, own resting orders that were taken out, whether the order ends because it met one): sheet 3.6, STP."""
    fills: list[Fill] = []
    removed: list[OwnOrder] = []
    while True:
        left = wanted - sum(fill.quantity for fill in fills)
        fills += engine.match(order.side, left, limit, order.account)
        left = wanted - sum(fill.quantity for fill in fills)
        met = engine.would_meet(order.side, limit) if left else None
        if met is None or not isinstance(met.owner, OwnOrder) or met.owner.account != order.account:
            return fills, removed, False
        if order.stp == "cancel_newest":
            return fills, removed, True
        engine.cancel(met.number)
        removed.append(met.owner)
        if order.stp == "cancel_both":
            return fills, removed, True
