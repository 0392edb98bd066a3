"""Where market data comes from: a seeded market or a recording. The exchange serves either in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gw_sim_kraken.market.day import DayFigures
from gw_sim_kraken.market.frames import Candle, Trade
from gw_sim_kraken.market.listing import Listing


class Topic(NamedTuple):
    """What can be listened to. The parameter is the depth, the interval in minutes or the event trigger."""

    channel: str
    symbol: str
    parameter: int | str = ""


#: A frame for all that listen to a topic.
Emission = tuple[Topic, bytes]


@dataclass(frozen=True, slots=True)
class TrueBook:
    """The book as it truly is: (price, quantity) in wire text, best first."""

    bids: Sequence[tuple[str, str]]
    asks: Sequence[tuple[str, str]]
    checksum: int
    changed_ns: int


class Feed(Protocol):
    """A source of frames. Times given to it do not go back."""

    listing: Listing
    mode: str  # of the whole exchange, sheet 3.8
    unpaced: bool  # events are due as fast as they can be sent

    def accepts_depth(self, symbol: str, depth: int) -> bool:
        """Whether a book of this depth can be had."""
        ...

    def start(self, now_ns: int) -> None:
        """The driver's clock is known."""
        ...

    def clock_ns(self, now_ns: int) -> int:
        """What the exchange's clock shows: the time that its market data is stamped by."""
        ...

    def skip_to(self, now_ns: int) -> None:
        """The driver paused for long: events before `now_ns` are left out, or put off if none may be lost."""
        ...

    def watch(self, topic: Topic, now_ns: int) -> None:
        """Somebody listens to `topic`."""
        ...

    def unwatch(self, topic: Topic) -> None:
        """Nobody listens to `topic` any more."""
        ...

    def next_ns(self) -> int | None:
        """When the next event is due."""
        ...

    def step(self, now_ns: int) -> Sequence[Emission]:
        """The next event (it is due)."""
        ...

    def has_snapshot(self, topic: Topic) -> bool:
        """Whether `snapshot` would give a frame now."""
        ...

    def snapshot(self, topic: Topic, now_ns: int) -> bytes | None:
        """The first frame of a subscription, None where there is none to give."""
        ...

    def book(self, symbol: str, depth: int) -> TrueBook:
        """The truth. Raises KeyError for an unknown symbol."""
        ...

    def trades(self, symbol: str) -> Sequence[Trade]:
        """All trades kept, oldest first. Raises KeyError for an unknown symbol."""
        ...

    def day(self, symbol: str) -> DayFigures:
        """The 24-hour figures of a symbol, for REST."""
        ...

    def candles(self, symbol: str, interval: int) -> Sequence[Candle]:
        """Candles of `interval` minutes that had trades, oldest first."""
        ...
