"""Downtime in the ways that people reported, books that are blanked or old, and the steps of planned maintenance.

Whether sockets stay open and books are re-sent was found in no source (sheet 7.3), so each way can be chosen. Blanked and old
books are frames alone: the truth (`book`) is not touched, and what comes after them no longer fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gw_sim_kraken import modes
from gw_sim_kraken.connections import Subscription
from gw_sim_kraken.faults.faults import ANY
from gw_sim_kraken.market import frames
from gw_sim_kraken.market.checksum import LEVELS, checksum_of_parts
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.texts import SECOND_NS, second_text

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_SOCKETS = ("open", "close", "abort")
_BOOKS = {"": "", "zeroed": "both", "no_bids": "bids", "no_asks": "asks"}
_RESENDS = ("new", "old", "none")
_SIDES = ("both", "bids", "asks")
#: Longest time that a fault plans ahead.
_AHEAD_S_MAX = 3600.0


@dataclass(slots=True)
class _Downtime:
    said: bool
    resend: str
    old: list[tuple[Subscription, bytes]]  # books as they were when it began


class DowntimeFaults:
    """At most one downtime and one cycle of maintenance at a time; `restore` ends both, and what they planned."""

    def __init__(self, exchange: SimulatedKraken) -> None:
        self._exchange = exchange
        self._down: _Downtime | None = None
        self._cycle = 0  # the number of the cycle that runs; plans of earlier ones come to nothing
        self._plans = 0
        self._notice = ""  # its shape is not known: text with a time in it

    def table(self) -> dict[str, Callable[..., str]]:
        """Names and calls."""
        return {
            "downtime": self._downtime,
            "blank_book": self._blank_book,
            "old_book": self._old_book,
            "maintenance": self._maintenance,
        }

    def restore(self) -> None:
        """End all of them."""
        self._cycle += 1
        self._plans += 1
        if self._down is not None:
            self._end()

    # -- downtime ----------------------------------------------------------------------------------------------

    def _downtime(
        self,
        sockets: str = "open",
        books: str = "",
        said: bool = True,
        trading: bool = False,
        heartbeats: bool = True,
        connects: int = 0,
        resend: str = "new",
        on: bool = True,
    ) -> str:
        if not on:
            if self._down is None:
                raise ValueError("there is no downtime to end")
            self._end()
            return "the exchange is back"
        for value, allowed, what in (
            (sockets, _SOCKETS, "sockets"),
            (resend, _RESENDS, "resend"),
            (books, _BOOKS, "books"),
        ):
            if value not in allowed:
                raise ValueError(f"downtime has no {what}={value!r}; there are: {', '.join(filter(None, allowed))}")
        if self._down is not None:
            raise ValueError("the exchange is down already")
        exchange = self._exchange
        if books:
            for symbol in exchange.board.symbols():
                self._blank(symbol, _BOOKS[books], snapshot=False)
        self._down = _Downtime(said, resend, self._books_now() if resend == "old" else [])
        if said:
            modes.set_system(exchange, modes.MAINTENANCE)
        if trading:
            exchange.feed.mode = modes.ONLINE
        else:
            exchange.feed.mode = modes.MAINTENANCE
        faults = exchange.faults
        faults.withheld, faults.down_status = True, connects
        faults.no_heartbeats = faults.no_heartbeats or not heartbeats
        if sockets != "open":
            modes.cut_all(exchange, abort=sockets == "abort")
        return f"the exchange is down, its sockets {sockets}"

    def _end(self) -> None:
        exchange, down = self._exchange, self._down
        assert down is not None
        self._down = None
        faults = exchange.faults
        faults.withheld, faults.down_status, faults.no_heartbeats = False, 0, False
        exchange.feed.mode = modes.ONLINE
        if down.said:
            modes.set_system(exchange, modes.ONLINE, resends=False)
        for subscription in exchange.board.everything():
            if not subscription.fed:
                exchange.desk.feed(exchange.now_ns, subscription)
        if down.resend == "new":
            modes.send_books_again(exchange)
        for subscription, frame in down.old:
            if not subscription.ended:
                exchange.send(subscription.connection.number, frame)

    def _books_now(self) -> list[tuple[Subscription, bytes]]:
        exchange = self._exchange
        found = []
        for symbol in exchange.board.symbols():
            for subscription in exchange.board.of_symbol(symbol, "book"):
                frame = exchange.feed.snapshot(subscription.topic, exchange.now_ns)
                if subscription.fed and frame is not None:
                    found.append((subscription, frame))
        return found

    # -- single books ------------------------------------------------------------------------------------------

    def _blank_book(self, symbol: str = ANY, sides: str = "both", snapshot: bool = False) -> str:
        if sides not in _SIDES:
            raise ValueError(f"no sides {sides!r}; there are: {', '.join(_SIDES)}")
        symbols = self._exchange.board.symbols() if symbol == ANY else [symbol]
        count = sum(self._blank(one, sides, snapshot=snapshot) for one in symbols)
        return f"{sides} of {symbol}: blanked for {count} subscriptions"

    def _blank(self, symbol: str, sides: str, *, snapshot: bool) -> int:
        """Send a book without one side or both, with the checksum of what is left; returns to how many."""
        exchange, feed = self._exchange, self._exchange.feed
        if not isinstance(feed, SeededFeed):
            raise ValueError("this fault needs a seeded market, not a replay")
        engine, pair = feed.market(symbol).engine, feed.listing.pairs[symbol]
        no_bids, no_asks = sides != "asks", sides != "bids"
        checksum = checksum_of_parts(
            [] if no_asks else engine.asks.texts(LEVELS), [] if no_bids else engine.bids.texts(LEVELS)
        )
        count = 0
        for subscription in exchange.board.of_symbol(symbol, "book"):
            if not subscription.fed:
                continue
            depth = int(subscription.topic.parameter)
            levels: list[list[tuple[int, int]]] = []
            for side, gone in ((engine.bids, no_bids), (engine.asks, no_asks)):
                top = [level for level, _ in zip(side.top(), range(depth), strict=False)]
                if snapshot:
                    levels.append([] if gone else top)
                else:
                    levels.append([(price, 0) for price, _ in top] if gone else [])
            kind = "snapshot" if snapshot else "update"
            frame = frames.book_frame(kind, pair, levels[0], levels[1], checksum, exchange.now_ns)
            exchange.send(subscription.connection.number, frame)
            count += 1
        return count

    def _old_book(self, symbol: str, after_s: float = 2.0) -> str:
        if not 0 <= after_s <= _AHEAD_S_MAX:
            raise ValueError(f"after_s {after_s} is not 0 to {_AHEAD_S_MAX:g}")
        exchange = self._exchange
        kept = [(one, frame) for one, frame in self._books_now() if one.topic.symbol == symbol]
        exchange.schedule.at(exchange.now_ns + int(after_s * SECOND_NS), self._send_old, self._plans, kept)
        return f"the book of {symbol} as it is now comes again in {after_s:g} s"

    def _send_old(self, _when_ns: int, plan: int, kept: list[tuple[Subscription, bytes]]) -> None:
        for subscription, frame in kept:
            if plan == self._plans and not subscription.ended:
                self._exchange.send(subscription.connection.number, frame)

    # -- planned maintenance -----------------------------------------------------------------------------------

    def _maintenance(
        self,
        announce_s: float = 5.0,
        down_s: float = 5.0,
        cancel_only_s: float = 3.0,
        post_only_s: float = 3.0,
        closes: bool = False,
    ) -> str:
        """Steps of no length are left out; the order is the usual one (sheet 3.8)."""
        steps = (
            ("announced", announce_s),
            ("maintenance", down_s),
            ("cancel_only", cancel_only_s),
            ("post_only", post_only_s),
        )
        for name, length_s in steps:
            if not 0 <= length_s <= _AHEAD_S_MAX:
                raise ValueError(f"{name}: {length_s} s is not 0 to {_AHEAD_S_MAX:g}")
        self._cycle += 1
        when_ns = self._exchange.now_ns
        begins_ns = self._exchange.venue_ns() + int(announce_s * SECOND_NS)
        self._notice = f"scheduled maintenance from {second_text(begins_ns)}"
        for name, length_s in (*(step for step in steps if step[1]), ("online", 0.0)):
            self._exchange.schedule.at(when_ns, self._step, self._cycle, name, closes)
            when_ns += int(length_s * SECOND_NS)
        return f"maintenance for {down_s:g} s, announced {announce_s:g} s ahead"

    def _step(self, _when_ns: int, cycle: int, name: str, closes: bool) -> None:
        if cycle != self._cycle:
            return
        exchange = self._exchange
        if name == "announced":
            modes.set_system(exchange, exchange.system, (self._notice,))
            return
        modes.set_system(exchange, name)
        if name == modes.MAINTENANCE and closes:
            modes.cut_all(exchange)
