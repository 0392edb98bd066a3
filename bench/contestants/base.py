"""What every contestant is: it gets one workload, and at the end its books are compared with those of the market.

A contestant's user does the same everywhere: count each event and, for a book, read the best bid and ask.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from importlib import metadata
from typing import Any, NamedTuple

from workload import Workload

#: 2026-11-01T00:00:00Z: the stamps of the workload count from here.
EPOCH_S = 1793491200
#: (price, quantity) pairs, best first, as any exact number or text.
Side = Sequence[tuple[Any, Any]]


class Usage(NamedTuple):
    """What this process (all its threads) used between two moments."""

    wall_s: float
    user_s: float
    system_s: float

    @property
    def cpu_s(self) -> float:
        """User and system together."""
        return self.user_s + self.system_s


class Meter:
    """CPU and wall clock of this process from `begin` to `end`."""

    def __init__(self) -> None:
        self._begin: tuple[float, float, float] | None = None
        self.usage: Usage | None = None

    @property
    def has_begun(self) -> bool:
        """Whether `begin` was called."""
        return self._begin is not None

    def begin(self) -> None:
        """From here on it counts."""
        self._begin = _reading()

    def end(self) -> None:
        """Up to here it counted."""
        assert self._begin is not None
        self.usage = Usage(*(after - before for before, after in zip(self._begin, _reading(), strict=True)))


def _reading() -> tuple[float, float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic(), used.ru_utime, used.ru_stime


class Contestant:
    """Base of all. `options` come from the command line."""

    name = "?"
    distribution = ""

    def __init__(self, workload: Workload, **options: str) -> None:
        self.workload = workload
        self.options = options
        self.meter = Meter()
        self.books = self.trades = self.tickers = self.bad = 0
        self.best: Any = None

    @property
    def version(self) -> str:
        """Version of its distribution."""
        return metadata.version(self.distribution)

    def counts(self) -> dict[str, int]:
        """What reached the user."""
        return {"book": self.books, "trade": self.trades, "ticker": self.tickers, "bad": self.bad}

    def book(self, symbol: str) -> tuple[Side, Side]:
        """Bids and asks of the final book."""
        raise NotImplementedError

    def wrong_books(self) -> list[str]:
        """What differs between the final books and those of the market, level by level; empty: nothing."""
        wrong = []
        for symbol, ending in self.workload.endings.items():
            price_unit, quantity_unit = 10**ending.price_decimals, 10**ending.quantity_decimals
            for name, side, wanted in zip(("bids", "asks"), self.book(symbol), (ending.bids, ending.asks), strict=True):
                found = [(_whole(price, price_unit), _whole(quantity, quantity_unit)) for price, quantity in side]
                if found != wanted:
                    wrong.append(f"{symbol} {name}: {found[:3]}... is not {wanted[:3]}...")
        return wrong


def _whole(number: Any, unit: int) -> Decimal | int:
    scaled = Decimal(str(number)) * unit
    return int(scaled) if scaled == int(scaled) else scaled


class InProcessContestant(Contestant):
    """Raw frames into its message handler, no socket."""

    def feed(self, frames: Sequence[bytes]) -> None:
        """Handle all of them, in order, and return only then."""
        raise NotImplementedError


class LoopbackContestant(Contestant):
    """Its own network client against the stand-in venue.

    It calls `start_stream` when the stand-in may begin (which waits for all subscriptions in any case), `meter.begin` at the
    latest with the first book, and `meter.end` when the last update of every symbol was handled.
    """

    start_stream: Callable[[], None]  # set by the runner
    #: In a paced run, of each book update as the user's callback is told of it: symbol, stamp in us, monotonic ns.
    samples: list[tuple[str, int, int]] | None = None

    async def run(self, ws_url: str, rest_url: str) -> None:
        """Connect, subscribe, take all; return after `meter.end`."""
        raise NotImplementedError


async def until(condition: Callable[[], bool], step_s: float, what: str, timeout_s: float = 120.0) -> None:
    """Look every `step_s` whether the condition holds. Raises TimeoutError that says what was waited for."""
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():  # noqa: ASYNC110 - what is looked at tells nobody, lest it cost something
                await asyncio.sleep(step_s)
    except TimeoutError:
        raise TimeoutError(f"no {what} within {timeout_s:g} s") from None
