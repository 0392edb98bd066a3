"""Two books on a connection that is pinged, and as late as a test says: what the tests of lag play on."""

from __future__ import annotations

from typing import Any

from gwcore.model import Channel, MarketByPriceUpdate, StreamState, TopOfBook, UpdateType
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import Topic

BTC, ETH = "BTC/USD", "ETH/USD"
SECOND = 1_000_000_000
#: The venue's clock minus the bench's.
AHEAD_S = 4000.0


class Pinged:
    """The toy codec, and it can ping."""

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def ping(self, number: int) -> bytes:
        return b"ping %d" % number


class Late:
    """Two books on one connection that is pinged every 5 s; its answers and messages are as old as a test says."""

    def __init__(self, bench: Any, channels: tuple[str, ...] = ("book",), **detection: Any) -> None:
        settings = (HealingSettings(), DetectionSettings(book_quiet_s=None, **detection))
        self.b = bench(BTC, ETH, channels=channels, settings=settings, silence_s=1000.0, ping_s=5.0)
        self.b.machine.on_open(Pinged(self.b.streams.market_data(self.b.machine.shard)), self.b.now_ns)
        self.b.machine.on_burst_end(self.b.now_ns)
        for symbol in (BTC, ETH):
            self.b.live(symbol)
        self.quantity = 0

    def now_s(self) -> float:
        """The venue's clock."""
        return self.b.now_ns / SECOND + AHEAD_S

    def answer(self, lag_s: float = 0.0) -> None:
        """The answer to the newest ping that is at least as old as that."""
        says = {"time_s": self.now_s() - lag_s}
        number = max(
            n for n, sent_ns in self.b.machine.pings._unanswered.items() if sent_ns <= self.b.now_ns - lag_s * SECOND
        )
        self.b.hear(pong=number, **says)

    def on_time(self) -> Late:
        """One ping and its quick answer: the clocks are known."""
        self.b.wait(5)
        self.answer()
        return self

    def update(self, symbol: str, lag_s: float) -> None:
        self.quantity += 1
        bid = ["9.9", f"{self.quantity}.00"]
        self.b.hear(book=symbol, bids=[bid], checksum=101, time_s=self.now_s() - lag_s)

    def state(self, symbol: str, channel: str = "book") -> StreamState:
        depth = 10 if channel == "book" else 0
        state: StreamState = self.b.machine.subscriptions.topics[Topic(Channel(channel), symbol, depth)].state
        return state

    def heal(self, symbol: str) -> None:
        """The venue answers the new subscription."""
        self.b.hear(ack=["book", symbol], left=True).live(symbol)

    def last(self, symbol: str) -> MarketByPriceUpdate:
        return [e for e in self.b.book.events if isinstance(e, MarketByPriceUpdate) and e.symbol == symbol][-1]


def best(symbol: str, price: str) -> TopOfBook:
    return TopOfBook(symbol=symbol, update_type=UpdateType.SNAPSHOT, bid_price=price)
