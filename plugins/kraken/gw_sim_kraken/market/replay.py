"""Plays a recording: bytes passed through, paced as recorded, one run for all clients (issue: Replay).

It starts at the first subscription of something it holds. Who comes later joins it where it stands: a book is then
given as the recording left it, with the recording's last checksum, unless that checksum does not hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gw_sim_kraken.feed import Emission, Topic, TrueBook
from gw_sim_kraken.market.book_state import BookState
from gw_sim_kraken.market.candles import Series
from gw_sim_kraken.market.day import DayFigures
from gw_sim_kraken.market.frames import Candle, Trade
from gw_sim_kraken.market.instruments_file import derive_instruments, read_instruments
from gw_sim_kraken.market.listing import Listing
from gw_sim_kraken.market.recording import Frame, read_recording
from gw_sim_kraken.market.seeded import DEPTHS
from gw_sim_kraken.settings import SimKrakenSettings
from gw_sim_kraken.texts import SECOND_NS


class ReplayFeed:
    """A `Feed` made of a file's content. Raises ValueError (file and line) where that is no recording."""

    def __init__(self, settings: SimKrakenSettings, content: bytes, instruments: bytes = b"") -> None:
        spacing_ns = int(settings.replay_spacing_s * SECOND_NS)
        self._recording = read_recording(content, settings.replay or "recording", spacing_ns)
        self.mode = "online"
        self.unpaced = settings.speed <= 0
        self.listing = Listing(exponents=settings.exponents)
        if instruments:
            read_instruments(instruments, settings.instruments or "instruments", self.listing)
        self._read_recorded_instruments()
        derive_instruments(self._recording.frames, self.listing)
        self._speed = settings.speed
        self._drop = settings.drop
        self._settle_ns = int(settings.replay_settle_s * SECOND_NS) if settings.latency else 0
        self._trades: dict[str, deque[Trade]] = {}
        self._trades_max = settings.trades_max
        self._books = {symbol: BookState(depth) for symbol, depth in self._book_depths().items()}
        held = {(frame.channel, frame.symbol) for frame in self._recording.frames}
        # What is traded and how the venue stands everybody asks first; the recording waits for who wants the rest.
        self._held = {topic for topic in held if topic[0] not in ("", "instrument", "status")} or held
        self._position = 0
        self._books_played = 0
        self._start_ns: int | None = None
        self._late_ns = 0  # how much the driver's pauses put the rest off
        self._now_ns = 0

    @property
    def played(self) -> int:
        """Frames played so far."""
        return self._position

    def accepts_depth(self, symbol: str, depth: int) -> bool:
        """The recorded depth only; any that Kraken has where no book was recorded."""
        return depth == self._books[symbol].depth if symbol in self._books else depth in DEPTHS

    def start(self, now_ns: int) -> None:
        """Nothing happens before somebody listens."""

    def clock_ns(self, now_ns: int) -> int:
        """What the clock showed when this was recorded: else all that is played would look as late as it is old."""
        began_ns, frames = self._recording.began_ns, self._recording.frames
        if began_ns is None:
            return now_ns
        if self._start_ns is None:
            return began_ns
        if self.unpaced:
            return began_ns + (frames[self._position - 1].after_ns if self._position else 0)
        return began_ns + int(max(0, now_ns - self._start_ns - self._late_ns) * self._speed)

    def skip_to(self, now_ns: int) -> None:
        """A recording is played whole: what is due is put off to `now_ns`."""
        due_ns = self.next_ns()
        if due_ns is not None and not self.unpaced:
            self._late_ns += max(0, now_ns - due_ns)

    def watch(self, topic: Topic, now_ns: int) -> None:
        """The first listener to something recorded starts the replay."""
        if self._start_ns is None and (topic.channel, topic.symbol) in self._held:
            self._start_ns = self._now_ns = now_ns + self._settle_ns

    def unwatch(self, topic: Topic) -> None:
        """The recording goes on."""

    def next_ns(self) -> int | None:
        """When the next frame is due; None before the start and after the end."""
        if self._start_ns is None or self._position >= len(self._recording.frames):
            return None
        if self.unpaced:
            return self._now_ns
        after_ns = self._recording.frames[self._position].after_ns
        return self._start_ns + self._late_ns + int(after_ns / self._speed)

    def step(self, now_ns: int) -> Sequence[Emission]:
        """The next frame."""
        frame = self._recording.frames[self._position]
        self._position += 1
        self._now_ns = max(self._now_ns, now_ns)
        self._follow(frame)
        if frame.channel == "book":
            self._books_played += 1
            if self._books_played == self._drop:
                return ()
        return [(topic, frame.raw) for topic in self._topics(frame)]

    def has_snapshot(self, topic: Topic) -> bool:
        """Whether somebody who subscribes now is given the book: only if the recording's own checksum holds."""
        return topic.channel == "book" and topic.symbol in self._books and self._books[topic.symbol].holds()

    def snapshot(self, topic: Topic, now_ns: int) -> bytes | None:
        """The book as the recording stands."""
        return self._books[topic.symbol].snapshot(topic.symbol) if self.has_snapshot(topic) else None

    def book(self, symbol: str, depth: int) -> TrueBook:
        """What a faithful client holds now; checksum -1 before the first snapshot."""
        if symbol not in self._books:
            self.listing.pairs[symbol]  # KeyError for an unknown symbol
            return TrueBook(bids=[], asks=[], checksum=-1, changed_ns=self._now_ns)
        state = self._books[symbol]
        bids, asks = state.levels(depth)
        checksum = -1 if state.checksum is None else state.checksum
        return TrueBook(bids=bids, asks=asks, checksum=checksum, changed_ns=self._now_ns)

    def trades(self, symbol: str) -> Sequence[Trade]:
        """Trades played so far."""
        self.listing.pairs[symbol]  # KeyError for an unknown symbol
        return list(self._trades.get(symbol, ()))

    def day(self, symbol: str) -> DayFigures:
        """Figures of the trades played so far."""
        figures = DayFigures()
        for time_ns, price, quantity in self._scaled_trades(symbol):
            figures.add(time_ns, price, quantity)
        return figures

    def candles(self, symbol: str, interval: int) -> Sequence[Candle]:
        """Candles of the trades played so far."""
        series = Series(interval)
        for time_ns, price, quantity in self._scaled_trades(symbol):
            series.add(time_ns, price, quantity)
        return list(series.rows)

    # -- inside ------------------------------------------------------------------------------------------------

    def _read_recorded_instruments(self) -> None:
        for frame in self._recording.frames:
            if frame.channel == "instrument" and frame.kind == "snapshot" and not self.listing.pairs:
                read_instruments(frame.raw, "instrument frame of the recording", self.listing)

    def _book_depths(self) -> dict[str, int]:
        """The depth that was subscribed; where no line tells it, the smallest one that the snapshots fit in."""
        depths: dict[str, int] = {}
        for frame in self._recording.frames:
            if frame.channel != "book":
                continue
            rows = [row for row in frame.data if isinstance(row, dict)]
            longest = max((len(row.get(side) or ()) for row in rows for side in ("bids", "asks")), default=0)
            known = self._recording.depths.get(frame.symbol)
            size = longest if frame.kind == "snapshot" else 0
            fitting = next((depth for depth in DEPTHS if depth >= size), DEPTHS[-1])
            depths[frame.symbol] = known or max(depths.get(frame.symbol, 0), fitting)
        return depths

    def _follow(self, frame: Frame) -> None:
        rows = frame.data if isinstance(frame.data, list) else []
        for row in rows:
            if frame.channel == "book" and frame.symbol in self._books:
                self._books[frame.symbol].apply(frame.kind, row)
            elif frame.channel == "trade":
                self._keep_trade(row)

    def _keep_trade(self, row: dict[str, Any]) -> None:
        kept = self._trades.setdefault(str(row.get("symbol")), deque(maxlen=self._trades_max))
        trade_id = row.get("trade_id", 0)
        if isinstance(trade_id, int) and (not kept or kept[-1].trade_id < trade_id):
            price, quantity = str(row.get("price", 0)), str(row.get("qty", 0))
            order_type, side = str(row.get("ord_type", "limit")), str(row.get("side", "buy"))
            kept.append(Trade(trade_id, side, price, quantity, order_type, self._now_ns))

    def _topics(self, frame: Frame) -> list[Topic]:
        channel, symbol = frame.channel, frame.symbol
        if not channel:
            return [Topic("status", "", "")]  # for everybody
        if channel == "book":
            return [Topic(channel, symbol, self._books[symbol].depth)]
        if channel == "ticker":
            return [Topic(channel, symbol, "trades"), Topic(channel, symbol, "bbo")]
        if channel == "ohlc":
            return [Topic(channel, symbol, frame.data[0].get("interval", 1))]
        return [Topic(channel, symbol, "")]

    def _scaled_trades(self, symbol: str) -> list[tuple[int, int, int]]:
        pair = self.listing.pairs[symbol]
        price, quantity = Decimal(10) ** pair.price_precision, Decimal(10) ** pair.qty_precision
        return [
            (trade.time_ns, int(Decimal(trade.price) * price), int(Decimal(trade.quantity) * quantity))
            for trade in self._trades.get(symbol, ())
        ]
