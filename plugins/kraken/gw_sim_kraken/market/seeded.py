"""The seeded exchange: any number of markets, events in random order by a Zipf-like share of activity."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random

from gw_sim_kraken.feed import Emission, Topic, TrueBook
from gw_sim_kraken.market.catalogue import Character, make_listing
from gw_sim_kraken.market.day import DayFigures
from gw_sim_kraken.market.frames import Candle, Trade
from gw_sim_kraken.market.listing import Pair
from gw_sim_kraken.market.market import PairMarket, PriceListener, TradeListener
from gw_sim_kraken.settings import SimKrakenSettings
from gw_sim_kraken.texts import SECOND_NS

DEPTHS = (10, 25, 100, 500, 1000)
#: Frames that one event causes on average for a client of book (depth 10), trade and ticker: measured, so that the
#: setting `rate` means messages.
FRAMES_PER_EVENT = 1.09


class SeededFeed:
    """Makes markets when they are first needed; events go on whether or not somebody listens."""

    def __init__(self, settings: SimKrakenSettings) -> None:
        self.listing, self._characters = make_listing(settings.pairs, settings.seed, exponents=settings.exponents)
        self.unpaced = False
        self.mode = "online"
        self.on_trade: TradeListener | None = None  # set before the first market is made
        self.on_prices: PriceListener | None = None
        self._settings = settings
        self._symbols = list(self.listing.pairs)
        self._ranks = {symbol: rank for rank, symbol in enumerate(self._symbols)}
        self._shares = list(accumulate((rank + 1) ** -settings.skew for rank in range(len(self._symbols))))
        self._rng = Random(f"{settings.seed}/arrivals")
        self._markets: dict[str, PairMarket] = {}
        self._open_ns = settings.start_ns
        self._next_ns: int | None = None
        self._mean_ns = SECOND_NS * FRAMES_PER_EVENT / settings.rate if settings.rate > 0 else 0.0

    def accepts_depth(self, symbol: str, depth: int) -> bool:
        """Every depth that Kraken has."""
        return depth in DEPTHS

    def start(self, now_ns: int) -> None:
        """The first event is one interval after this."""
        self._open_ns = self._open_ns or now_ns
        if self._next_ns is None and self._mean_ns and self._symbols:
            self._next_ns = max(now_ns, self._open_ns) + self._interval_ns()

    def skip_to(self, now_ns: int) -> None:
        """Leave out what would have happened before `now_ns`."""
        if self._next_ns is not None:
            self._next_ns = max(self._next_ns, now_ns)

    def watch(self, topic: Topic, now_ns: int) -> None:
        """Somebody listens to `topic`."""
        if topic.symbol in self._ranks:
            self.market(topic.symbol).watch(topic)

    def unwatch(self, topic: Topic) -> None:
        """Nobody listens to `topic` any more."""
        if topic.symbol in self._ranks:  # it may have another name by now
            self.market(topic.symbol).unwatch(topic)

    def clock_ns(self, now_ns: int) -> int:
        """Markets are stamped by the driver's clock."""
        return now_ns

    def next_ns(self) -> int | None:
        """When the next event is due."""
        return self._next_ns

    def step(self, now_ns: int) -> Sequence[Emission]:
        """One event of one market, at the time it was due."""
        due_ns = self._next_ns
        assert due_ns is not None
        self._next_ns = due_ns + self._interval_ns()
        if self.mode == "maintenance":
            return ()
        symbol = self._symbols[bisect_left(self._shares, self._rng.random() * self._shares[-1])]
        status = self.listing.pairs[symbol].status
        mode = self.mode if self.mode != "online" else status
        if mode in ("delisted", "maintenance", "work_in_progress"):
            return ()
        return self.market(symbol).step(due_ns, mode)

    def has_snapshot(self, topic: Topic) -> bool:
        """Every market has one."""
        return True

    def snapshot(self, topic: Topic, now_ns: int) -> bytes | None:
        """The first frame of a subscription."""
        return self.market(topic.symbol).snapshot(topic, now_ns)

    def book(self, symbol: str, depth: int) -> TrueBook:
        """The truth. Raises KeyError for an unknown symbol."""
        return self.market(symbol).book(depth)

    def trades(self, symbol: str) -> Sequence[Trade]:
        """All trades kept, oldest first. Raises KeyError for an unknown symbol."""
        return list(self.market(symbol).trades)

    def day(self, symbol: str) -> DayFigures:
        """The 24-hour figures of a symbol."""
        return self.market(symbol).day()

    def candles(self, symbol: str, interval: int) -> Sequence[Candle]:
        """Candles that had trades, oldest first."""
        return self.market(symbol).candles(interval)

    def market(self, symbol: str) -> PairMarket:
        """The market of a symbol. Raises KeyError for an unknown one."""
        market = self._markets.get(symbol)
        if market is None:
            settings = self._settings
            deep = self._ranks[symbol] < settings.deep_pairs
            market = self._markets[symbol] = PairMarket(
                self.listing.pairs[symbol],
                self._characters[symbol],
                Random(f"{settings.seed}/market/{symbol}"),
                settings.levels_deep if deep else settings.levels,
                self._open_ns,
                settings.trades_max,
            )
            market.on_trade, market.on_prices = self.on_trade, self.on_prices
        return market

    def usual(self, symbol: str) -> tuple[int, int]:
        """Start price and usual quantity of a market, scaled. Raises KeyError for an unknown symbol."""
        character = self._characters[symbol]
        return character.price, character.quantity

    def list_pair(self, symbol: str) -> Pair:
        """List one more market; it has the least activity."""
        base, quote = symbol.split("/")
        pair = Pair(symbol, base, quote, 4, 8)
        self.listing.add(pair)
        self._characters[symbol] = Character(20_000, 5_000_000_000)
        self._symbols.append(symbol)
        self._ranks[symbol] = len(self._ranks)
        self._shares.append(self._shares[-1] + len(self._symbols) ** -self._settings.skew)
        return pair

    def rename(self, symbol: str, new: str) -> Pair:
        """Give a market another symbol; it keeps its REST key, its book and its trades."""
        market, old = self.market(symbol), self.listing.pairs[symbol]
        base, quote = new.split("/")
        pair = replace(old, symbol=new, base=base, quote=quote, key=old.rest_key)
        self.listing.remove(old)
        self.listing.add(pair)
        market.pair = pair
        market.watched.clear()
        self._symbols[self._symbols.index(symbol)] = new
        self._ranks[new] = self._ranks.pop(symbol)
        self._characters[new] = self._characters.pop(symbol)
        self._markets[new] = self._markets.pop(symbol)
        return pair

    def _interval_ns(self) -> int:
        return 1 + int(self._rng.expovariate(1.0) * self._mean_ns)
