"""Measures one fault on the simulated gateway: when it was noticed, what was published, when it healed, what others felt.

Times are virtual seconds: a wait is as long as it says, and what needs none takes none.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

from stage import Stage, on_stage

from gwcore.client.book import BookState
from gwcore.model import Gap, GapState, MarketByPriceUpdate, StreamState, UpdateType
from gwcore.settings import HealingSettings
from gwcore.testing.oracles import TrueLevels, check_books

#: Runs of one fault, each of another seed.
RUNS = 5
#: How long a fault may go unnoticed or unhealed before the run says so.
WAIT_S = 400.0
STEP_S = 0.01
#: How long the end of a fault may take to be heard of; what is in flight to arrive before books are compared.
MEND_S = 1.0
DRAIN_S = 6.0


@dataclass(slots=True)
class Row:
    """One line of the table. Figures are seconds, one a run; None: nothing was to be noticed, or to be healed."""

    fault: str
    injected: str
    detected_s: list[float | None] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    healed_s: list[float | None] = field(default_factory=list)
    lost: int = 0  # trades that could not be had afterwards
    of_message: bool = True  # noticed with a message
    disturbed: int = 0  # books of other symbols that were STALE
    limit_s: float | None = None  # detected within this
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)  # what must not be

    @property
    def is_good(self) -> bool:
        """Whether it was noticed in time, healed, and cost nobody else anything."""
        in_time = all(self.limit_s is None or (s is not None and s <= self.limit_s) for s in self.detected_s)
        return in_time and not self.wrong and not self.lost and not self.disturbed

    def cells(self) -> list[str]:
        """The row as text."""
        return [
            self.fault,
            self.injected,
            spread(self.detected_s, "same message" if self.of_message else "at once"),
            ", ".join(sorted(self.published)) or "nothing",
            spread(self.healed_s),
            str(self.lost),
            str(self.disturbed),
            "; ".join([*self.notes, *(f"WRONG: {each}" for each in self.wrong)]),
        ]


def spread(seconds: list[float | None], nothing: str = "at once") -> str:
    """Median and maximum, for people."""
    known = [each for each in seconds if each is not None]
    if not known:
        return "-"
    if not any(known):
        return nothing
    return f"{duration(statistics.median(known))} / {duration(max(known))}"


def duration(seconds: float) -> str:
    """`12 ms`, `61.3 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


class _Tap:
    """Stands before the fan-out and notes when books went bad and came back. Virtual clock, and the frames of that moment."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._fanout = stage.gateway.hub.fanout
        self.stale: list[tuple[float, str, str, float]] = []  # when, symbol, reason, when its last frame came
        self.back: list[tuple[float, str]] = []
        stage.gateway.hub.fanout = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fanout, name)

    def on_record(self, record: Any, event: Any, partition: Any) -> None:
        """Something was published."""
        self._fanout.on_record(record, event, partition)  # type: ignore[union-attr]
        if isinstance(event, MarketByPriceUpdate) and event.update_type is not UpdateType.INCREMENTAL:
            now_s = self._stage.loop.time()
            if event.update_type is UpdateType.STALE:
                machine = self._stage.gateway.machine._machine_of[event.symbol]
                frame_s = machine.last_frame_ns / 1e9
                self.stale.append((now_s, event.symbol, event.reason.value if event.reason else "", frame_s))
            else:
                self.back.append((now_s, event.symbol))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, to whom, and how it is judged. `strike` and `mend` get the stage and the symbol that is to suffer."""

    name: str
    injected: str
    strike: Callable[[Stage, str], None]
    mend: Callable[[Stage, str], None] = lambda stage, symbol: stage.fault("restore")
    lasts_s: float = 5.0
    of_message: bool = True  # noticed with a message: then the time counts from its arrival
    whole: bool = False  # it is about a whole connection: nobody else is on it
    limit_s: float | None = None
    is_harmless: bool = False  # nothing may become STALE
    sim: dict[str, Any] = field(default_factory=dict)
    venue: dict[str, Any] = field(default_factory=dict)
    note: Callable[[Stage, Row], None] = lambda stage, row: None
    has_standby: bool = False


def measure(fault: Fault, runs: int = RUNS) -> Row:
    """Play it a few times."""
    logging.getLogger("gwcore").setLevel(logging.CRITICAL)
    row = Row(fault.name, fault.injected, limit_s=fault.limit_s, of_message=fault.of_message)
    for seed in range(1, runs + 1):

        async def play(stage: Stage) -> None:
            await _play(stage, fault, row)

        on_stage(
            play,
            healing=HealingSettings(standby=fault.has_standby),
            sim={"pairs": 3, "rate": 30.0, **fault.sim},
            venue=fault.venue,
            seed=seed,
        )
    return row


async def _play(stage: Stage, fault: Fault, row: Row) -> None:
    symbols = list(stage.simulator.feed.listing.pairs)
    bad, others = symbols[0], symbols[1:]
    await _wait(lambda: all(stage.book(symbol).state is BookState.LIVE for symbol in symbols))
    tap = _Tap(stage)
    struck_s = stage.loop.time()
    fault.strike(stage, bad)
    if fault.is_harmless:
        await asyncio.sleep(fault.lasts_s)
    elif not await _wait(lambda: any(symbol == bad for _, symbol, _, _ in tap.stale)):
        row.wrong.append("not noticed")
    found = next((each for each in tap.stale if each[1] == bad), None)
    if found is not None:
        at_s, _, _, frame_s = found
        row.detected_s.append(at_s - frame_s if fault.of_message else at_s - struck_s)
        await asyncio.sleep(max(0.0, struck_s + fault.lasts_s - stage.loop.time()))
    mended_s = stage.loop.time()
    fault.mend(stage, bad)
    await asyncio.sleep(MEND_S)
    listed = [symbol for symbol in symbols if symbol in stage.simulator.feed.listing.pairs]
    if not await _wait(
        lambda: all(stage.book(symbol).state is BookState.LIVE for symbol in listed) and _all_live(stage)
    ):
        row.wrong.append("not healed")
    if found is not None:
        backs = [at_s for at_s, symbol in tap.back if symbol == bad and at_s >= found[0]]
        row.healed_s.append(_healed(backs, found[0], mended_s))
    row.published |= {f"STALE {reason}" for _, symbol, reason, _ in tap.stale if symbol == bad}
    row.disturbed += 0 if fault.whole else sum(symbol in others for _, symbol, _, _ in tap.stale)
    if fault.is_harmless and tap.stale:
        row.wrong.append(f"STALE {tap.stale[0][2]}")
    fault.note(stage, row)
    await _compare(stage, row, listed)


def _all_live(stage: Stage) -> bool:
    """Whether all that is wanted is confirmed: trades and tickers too."""
    return all(
        subscription.state is StreamState.LIVE
        for machine in stage.gateway.machine.machines
        for subscription in machine.subscriptions.topics.values()
    )


def _healed(backs: list[float], found_s: float, mended_s: float) -> float | None:
    """From STALE to the snapshot that stayed; where the fault was still there, from its end."""
    if not backs:
        return None
    last_s = backs[-1]
    return last_s - (mended_s if last_s > mended_s else found_s)


async def _compare(stage: Stage, row: Row, listed: list[str]) -> None:
    """The market stands still: the client's books are the venue's, and no trade is missing."""
    stage.network.freeze()
    await asyncio.sleep(DRAIN_S)
    books = {symbol: stage.simulator.book(symbol, 10) for symbol in listed}
    truth = {symbol: TrueLevels(book.bids, book.asks) for symbol, book in books.items()}
    row.wrong += check_books(stage.client.session.books, truth)[:1]
    row.lost += sum(1 for gap in stage.events(Gap) if gap.state is GapState.LOST)


async def _wait(condition: Callable[[], bool]) -> bool:
    for step in range(int(WAIT_S / STEP_S)):
        if condition():
            return True
        # Exact while something may still happen at once, coarse when it takes long.
        await asyncio.sleep(STEP_S if step < 200 else STEP_S * 10)
        if step > 200 + WAIT_S / (STEP_S * 10):
            break
    return condition()
