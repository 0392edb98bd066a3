"""Recovery: what is still to come after a connection was lost, and what was got back: told once, when all is settled.

It knows keys and counts, nothing of trades or candles; those tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

from gwcore.engine.reconnect import NANOSECONDS

#: It is told after this long in any case; what is not settled by then is named.
RECOVERY_MAX_NS = 90 * NANOSECONDS


class Recovered(NamedTuple):
    """What an outage cost in the end."""

    trades: int  # filled in
    trades_lost: int
    bars: int  # candles fetched again
    unsettled: int  # subscriptions not back, and gaps still open, when it was told


class Recovery:
    """One connection's way back. `waiting` holds a key for everything that is not settled."""

    def __init__(self, told: Callable[[Recovered], None]) -> None:
        self._told = told
        self._waiting: set[Hashable] = set()
        self._until_ns: int | None = None  # None: no outage to tell of
        self._trades = self._trades_lost = self._bars = 0

    def begin(self, keys: set[Hashable], now_ns: int) -> None:
        """Connected again; these are awaited. Without any there is nothing to wait for, and that is told."""
        self._waiting |= keys
        self._until_ns = now_ns + RECOVERY_MAX_NS
        self._trades = self._trades_lost = self._bars = 0
        self._check()

    def wait(self, key: Hashable) -> None:
        """Something more is to be settled."""
        self._waiting.add(key)

    def settle(self, key: Hashable) -> None:
        """It is settled."""
        if key in self._waiting:
            self._waiting.discard(key)
            self._check()

    def count(self, *, trades: int = 0, trades_lost: int = 0, bars: int = 0) -> None:
        """Got back, or given up."""
        self._trades += trades
        self._trades_lost += trades_lost
        self._bars += bars

    def on_close(self) -> None:
        """Lost again: what the last outage cost so far is told now."""
        self._tell()

    def on_timer(self, now_ns: int) -> None:
        """It takes too long."""
        if self._until_ns is not None and now_ns >= self._until_ns:
            self._tell()

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do."""
        return self._until_ns

    def _check(self) -> None:
        if not self._waiting:
            self._tell()

    def _tell(self) -> None:
        if self._until_ns is not None:
            self._until_ns = None
            self._told(Recovered(self._trades, self._trades_lost, self._bars, len(self._waiting)))
