"""SinkRunner: one sink as a reader of the journal with a durable cursor. A bad sink never disturbs the core (law 3).

A sink that is one for each class (`ClassSinks`) gets a feed for each, so that a stream at its limit holds up no other.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from gwcore.errors import GatewayError
from gwcore.journal import CursorStore, Journal, JournalGap
from gwcore.model import ConnectionState
from gwcore.ports import Clock, Random
from gwcore.runtime.journal.sink_feed import SinkFeed
from gwcore.settings import SelectedSink
from gwcore.sink import AckMeaning, ClassSinks, Sink, SinkContext, SinkStatus

_log = logging.getLogger("gwcore.sinks")

#: Journal classes, those with the rarer and dearer records first.
CLASSES = ("ex", "st", "md")

Offload = Callable[..., Awaitable[Any]]
MakeContext = Callable[[Callable[[str, int], None], SinkStatus, Callable[[AckMeaning], None]], SinkContext]


class OnState(Protocol):
    """(sink, state, cause, detail): how a sink is, for an event. `cause` is one word, `detail` sentences."""

    def __call__(self, name: str, state: ConnectionState, cause: str | None, detail: str | None, /) -> None:
        """Tell it."""
        ...


class SinkRunner:
    """Runs one sink until cancelled or drained."""

    def __init__(
        self,
        selected: SelectedSink,
        *,
        journal: Journal,
        cursors: CursorStore,
        context: MakeContext,
        clock: Clock,
        random: Random,
        offload: Offload,
        on_state: OnState,
        on_gap: Callable[[str, JournalGap], None],
    ) -> None:
        spec = selected.spec
        self.name = spec.name
        self.reconnects: Counter[str] = Counter()  # by cause
        self.gaps = 0  # records that retention removed before the sink took them
        self.ack_meaning: AckMeaning | None = None  # None: the sink did not say
        self._journal = journal
        self._cursors = cursors
        self._offload = offload
        self._on_state = on_state
        self._on_gap = on_gap
        self._gap_told: dict[str, int] = dict.fromkeys(CLASSES, 0)  # last missing position that was told
        self._told: object = None
        self._saving = asyncio.Lock()
        self.progress: dict[str, int] = dict.fromkeys(CLASSES, 0) | cursors.load(self.name)
        self._saved = dict(self.progress)
        self.feeds: list[SinkFeed] = []
        context_given = context(self._on_progress, self._on_status, self._on_ack_meaning)
        self.sink: Sink = spec.create(selected.settings, context_given)
        parts: list[tuple[Sequence[str], Sink]] = [(CLASSES, self.sink)]
        if isinstance(self.sink, ClassSinks):
            parts = [((name,), self.sink.of_class(name)) for name in CLASSES]
        self.feeds += [
            SinkFeed(self, classes, part, spec=spec, journal=journal, clock=clock, random=random)
            for classes, part in parts
        ]

    # --- how it is ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """The worst of its feeds."""
        states = {feed.state for feed in self.feeds}
        for state in (ConnectionState.DISCONNECTED, ConnectionState.CONNECTING):
            if state in states:
                return state
        return ConnectionState.CONNECTED

    @property
    def is_connected(self) -> bool:
        """Whether all classes go where they should."""
        return self.state is ConnectionState.CONNECTED

    @property
    def cause(self) -> str:
        """What is wrong, in one word; empty: nothing."""
        return next((feed.cause for feed in self.feeds if feed.cause), "")

    @property
    def detail(self) -> str:
        """What is wrong with which classes, in sentences."""
        troubled = [feed for feed in self.feeds if feed.cause]
        if len(troubled) == len(self.feeds) and len({feed.cause for feed in troubled}) == 1:
            return troubled[0].detail
        return "; ".join(f"{', '.join(feed.classes)}: {feed.cause}: {feed.detail}" for feed in troubled)

    @property
    def records(self) -> Counter[str]:
        """Records given to the sink, by class."""
        return sum((feed.records for feed in self.feeds), Counter())

    @property
    def bytes(self) -> Counter[str]:
        """Their payloads' bytes, by class."""
        return sum((feed.bytes for feed in self.feeds), Counter())

    def backlog(self) -> int:
        """Records the sink has not made durable."""
        return sum(self.backlog_of(name) for name in CLASSES)

    def backlog_of(self, journal_class: str) -> int:
        """Those of one class."""
        return max(0, self._journal.last_position(journal_class) - self.progress[journal_class])

    # --- life -----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """The journal has synced something."""
        for feed in self.feeds:
            feed.wake()
        if not self.is_connected:
            # What goes while the sink is away is told when it goes, and not when the sink is back.
            for name in CLASSES:
                gap = self._journal.gap_behind(name, max(self.progress[name], self._gap_told[name]))
                if gap is not None:
                    self.on_gap(gap)

    def drain(self) -> None:
        """Take what is there, make it durable, end."""
        for feed in self.feeds:
            feed.drain()

    async def run(self) -> None:
        """Feed the sink; returns when drained, or when it can't be configured."""
        try:
            async with asyncio.TaskGroup() as group:
                for feed in self.feeds:
                    group.create_task(feed.run(), name=f"sink {self.name} {'+'.join(feed.classes)}")
        finally:
            await self.sink.close()
            await self.save()

    # --- what the sink and its feeds say --------------------------------------------------------------------------

    def _on_progress(self, journal_class: str, position: int) -> None:
        if position > self.progress[journal_class]:
            self.progress[journal_class] = position

    def _on_status(self, cause: str, detail: str, journal_class: str | None = None) -> None:
        for feed in self.feeds:
            if journal_class is None or journal_class in feed.classes:
                feed.on_status(cause, detail)
        self.tell()

    def _on_ack_meaning(self, meaning: AckMeaning) -> None:
        self.ack_meaning = meaning
        self.tell()

    def tell(self) -> None:
        """Publish how the sink is, where that changed: per cause, not per attempt."""
        state, cause = self.state, self.cause
        causes = tuple(feed.cause for feed in self.feeds)
        told = (state, causes, self.ack_meaning if state is ConnectionState.CONNECTED else None)
        if told == self._told:
            return
        self._told = told
        detail = self.detail
        if cause:
            _log.warning("sink %s: %s: %s", self.name, cause, detail)
        elif state is ConnectionState.CONNECTED:
            meaning = f"; an acknowledgement is {self.ack_meaning}" if self.ack_meaning else ""
            _log.info("sink %s is connected%s", self.name, meaning)
            detail = f"ack_meaning: {self.ack_meaning}" if self.ack_meaning else ""
        self._on_state(self.name, state, cause or None, detail or None)

    def on_gap(self, gap: JournalGap) -> None:
        """Retention removed what the sink has not taken."""
        told = self._gap_told[gap.journal_class]
        if gap.last_missing <= told:
            return
        if gap.first_missing <= told:
            gap = self._journal.gap_behind(gap.journal_class, told) or gap
        self._gap_told[gap.journal_class] = gap.last_missing
        self.gaps += gap.last_missing - gap.first_missing + 1
        _log.warning("sink %s: %s", self.name, gap)
        self._on_state(self.name, self.state, "journal_gap", str(gap))
        self._on_gap(self.name, gap)

    # --- cursors --------------------------------------------------------------------------------------------------

    def is_saved(self) -> bool:
        """Whether all progress is in the cursors."""
        return self._saved == self.progress

    async def save(self) -> None:
        """Write the cursors; one at a time, however many feeds ask."""
        async with self._saving:
            if self.is_saved():
                return
            progress = dict(self.progress)
            try:
                await self._offload(self._cursors.save, self.name, progress)
            except (GatewayError, OSError) as error:
                _log.warning("sink %s: cursor not saved: %s", self.name, error)
            else:
                self._saved = progress
