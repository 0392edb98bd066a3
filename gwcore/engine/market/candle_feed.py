"""CandleFeed: the candles of one connection, over all its reconnects; those that span an outage are fetched again.

Which candle is still forming is the codec's knowledge while a connection lasts, and dies with it; this remembers only
where each series stood when the connection was lost. What can't be fetched is a Gap with state LOST and its times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.recovery import Recovery
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.errors import VenueError, VenueRejected, VenueUnavailable
from gwcore.model import Bar, Channel, Gap, GapState, Instrument, Origin, TimeSeriesUpdate
from gwcore.venue import CandleHistory, Streams

#: Tries for one series; then its candles of the outage are LOST. With the delays below that is about a minute.
TRIES_MAX = 6
RETRY_FIRST_NS, RETRY_MAX_NS = 2 * NANOSECONDS, 30 * NANOSECONDS
#: Fetched candles in one event.
EVENT_BARS_MAX = 100

#: (symbol, interval in seconds)
Series = tuple[str, int]


class _Fetch:
    """Candles of one series that are to be fetched, from `begin_ns` on."""

    __slots__ = ("begin_ns", "retry_ns", "tries")

    def __init__(self, begin_ns: int) -> None:
        self.begin_ns = begin_ns
        self.tries = 0
        self.retry_ns: int | None = None


class CandleFeed:
    """All candle subscriptions of one shard. Times are monotonic ns, but for `begin_ns`."""

    def __init__(
        self, streams: Streams, outbox: Outbox, instruments: Mapping[str, Instrument], recovery: Recovery
    ) -> None:
        self._history: CandleHistory | None = streams if hasattr(streams, "candles_since") else None  # type: ignore[assignment]
        self._outbox = outbox
        self._instruments = instruments
        self._recovery = recovery
        self._begins: dict[Series, int] = {}  # of the newest candle of each series
        self._broken: dict[Series, int] = {}  # the newest one when the connection was lost
        self._fetches: dict[Series, _Fetch] = {}
        self.backfilled = 0

    def remove(self, symbol: str) -> None:
        """Follow a symbol no longer."""
        for series in [series for series in self._begins if series[0] == symbol]:
            for known in (self._begins, self._broken, self._fetches):
                known.pop(series, None)
            self._recovery.settle(("candle", *series))

    def on_open(self) -> set[tuple[str, str, int]]:
        """Connected again; returns keys of what a recovery has to wait for."""
        return {("candle", *series) for series in self._broken}

    def on_close(self) -> None:
        """The connection is gone. A series that did not come back since the last time keeps its older mark."""
        if self._history is not None:
            self._broken = self._begins | self._broken

    def on_candles(self, update: TimeSeriesUpdate, received_ns: int) -> None:
        """Candles of the venue: published as they come. The first ones after an outage have it fetched."""
        self._outbox.publish(update, received_ns)
        if not update.bars:
            return
        series = (update.symbol, update.interval_s)
        self._begins[series] = update.bars[-1].begin_time_ns
        if self._broken:
            begin_ns = self._broken.pop(series, None)
            if begin_ns is not None:
                known = self._fetches.get(series)
                fetch = self._fetches[series] = _Fetch(min(begin_ns, known.begin_ns) if known else begin_ns)
                self._ask(series, fetch)

    def _ask(self, series: Series, fetch: _Fetch) -> None:
        fetch.retry_ns = None
        instrument = self._instruments.get(series[0])
        if self._history is not None and instrument is not None:
            flow = self._history.candles_since(instrument, series[1], fetch.begin_ns)
            self._outbox.run_flow(flow, partial(self._on_bars, series, fetch))

    def _on_bars(self, series: Series, fetch: _Fetch, bars: Sequence[Bar] | VenueError, now_ns: int) -> None:
        if self._fetches.get(series) is not fetch:
            return  # begun anew, or not followed any more
        if isinstance(bars, VenueError):
            self._failed(series, fetch, bars, now_ns)
            return
        for first in range(0, len(bars), EVENT_BARS_MAX):
            self._outbox.publish(
                TimeSeriesUpdate(
                    symbol=series[0],
                    interval_s=series[1],
                    bars=tuple(bars[first : first + EVENT_BARS_MAX]),
                    origin=Origin.BACKFILL,
                )
            )
        self.backfilled += len(bars)
        self._recovery.count(bars=len(bars))
        self._end(series)

    def _failed(self, series: Series, fetch: _Fetch, error: VenueError, now_ns: int) -> None:
        fetch.tries += 1
        if fetch.tries >= TRIES_MAX or isinstance(error, VenueRejected):
            self._outbox.publish(
                Gap(
                    state=GapState.LOST,
                    cause=str(error),
                    symbol=series[0],
                    channel=Channel.OHLC.value,
                    from_ns=fetch.begin_ns,
                    to_ns=self._begins[series],
                )
            )
            self._end(series)
            return
        delay_ns = min(RETRY_MAX_NS, RETRY_FIRST_NS * 2 ** (fetch.tries - 1))
        if isinstance(error, VenueUnavailable) and error.retry_after_s is not None:
            delay_ns = max(delay_ns, int(error.retry_after_s * NANOSECONDS))
        fetch.retry_ns = now_ns + delay_ns

    def _end(self, series: Series) -> None:
        del self._fetches[series]
        self._recovery.settle(("candle", *series))

    def on_timer(self, now_ns: int) -> None:
        """Ask again where it is time to."""
        for series, fetch in list(self._fetches.items()):
            if fetch.retry_ns is not None and fetch.retry_ns <= now_ns:
                self._ask(series, fetch)

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do."""
        if not self._fetches:
            return None
        times = [fetch.retry_ns for fetch in self._fetches.values()]
        return min((time_ns for time_ns in times if time_ns is not None), default=None)
