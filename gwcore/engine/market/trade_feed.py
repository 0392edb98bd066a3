"""TradeFeed: the public trades of one connection, over all its reconnects: each once, in the order of their ids.

A jump of the ids is a Gap. Where the venue tells past trades it is filled: later trades of that symbol are held back until
the missing ones were published (`origin=BACKFILL`) and the Gap was closed. What can't be had is LOST, with its bounds,
and trades flow on. It must not know a venue; it asks through `TradeHistory`, and pacing is the runtime's.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.recovery import Recovery
from gwcore.engine.market.trades import TradeTail
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.errors import VenueError, VenueRejected, VenueUnavailable
from gwcore.model import Channel, Gap, GapState, Instrument, Origin, Trade, TradeSummary, UpdateType
from gwcore.venue import Streams, TradeHistory

#: Trades of one symbol held back while a gap is filled, and of all symbols; with more the gap is LOST and they flow.
HELD_TRADES_MAX = 10_000
HELD_ALL_MAX = 50_000
#: Tries in a row that bring nothing new; then what is missing is LOST. With the delays below that is about a minute.
TRIES_MAX = 8
RETRY_FIRST_NS, RETRY_MAX_NS = NANOSECONDS, 15 * NANOSECONDS
#: A venue that asks for more patience than this is not waited for: live trades would be held back for as long.
RETRY_AFTER_MAX_S = 60.0
#: Filled-in trades in one event: a page of a thousand must not look like a slow client's backlog.
EVENT_TRADES_MAX = 100
NOT_THERE = "the venue's history does not have them"


class _Fill:
    """One gap that is being filled; `first_id` moves on where a part of it was lost."""

    __slots__ = ("first_id", "retry_ns", "tries", "until_id")

    def __init__(self, first_id: int, until_id: int) -> None:
        self.first_id = first_id
        self.until_id = until_id
        self.tries = 0
        self.retry_ns: int | None = None


class _Line:
    """One symbol's trades."""

    __slots__ = ("fill", "held", "held_trades", "is_awaited", "is_draining", "symbol", "tail")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.tail = TradeTail()
        self.fill: _Fill | None = None
        self.held: deque[tuple[TradeSummary, int | None]] = deque()
        self.held_trades = 0
        self.is_awaited = False  # connected again, and nothing came yet
        self.is_draining = False


