"""SinkRunner: one sink as a reader of the journal with a durable cursor. A bad sink never disturbs the core (law 3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gwcore.engine.reconnect import NANOSECONDS, Backoff
from gwcore.errors import ConfigError, GatewayError, NotConnected, StorageError
from gwcore.journal import CursorStore, Journal, JournalGap, JournalReader
from gwcore.model import ConnectionState
from gwcore.ports import Clock, Random
from gwcore.settings import SelectedSink
from gwcore.sink import Sink, SinkContext

_log = logging.getLogger("gwcore.sinks")

#: Journal classes, those with the rarer and dearer records first.
CLASSES = ("ex", "st", "md")
#: How often an idle sink is asked to make durable what it took, and cursors are saved.
FLUSH_S = 1.0
#: Back-off between attempts to connect a sink.
RETRY_FIRST_S, RETRY_MAX_S, RETRY_HELD_S = 0.2, 10.0, 30.0

Offload = Callable[..., Awaitable[Any]]


class SinkRunner:
    """Runs one sink until cancelled or drained."""

    def __init__(
        self,
        selected: SelectedSink,
        *,
        journal: Journal,
        cursors: CursorStore,
        context: Callable[[Callable[[str, int], None], Callable[[str, str], None]], SinkContext],
        clock: Clock,
        random: Random,
        offload: Offload,
        on_state: Callable[[str, ConnectionState, str | None], None],
    ) -> None:
        self.name = selected.spec.name
        self._spec = selected.spec
        self._journal = journal
        self._cursors = cursors
        self._clock = clock
        self._offload = offload
        self._on_state = on_state
        self._backoff = Backoff(random, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S, held_s=RETRY_HELD_S)
        self.progress: dict[str, int] = dict.fromkeys(CLASSES, 0) | cursors.load(self.name)
        self._saved = dict(self.progress)
        self._unflushed = False
        self._flush_at_ns = 0
        self._more = asyncio.Event()
        self._draining = False
        self.cause = ""
        self.is_connected = False
        self.records = 0
        self.bytes = 0
        self.sink: Sink = self._spec.create(selected.settings, context(self._on_progress, self._on_status))

    def backlog(self) -> int:
        """Records the sink has not made durable."""
        return sum(self._journal.last_position(name) - self.progress[name] for name in CLASSES)

    def wake(self) -> None:
        """The journal has synced something."""
        self._more.set()

    def drain(self) -> None:
        """Take what is there, make it durable, end."""
        self._draining = True
        self._more.set()

    def _on_progress(self, journal_class: str, position: int) -> None:
        if position > self.progress[journal_class]:
            self.progress[journal_class] = position

    def _on_status(self, cause: str, detail: str) -> None:
        self.cause = cause
        if cause:
            _log.warning("sink %s: %s: %s", self.name, cause, detail)
        self._on_state(self.name, ConnectionState.CONNECTED, f"{cause}: {detail}" if cause else None)

    async def run(self) -> None:
        """Connect, feed, connect again; returns when drained, or when the sink can't be configured."""
        try:
            while True:
                try:
                    readers = await self._connect()
                    await self._feed(readers)
                except NotConnected as error:
                    await self._lost(str(error))
                    if self._draining:
                        return
                else:
                    return
        except ConfigError as error:
            self.cause = str(error)
            _log.error("sink %s stopped: %s", self.name, error)
            self._on_state(self.name, ConnectionState.DISCONNECTED, str(error))
        finally:
            await self.sink.close()
            await self._save()

    async def _connect(self) -> dict[str, JournalReader]:
        self._on_state(self.name, ConnectionState.CONNECTING, None)
        positions: Mapping[str, int] = await self.sink.connect(dict(self.progress))
        self._backoff.on_open(self._clock.monotonic_ns())
        self.cause = ""
        self.is_connected = True
        self._on_state(self.name, ConnectionState.CONNECTED, None)
        readers = {}
        for name in CLASSES:
            # The sink's word counts, also when it goes back: what it lost over there is sent again.
            after = positions.get(name, self.progress[name])
            self.progress[name] = after
            try:
                readers[name] = self._journal.reader(name, after)
            except StorageError as error:
                raise ConfigError(
                    f"the sink is ahead of the journal: {error}",
                    place=f"sink {self.name}",
                    hint="it was fed by another state directory: give it streams or a folder of its own",
                ) from error
        return readers

    async def _lost(self, cause: str) -> None:
        if self.cause != cause:
            _log.warning("sink %s: not connected: %s", self.name, cause)
        self.cause = cause
        self.is_connected = False
        self._on_state(self.name, ConnectionState.DISCONNECTED, cause)
        await self._save()
        if not self._draining:
            await asyncio.sleep(self._backoff.on_failure(self._clock.monotonic_ns()))

    async def _feed(self, readers: dict[str, JournalReader]) -> None:
        while True:
            self._more.clear()
            has_more = await self._write_all(readers)
            if self._clock.monotonic_ns() >= self._flush_at_ns:
                await self._flush()
            if has_more:
                await self._linger()
                continue
            if self._draining:
                await self._flush()
                return
            await self._rest()

    async def _flush(self) -> None:
        """Make durable what was taken; under load and idle alike at least each FLUSH_S."""
        self._flush_at_ns = self._clock.monotonic_ns() + int(FLUSH_S * NANOSECONDS)
        if self._unflushed:
            self._unflushed = False
            await self.sink.flush()
        await self._save()

    async def _write_all(self, readers: dict[str, JournalReader]) -> bool:
        """One batch of each class; returns whether there was any (a reader may give less than there is)."""
        has_more = False
        for name, reader in readers.items():
            try:
                batch = reader.read(self._spec.batch_max)
            except JournalGap as gap:
                _log.warning("sink %s: %s", self.name, gap)
                self._on_state(self.name, ConnectionState.CONNECTED, str(gap))
                readers[name] = self._journal.reader(name, gap.first_kept - 1)
                return True
            if batch:
                await self.sink.write(batch)
                self.records += len(batch)
                self.bytes += sum(len(record.payload) for record in batch)
                self._unflushed = True
                has_more = True
        return has_more

    async def _rest(self) -> None:
        """Wait for more, or until it is time to flush."""
        has_work = self._unflushed or self._saved != self.progress
        wait_s = max(0, self._flush_at_ns - self._clock.monotonic_ns()) / NANOSECONDS if has_work else None
        try:
            async with asyncio.timeout(wait_s):
                await self._more.wait()
        except TimeoutError:
            return

    async def _linger(self) -> None:
        """Give a batch time to fill; always give the loop its turn."""
        await asyncio.sleep(0 if self._draining else self._spec.linger_ms / 1000)

    async def _save(self) -> None:
        if self._saved == self.progress:
            return
        progress = dict(self.progress)
        try:
            await self._offload(self._cursors.save, self.name, progress)
        except (GatewayError, OSError) as error:
            _log.warning("sink %s: cursor not saved: %s", self.name, error)
        else:
            self._saved = progress
