"""One simulated market: matching, order flow, trades, day figures, and the frames that its watchers get."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random

from gw_sim_kraken.feed import Emission, Topic, TrueBook
from gw_sim_kraken.market import frames
from gw_sim_kraken.market.candles import Candles
from gw_sim_kraken.market.catalogue import Character
from gw_sim_kraken.market.checksum import LEVELS, checksum_of_parts
from gw_sim_kraken.market.day import DAY_NS, MINUTE_NS, DayFigures
from gw_sim_kraken.market.flow import OrderFlow
from gw_sim_kraken.market.frames import Trade
from gw_sim_kraken.market.listing import Pair
from gw_sim_kraken.market.matching import Fill, MatchingEngine, Owner, Side
from gw_sim_kraken.market.window import Window
from gw_sim_kraken.texts import number_text

#: Trades before the opening, for trade snapshots (the last fifty) and day figures.
HISTORY_TRADES = 50
#: Hours before the opening that the day figures know of in the lump.
HISTORY_HOURS = 23


#: Told of each trade in which an account's order took part: market, trade, what the book says of it, taker.
TradeListener = Callable[["PairMarket", Trade, Fill, Owner | None], None]
#: Told of the prices (scaled) of all trades of one event: market, time, prices.
PriceListener = Callable[["PairMarket", int, Sequence[int]], None]


class PairMarket:
    """All of one symbol. Everything in it comes from the generator it is given."""

    def __init__(
        self, pair: Pair, character: Character, rng: Random, levels: int, open_ns: int, trades_max: int
    ) -> None:
        self.pair = pair
        self.engine = MatchingEngine(self._on_level)
        self.trades: deque[Trade] = deque(maxlen=trades_max)
        self.watched: set[Topic] = set()
        self.changed_ns = open_ns
        self.flow_stopped = False  # while a fault holds the book in a state of its own
        self.on_trade: TradeListener | None = None
        self.on_prices: PriceListener | None = None
        self._changed = False
        self._windows: dict[int, Window] = {}
        self._window_list: tuple[Window, ...] = ()
        self._day = DayFigures()
        self._candles = Candles()
        self._trade_id = rng.randint(1_000_000, 120_000_000)
        self._rng = rng
        self._flow = OrderFlow(rng, self.engine, character.price, character.quantity, levels)
        self._flow.fill_book()
        self._changed = False
        self._make_history(character, open_ns)

    # -- what happens ------------------------------------------------------------------------------------------

    def step(self, now_ns: int, mode: str) -> list[Emission]:
        """One event of the order flow and the frames it causes."""
        if self.flow_stopped:
            return []
        best = self._best()
        taken = self._flow.step(mode)
        return self.emit(now_ns, best, taken)

    def emit(
        self,
        now_ns: int,
        best_before: tuple[object, object],
        taken: tuple[str, str, list[Fill]] | None = None,
        taker: Owner | None = None,
    ) -> list[Emission]:
        """End an event: frames of all that changed since the last one, for those topics that are watched.

        `taken`: side of the taker, order type, fills. `taker`: where it is an account's order.
        """
        out: list[Emission] = []
        checksum = -1
        if self._changed:
            self.changed_ns, self._changed = now_ns, False
        for window in self._window_list:
            changes = window.take(now_ns)
            topic = Topic("book", self.pair.symbol, window.depth)
            if changes is not None and topic in self.watched:
                if checksum < 0:
                    checksum = self.checksum()
                out.append((topic, frames.book_frame("update", self.pair, *changes, checksum, now_ns)))
        if taken is not None and taken[2]:
            out += self._trade_frames(now_ns, *taken, taker)
        if self._best() != best_before:
            topic = Topic("ticker", self.pair.symbol, "bbo")
            if topic in self.watched:
                out.append((topic, self._ticker("update", now_ns)))
        return out

    def watch(self, topic: Topic) -> None:
        """Somebody listens to `topic` now."""
        self.watched.add(topic)
        if topic.channel == "book":
            depth = int(topic.parameter)
            if depth not in self._windows:
                self._windows[depth] = Window(depth, self.changed_ns)
                self._window_list = tuple(self._windows[depth] for depth in sorted(self._windows))

    def unwatch(self, topic: Topic) -> None:
        """Nobody listens to `topic` any more; its window goes on, so that the time of its last change is known."""
        self.watched.discard(topic)

    # -- what is -----------------------------------------------------------------------------------------------

    def checksum(self) -> int:
        """Of the book as it is."""
        return checksum_of_parts(self.engine.asks.texts(LEVELS), self.engine.bids.texts(LEVELS))

    def snapshot(self, topic: Topic, now_ns: int) -> bytes:
        """The first frame of a subscription."""
        pair = self.pair
        if topic.channel == "book":
            depth = int(topic.parameter)
            bids, asks = islice(self.engine.bids.top(), depth), islice(self.engine.asks.top(), depth)
            changed_ns = self._windows[depth].last_ns if depth in self._windows else self.changed_ns
            return frames.book_frame("snapshot", pair, bids, asks, self.checksum(), changed_ns)
        if topic.channel == "trade":
            last = list(islice(reversed(self.trades), HISTORY_TRADES))
            return frames.trade_frame("snapshot", pair.symbol, last[::-1])
        if topic.channel == "ticker":
            return self._ticker("snapshot", now_ns)
        interval = int(topic.parameter)
        return frames.ohlc_frame("snapshot", pair, interval, self.candles(interval), now_ns)

    def book(self, depth: int) -> TrueBook:
        """The true best `depth` levels a side, as wire text."""
        return TrueBook(
            bids=[self._level_text(level) for level in islice(self.engine.bids.top(), depth)],
            asks=[self._level_text(level) for level in islice(self.engine.asks.top(), depth)],
            checksum=self.checksum(),
            changed_ns=self.changed_ns,
        )

    def candles(self, interval: int) -> list[frames.Candle]:
        """Candles of `interval` minutes that had trades, oldest first."""
        return list(self._candles.series(interval, self._scaled_trades()).rows)

    def day(self) -> DayFigures:
        """The 24-hour figures."""
        return self._day

    def best(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Best bid and ask."""
        return self._best()

    def change_precision(self, price_precision: int, qty_precision: int) -> None:
        """Print in other decimals from now on. Where digits are lost, levels are rounded away from the touch."""
        pair, engine = self.pair, self.engine
        price = _ratio(price_precision - pair.price_precision)
        quantity = _ratio(qty_precision - pair.qty_precision)
        orders = [
            (order.side, order.price, order.total, order.owner, order.display) for order in engine.orders.values()
        ]
        for number in list(engine.orders):
            engine.cancel(number)
        for window in self._window_list:
            window.take(self.changed_ns)
        for side, old_price, old_quantity, owner, old_display in orders:
            new_price = old_price * price[0] // price[1] + (1 if side and old_price * price[0] % price[1] else 0)
            new_quantity = max(1, old_quantity * quantity[0] // quantity[1])
            display = max(1, old_display * quantity[0] // quantity[1]) if old_display else 0
            engine.rest(side, max(1, new_price), new_quantity, owner, display)
        for window in self._window_list:
            window.take(self.changed_ns)
        self._day.rescale(price, quantity)
        self._candles.forget()
        pair.price_precision, pair.qty_precision = price_precision, qty_precision

    # -- inside ------------------------------------------------------------------------------------------------

    def _on_level(self, side: Side, price: int, before: int, after: int) -> None:
        self._changed = True
        for window in self._window_list:
            window.on_level(side, price, before, after)

    def _best(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        bid, ask = self.engine.bids.best(), self.engine.asks.best()
        return (
            (bid.price, bid.quantity) if bid is not None else None,
            (ask.price, ask.quantity) if ask is not None else None,
        )

    def _level_text(self, level: tuple[int, int]) -> tuple[str, str]:
        return number_text(level[0], self.pair.price_precision), number_text(level[1], self.pair.qty_precision)

    def _trade_frames(
        self, now_ns: int, side: str, order_type: str, fills: Sequence[Fill], taker: Owner | None
    ) -> list[Emission]:
        symbol, out = self.pair.symbol, []
        trades = [self._record(now_ns + number, side, order_type, fill) for number, fill in enumerate(fills)]
        if self.on_trade is not None:
            for trade, fill in zip(trades, fills, strict=True):
                if taker is not None or fill.maker is not None:
                    self.on_trade(self, trade, fill, taker)
        if self.on_prices is not None:
            self.on_prices(self, now_ns, [fill.price for fill in fills])
        topic = Topic("trade", symbol, "")
        if topic in self.watched:
            out.append((topic, frames.trade_frame("update", symbol, trades)))
        topic = Topic("ticker", symbol, "trades")
        if topic in self.watched:
            out.append((topic, self._ticker("update", now_ns)))
        for topic in sorted(topic for topic in self.watched if topic.channel == "ohlc"):
            interval = int(topic.parameter)
            candle = self.candles(interval)[-1]
            out.append((topic, frames.ohlc_frame("update", self.pair, interval, [candle], now_ns)))
        return out

    def _record(self, time_ns: int, side: str, order_type: str, fill: Fill) -> Trade:
        self._trade_id += 1
        price, quantity = self._level_text((fill.price, fill.quantity))
        trade = Trade(self._trade_id, side, price, quantity, order_type, time_ns)
        self.trades.append(trade)
        self._day.add(time_ns, fill.price, fill.quantity)
        self._candles.add(time_ns, fill.price, fill.quantity)
        return trade

    def _ticker(self, kind: str, now_ns: int) -> bytes:
        return frames.ticker_frame(kind, self.pair, *self._best(), self._day.figures(), now_ns)

    def _scaled_trades(self) -> Iterator[tuple[int, int, int]]:
        pair = self.pair
        for trade in self.trades:
            yield trade.time_ns, _scaled(trade.price, pair.price_precision), _scaled(trade.quantity, pair.qty_precision)

    def _make_history(self, character: Character, open_ns: int) -> None:
        rng, price = self._rng, character.price
        start_ns = max(0, open_ns - DAY_NS + 2 * MINUTE_NS)
        for hour in range(HISTORY_HOURS):
            count = rng.randint(20, 400)
            drift = max(1, int(price * (1 + rng.uniform(-0.01, 0.01))))
            self._day.add(start_ns + hour * 60 * MINUTE_NS, drift, count * character.quantity, count)
        begin_ns = max(0, open_ns - 50 * MINUTE_NS)
        for number in range(HISTORY_TRADES):
            fill = Fill(price + rng.randint(-3, 3), max(1, int(character.quantity * rng.random())))
            side = rng.choice(("buy", "sell"))
            self._record(begin_ns + number * MINUTE_NS + rng.randrange(MINUTE_NS), side, "limit", fill)


def _ratio(decimals: int) -> tuple[int, int]:
    return (10**decimals, 1) if decimals >= 0 else (1, 10**-decimals)


def _scaled(text: str, decimals: int) -> int:
    head, _, tail = text.partition(".")
    return int(head + tail[:decimals].ljust(decimals, "0"))