class TradeFeed:
    """All trade subscriptions of one shard. `instruments` is the machine's own mapping; times are monotonic ns."""

    def __init__(
        self, streams: Streams, outbox: Outbox, instruments: Mapping[str, Instrument], recovery: Recovery
    ) -> None:
        self._is_contiguous = streams.limits.trade_ids_contiguous
        self._history: TradeHistory | None = streams if hasattr(streams, "trades_after") else None  # type: ignore[assignment]
        self._outbox = outbox
        self._publish = outbox.publish
        self._instruments = instruments
        self._recovery = recovery
        self._lines: dict[str, _Line] = {}
        # Counters, read at scrape time.
        self.duplicates = 0
        self.backfilled = 0
        self.lost = 0
        self.held = 0  # trades held back just now
        self.gaps: Counter[GapState] = Counter()

    def add(self, symbol: str) -> None:
        """Follow a symbol."""
        self._lines.setdefault(symbol, _Line(symbol))

    def remove(self, symbol: str) -> None:
        """Follow it no longer; a gap that is open is lost, what was held back is published."""
        line = self._lines.pop(symbol, None)
        if line is not None:
            self._give_up(line, "no longer subscribed")
            self._recovery.settle(("trade", symbol))

    def close(self, cause: str) -> None:
        """The gateway stops: nothing will be filled any more."""
        for line in self._lines.values():
            self._give_up(line, cause)

    def on_open(self) -> set[tuple[str, str]]:
        """Connected again; returns keys of what a recovery has to wait for."""
        for line in self._lines.values():
            line.is_awaited = line.tail.last_id is not None
        return {("trade", line.symbol) for line in self._lines.values() if line.is_awaited}

    def on_trades(self, summary: TradeSummary, received_ns: int) -> None:
        """Trades of the venue, as they came."""
        line = self._lines.get(summary.symbol)
        if line is None or not self._is_contiguous:
            self._publish(summary, received_ns)
            return
        if line.fill is not None:
            self._hold(line, summary, received_ns)
        else:
            self._take(line, summary, received_ns)
        if line.is_awaited:
            line.is_awaited = False
            self._recovery.settle(("trade", line.symbol))

    # --- in order -------------------------------------------------------------------------------------------------

    def _take(self, line: _Line, summary: TradeSummary, received_ns: int | None) -> None:
        """Publish what is new; where ids jump, open a gap and hold back the rest."""
        is_first = line.tail.last_id is None
        news = line.tail.news(summary.trades)
        self.duplicates += news.duplicates
        if is_first and news.trades:
            self._publish(_part(summary, news.trades, summary.update_type), received_ns)
        elif news.trades:
            # A snapshot after the first one is news for the trades in it that were not seen before.
            self._publish(_part(summary, news.trades, UpdateType.INCREMENTAL), received_ns)
        if news.missing is not None:
            rest = _part(summary, news.rest, UpdateType.INCREMENTAL)
            self._open(line, news.missing, rest, received_ns)
        elif news.restarted:
            self._restart(line, _part(summary, news.rest, UpdateType.SNAPSHOT), received_ns)

    def _restart(self, line: _Line, rest: TradeSummary, received_ns: int | None) -> None:
        """The venue counts anew: whether something is missing can't be told from ids, so that is said."""
        self._publish_gap(
            line,
            GapState.LOST,
            cause="trade ids began anew",
            from_ns=line.tail.time_ns,
            to_ns=rest.trades[0].venue_time_ns,
        )
        line.tail = TradeTail()
        self._take(line, rest, received_ns)

    def _open(self, line: _Line, missing: tuple[int, int], rest: TradeSummary, received_ns: int | None) -> None:
        first_id, until_id = missing
        self._publish_gap(
            line,
            GapState.OPEN,
            (first_id, until_id),
            cause="trade ids jumped",
            from_ns=line.tail.time_ns,
            to_ns=rest.trades[0].venue_time_ns,
        )
        line.fill = fill = _Fill(first_id, until_id)
        # Ahead of what may be held already: it came before that.
        line.held.appendleft((rest, received_ns))
        self._count_held(line, len(rest.trades))
        if self._history is None or line.tail.time_ns is None:
            self._lose(line, until_id, "the venue tells no past trades")
            return
        self._recovery.wait(("gap", line.symbol))
        self._ask(line, fill, self._history)

    def _hold(self, line: _Line, summary: TradeSummary, received_ns: int) -> None:
        assert line.fill is not None
        line.held.append((summary, received_ns))
        self._count_held(line, len(summary.trades))
        if line.held_trades > HELD_TRADES_MAX or self.held > HELD_ALL_MAX:
            self._lose(line, line.fill.until_id, "too many trades wait behind the gap")

    def _drain(self, line: _Line) -> None:
        """The gap is behind us: publish what was held back, up to the next one."""
        if line.is_draining:
            return  # a gap that was lost as soon as it was found: the loop below goes on
        line.is_draining = True
        while line.fill is None and line.held:
            summary, received_ns = line.held.popleft()
            self._count_held(line, -len(summary.trades))
            self._take(line, summary, received_ns)
        line.is_draining = False

    def _count_held(self, line: _Line, count: int) -> None:
        line.held_trades += count
        self.held += count

    # --- filling --------------------------------------------------------------------------------------------------

    def _ask(self, line: _Line, fill: _Fill, history: TradeHistory) -> None:
        fill.retry_ns = None
        instrument = self._instruments.get(line.symbol)
        last_id, time_ns = line.tail.last_id, line.tail.time_ns
        assert instrument is not None
        assert last_id is not None
        assert time_ns is not None
        flow = history.trades_after(instrument, last_id, time_ns, fill.until_id)
        self._outbox.run_flow(flow, partial(self._on_page, line, fill))

    def _on_page(self, line: _Line, fill: _Fill, page: Sequence[Trade] | VenueError, now_ns: int) -> None:
        if line.fill is not fill or self._history is None:
            return  # given up meanwhile
        if isinstance(page, VenueError):
            retry_after_s = (page.retry_after_s or 0.0) if isinstance(page, VenueUnavailable) else 0.0
            if isinstance(page, VenueRejected) or retry_after_s > RETRY_AFTER_MAX_S:
                self._lose(line, fill.until_id, str(page))
            else:
                self._failed(line, fill, str(page), now_ns, retry_after_s)
            return
        before = line.tail.last_id
        hole = self._fill(line, fill, page)
        if hole is not None and fill.tries + 1 >= TRIES_MAX:
            # Asked often enough: what is not in the history is lost, what comes after it in the page is not.
            self._lose_part(line, fill, hole)
            hole = self._fill(line, fill, page)
        last_id = line.tail.last_id
        assert last_id is not None
        if last_id >= fill.until_id:
            self._close(line, fill)
        elif last_id != before:
            fill.tries = 0
            self._ask(line, fill, self._history)
        else:
            self._failed(line, fill, NOT_THERE, now_ns, 0.0)

    def _fill(self, line: _Line, fill: _Fill, page: Sequence[Trade]) -> int | None:
        """Publish the trades of a page that follow on; returns the id before which some are missing in it."""
        usable = [
            trade
            for trade in page
            if trade.trade_id is not None and trade.trade_id.isdecimal() and int(trade.trade_id) <= fill.until_id
        ]
        news = line.tail.news(usable)
        for first in range(0, len(news.trades), EVENT_TRADES_MAX):
            trades = news.trades[first : first + EVENT_TRADES_MAX]
            self._publish(
                TradeSummary(
                    symbol=line.symbol,
                    trades=trades,
                    origin=Origin.BACKFILL,
                    venue_time_ns=trades[-1].venue_time_ns,
                )
            )
        self.backfilled += len(news.trades)
        self._recovery.count(trades=len(news.trades))
        return news.missing[1] + 1 if news.missing is not None else None

    def _failed(self, line: _Line, fill: _Fill, cause: str, now_ns: int, retry_after_s: float) -> None:
        fill.tries += 1
        if fill.tries >= TRIES_MAX:
            self._lose(line, fill.until_id, cause)
            return
        delay_ns = min(RETRY_MAX_NS, RETRY_FIRST_NS * 2 ** (fill.tries - 1))
        fill.retry_ns = now_ns + max(delay_ns, int(retry_after_s * NANOSECONDS))

    def on_timer(self, now_ns: int) -> None:
        """Ask again where it is time to."""
        for line in list(self._lines.values()) if self.held else ():
            fill = line.fill
            if fill is not None and fill.retry_ns is not None and fill.retry_ns <= now_ns and self._history is not None:
                self._ask(line, fill, self._history)

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do. Every gap holds something back, so without that there is none."""
        if not self.held:
            return None
        times = [line.fill.retry_ns for line in self._lines.values() if line.fill is not None]
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    # --- the end of a gap -----------------------------------------------------------------------------------------

    def _close(self, line: _Line, fill: _Fill) -> None:
        self._publish_gap(
            line, GapState.CLOSED, (fill.first_id, fill.until_id), cause="filled from the venue's history"
        )
        self._end(line)

    def _lose(self, line: _Line, until_id: int, cause: str) -> None:
        """All from the last trade on is given up."""
        self._publish_lost(line, until_id, cause)
        self._end(line)

    def _lose_part(self, line: _Line, fill: _Fill, until_before: int) -> None:
        self._publish_lost(line, until_before - 1, NOT_THERE)
        fill.first_id = until_before

    def _publish_lost(self, line: _Line, until_id: int, cause: str) -> None:
        assert line.tail.last_id is not None
        first_id = line.tail.last_id + 1
        count = until_id - first_id + 1
        self._publish_gap(line, GapState.LOST, (first_id, until_id), cause=cause)
        self.lost += count
        self._recovery.count(trades_lost=count)
        line.tail.skip_to(until_id)

    def _end(self, line: _Line) -> None:
        line.fill = None
        self._drain(line)
        if line.fill is None:
            self._recovery.settle(("gap", line.symbol))

    def _give_up(self, line: _Line, cause: str) -> None:
        history, self._history = self._history, None  # a gap among what is held back is not filled either
        if line.fill is not None:
            self._lose(line, line.fill.until_id, cause)
        self._history = history

    def _publish_gap(
        self,
        line: _Line,
        state: GapState,
        ids: tuple[int, int] | None = None,
        *,
        cause: str,
        from_ns: int | None = None,
        to_ns: int | None = None,
    ) -> None:
        self.gaps[state] += 1
        self._publish(
            Gap(
                state=state,
                cause=cause,
                symbol=line.symbol,
                channel=Channel.TRADE.value,
                first_trade_id=str(ids[0]) if ids else None,
                last_trade_id=str(ids[1]) if ids else None,
                from_ns=from_ns,
                to_ns=to_ns,
            )
        )


def _part(summary: TradeSummary, trades: tuple[Trade, ...], update_type: UpdateType) -> TradeSummary:
    if len(trades) == len(summary.trades) and update_type is summary.update_type:
        return summary
    return msgspec.structs.replace(
        summary, trades=trades, update_type=update_type, venue_time_ns=trades[-1].venue_time_ns
    )
