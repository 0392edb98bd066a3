"""What an account does by itself, from its seed: places, amends, cancels and fills orders in the first markets.

To a client it is the account's owner at another interface. It obeys funds and modes, and the engine's limits do not count
it: these are the client's alone.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from gw_sim_kraken.accounts.account import Account
from gw_sim_kraken.accounts.amounts import from_scaled, to_scaled
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.matching import BUY, SELL
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.orders.own_order import OwnOrder
from gw_sim_kraken.orders.request import AmendRequest, OrderRefused, OrderRequest
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

#: Cumulative shares of what it does; the rest is margin.
_REST, _CROSS, _MARKET, _AMEND, _CANCEL = 0.40, 0.55, 0.65, 0.80, 0.93
#: Own orders beyond which it cancels first.
_OPEN_MAX = 20
#: Ticks behind the touch, at most, where it rests.
_TICKS_MAX = 20
#: A margin order beyond this many open positions closes instead.
_POSITIONS_MAX = 3
_LEVERAGES = (2, 3, 5)


class Trader:
    """One account's. All chance comes from the generator it is given."""

    def __init__(self, exchange: SimulatedKraken, feed: SeededFeed, account: Account, rng: Random) -> None:
        self._exchange = exchange
        self._feed = feed
        self._account = account
        self._rng = rng
        self._mean_ns = SECOND_NS / exchange.settings.account_rate
        self._markets: list[tuple[PairMarket, Decimal]] = []

    def start(self, now_ns: int) -> None:
        """The first act is one interval after this."""
        for symbol, pair in list(self._feed.listing.pairs.items())[: self._exchange.settings.account_pairs]:
            usual = from_scaled(self._feed.usual(symbol)[1], pair.qty_precision)
            self._markets.append((self._feed.market(symbol), usual))
        self._plan(now_ns)

    def _plan(self, after_ns: int) -> None:
        pause_ns = int(self._exchange.settings.catch_up_max_s * SECOND_NS)
        # After a long pause of the driver it goes on from shortly before now, as the market does.
        after_ns = max(after_ns, self._exchange.now_ns - pause_ns)
        interval_ns = 1 + int(self._rng.expovariate(1.0) * self._mean_ns)
        self._exchange.schedule.at(after_ns + interval_ns, self._act)

    def _act(self, when_ns: int) -> None:
        if not self._exchange.frozen:
            # No funds, or the exchange takes no orders now: the next act may do better.
            with contextlib.suppress(OrderRefused):
                self._choose(when_ns)
        self._plan(when_ns)

    def _choose(self, now_ns: int) -> None:
        rng, dice = self._rng, self._rng.random()
        market, usual = self._markets[rng.randrange(len(self._markets))]
        side = rng.choice((BUY, SELL))
        if len(self._account.open_orders) >= _OPEN_MAX:
            dice = _AMEND
        if _MARKET <= dice < _CANCEL:
            order = self._own_order()
            if order is not None and dice < _AMEND:
                self._amend(order, now_ns)
            elif order is not None:
                self._exchange.order_desk.cancel(self._account, order, now_ns, limited=False)
            return
        quantity = self._quantity(market, usual)
        leverage, price, time_in_force = 0, None, "GTC"
        if dice < _CROSS:
            price = self._price(market, side, crosses=dice >= _REST)
            time_in_force = "IOC" if dice >= _REST and rng.random() < 0.3 else "GTC"
        elif dice >= _CANCEL and market.pair.marginable:
            leverage = rng.choice(_LEVERAGES)
            side, quantity = self._margin_side(market, side, quantity)
        request = OrderRequest(
            symbol=market.pair.symbol,
            side=side,
            order_type="market" if price is None else "limit",
            quantity=quantity,
            limit_price=price,
            time_in_force=time_in_force,
            post_only=dice < _REST and rng.random() < 0.2,
            leverage=leverage,
            userref=rng.randrange(4),
        )
        self._exchange.order_desk.place(self._account, request, now_ns, limited=False)

    def _amend(self, order: OwnOrder, now_ns: int) -> None:
        """Another price near the touch, or another quantity."""
        pair = order.market.pair
        if self._rng.random() < 0.5:
            request = AmendRequest(limit_price=self._price(order.market, order.side, crosses=False))
        else:
            percent = Decimal(self._rng.randint(50, 150)) / 100
            quantity = from_scaled(to_scaled(order.quantity * percent, pair.qty_precision), pair.qty_precision)
            request = AmendRequest(quantity=max(quantity, Decimal(pair.qty_min)))
        self._exchange.order_desk.amend(self._account, order, request, now_ns, limited=False)

    def _own_order(self) -> OwnOrder | None:
        orders = list(self._account.open_orders.values())
        return orders[self._rng.randrange(len(orders))] if orders else None

    def _quantity(self, market: PairMarket, usual: Decimal) -> Decimal:
        pair = market.pair
        wanted = max(usual * self._rng.randint(1, 30) / 100, Decimal(pair.qty_min) * 2)
        return from_scaled(to_scaled(wanted, pair.qty_precision), pair.qty_precision)

    def _price(self, market: PairMarket, side: int, *, crosses: bool) -> Decimal:
        """At or behind the own side's best price, or at the other side's."""
        own, other = market.engine.sides[side].best(), market.engine.sides[1 - side].best()
        if own is None or other is None:
            raise OrderRefused("there is no touch to go by")
        ticks = 0 if crosses else self._rng.randrange(_TICKS_MAX)
        price = other.price if crosses else own.price + own_sign(side) * ticks
        return from_scaled(max(1, price), market.pair.price_precision)

    def _margin_side(self, market: PairMarket, side: int, quantity: Decimal) -> tuple[int, Decimal]:
        """The other side of what is open, where enough is."""
        positions = [one for one in self._account.positions.values() if one.market is market]
        if len(positions) < _POSITIONS_MAX:
            return side, quantity
        open_quantity = sum((one.open_quantity for one in positions if one.side == positions[0].side), Decimal(0))
        return 1 - positions[0].side, max(open_quantity, Decimal(market.pair.qty_min))


def own_sign(side: int) -> int:
    """The direction in which prices get worse for the owner's chance to trade."""
    return -1 if side == BUY else 1
