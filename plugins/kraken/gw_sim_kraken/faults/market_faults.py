"""Faults that change the simulated market itself: crossed book, empty side, jump, precision, pair status, listings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gw_sim_kraken.feed import Topic
from gw_sim_kraken.market.listing import Pair, instrument_update
from gw_sim_kraken.market.market import PairMarket
from gw_sim_kraken.market.matching import BUY, SELL, MatchingEngine, Order
from gw_sim_kraken.market.seeded import SeededFeed

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_INSTRUMENTS = Topic("instrument", "", "")
_SIDES = {"bids": BUY, "asks": SELL}


class MarketFaults:
    """They need a seeded market: a recording can't be changed. The truth (`book`) changes with them."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._crossing: dict[str, int] = {}  # symbol, the order that crosses
        self._emptied: dict[tuple[str, str], list[Order]] = {}  # by symbol and side
        self._jumped: dict[str, tuple[int, list[Order]]] = {}  # symbol, the far ask, the asks before
        self._precisions: dict[str, tuple[int, int]] = {}  # symbol, price and quantity precision before
        self._statuses: dict[str, str] = {}  # symbol, status before

    def table(self) -> dict[str, Callable[..., str]]:
        """Names and calls."""
        return {
            "cross": self._cross,
            "empty_side": self._empty_side,
            "jump": self._jump,
            "precision": self._precision,
            "pair_status": self._pair_status,
            "list_pair": self._list_pair,
            "rename": self._rename,
        }

    def restore(self) -> None:
        """End all of them; listed pairs stay."""
        for symbol in list(self._crossing):
            self._cross(symbol, on=False)
        for symbol, side in list(self._emptied):
            self._empty_side(symbol, side, on=False)
        for symbol in list(self._jumped):
            self._jump(symbol, on=False)
        for symbol in list(self._precisions):
            self._precision(symbol, on=False)
        for symbol in list(self._statuses):
            self._pair_status(symbol, on=False)

    def _feed(self) -> SeededFeed:
        feed = self._exchange.feed
        if not isinstance(feed, SeededFeed):
            raise ValueError("this fault needs a seeded market, not a replay")
        return feed

    def _publish(self, market: PairMarket, best: tuple[object, object]) -> None:
        self._exchange.publish(market.emit(self._exchange.now_ns, best))

    def _publish_pair(self, pair: Pair) -> None:
        frame = instrument_update(self._exchange.feed.listing, [pair])
        self._exchange.publish([(_INSTRUMENTS, frame)])

    def _cross(self, symbol: str, locked: bool = False, on: bool = True) -> str:
        market = self._feed().market(symbol)
        engine, best = market.engine, market.best()
        number = self._crossing.pop(symbol, None)
        if number is not None:
            engine.cancel(number)
        if on:
            ask = engine.asks.best()
            if ask is None:
                raise ValueError(f"{symbol} has no asks to be crossed")
            price = ask.price if locked else ask.price + 1
            self._crossing[symbol] = engine.rest(BUY, price, ask.quantity)
        market.flow_stopped = on
        self._publish(market, best)
        return f"the book of {symbol} is {'crossed' if on else 'as it was'}"

    def _empty_side(self, symbol: str, side: str = "asks", on: bool = True) -> str:
        if side not in _SIDES:
            raise ValueError(f"no side {side!r}: bids or asks")
        market = self._feed().market(symbol)
        engine, best, index = market.engine, market.best(), _SIDES[side]
        if on:
            orders = [order for order in engine.orders.values() if order.side == index]
            kept = self._emptied.setdefault((symbol, side), [])
            kept += self._take_out(engine, orders)
        else:
            self._rest_again(engine, self._emptied.pop((symbol, side), []))
        market.flow_stopped = on
        self._publish(market, best)
        return f"the {side} of {symbol} are {'gone' if on else 'back'}"

    @staticmethod
    def _take_out(engine: MatchingEngine, orders: list[Order]) -> list[Order]:
        """Off the book, remembered as they stood."""
        kept = [Order(0, order.side, order.price, order.total, order.owner, order.display) for order in orders]
        for order in orders:
            engine.cancel(order.number)
        return kept

    @staticmethod
    def _rest_again(engine: MatchingEngine, kept: list[Order]) -> None:
        """Back on the book, but for accounts' orders that ended meanwhile."""
        for order in kept:
            owner = order.owner
            if owner is None or (owner.is_open and owner.number not in engine.orders):
                engine.rest(order.side, order.price, order.total, owner, order.display)

    def _jump(self, symbol: str, times: int = 3, on: bool = True) -> str:
        """All asks but one, at so many times the price, are gone: a book without a fault, far from its trades."""
        market = self._feed().market(symbol)
        engine, best = market.engine, market.best()
        far, kept = self._jumped.pop(symbol, (0, []))
        if far:
            engine.cancel(far)
        if on:
            orders = [order for order in engine.orders.values() if order.side == SELL]
            kept += self._take_out(engine, orders)
            if not kept:
                raise ValueError(f"{symbol} has no asks to be moved")
            dearest = max(kept, key=lambda order: order.price)
            self._jumped[symbol] = (engine.rest(SELL, dearest.price * times, dearest.quantity), kept)
        else:
            self._rest_again(engine, kept)
        market.flow_stopped = on
        self._publish(market, best)
        return f"the asks of {symbol} are {f'{times} times as dear' if on else 'as they were'}"

    def _precision(
        self, symbol: str, price_precision: int | None = None, qty_precision: int | None = None, on: bool = True
    ) -> str:
        market = self._feed().market(symbol)
        pair = market.pair
        before = self._precisions.setdefault(symbol, (pair.price_precision, pair.qty_precision))
        if not on:
            price_precision, qty_precision = self._precisions.pop(symbol)
        elif price_precision is None and qty_precision is None:
            price_precision = before[0] + 1
        price = pair.price_precision if price_precision is None else price_precision
        quantity = pair.qty_precision if qty_precision is None else qty_precision
        if not (0 <= price <= 12 and 0 <= quantity <= 12):
            raise ValueError("precisions are 0 to 12")
        market.change_precision(price, quantity)
        self._publish_pair(pair)
        return f"{symbol} has {price} decimals of price and {quantity} of quantity"

    def _pair_status(self, symbol: str, status: str = "cancel_only", on: bool = True) -> str:
        pair = self._feed().listing.pairs[symbol]
        before = self._statuses.setdefault(symbol, pair.status)
        pair.status = status if on else before
        if not on:
            del self._statuses[symbol]
        self._publish_pair(pair)
        return f"{symbol} is {pair.status}"

    def _rename(self, symbol: str, to: str) -> str:
        """The old name is delisted, the market goes on under the new one; nobody is subscribed to that yet."""
        feed, exchange = self._feed(), self._exchange
        if to in feed.listing.pairs or len(to.split("/")) != 2 or not all(to.split("/")):
            raise ValueError(f"{to!r} is listed already, or is no symbol: BASE/QUOTE")
        ended = replace(feed.listing.pairs[symbol], status="delisted")
        for subscription in exchange.board.of_symbol(symbol):
            subscription.ended = True
        pair = feed.rename(symbol, to)
        exchange.publish([(_INSTRUMENTS, instrument_update(feed.listing, [ended, pair]))])
        return f"{symbol} is {to} now"

    def _list_pair(self, symbol: str) -> str:
        feed = self._feed()
        if symbol in feed.listing.pairs:
            raise ValueError(f"{symbol} is listed already")
        if len(symbol.split("/")) != 2 or not all(symbol.split("/")):
            raise ValueError(f"{symbol!r} is no symbol: BASE/QUOTE")
        self._publish_pair(feed.list_pair(symbol))
        return f"{symbol} is listed"
