"""SinkFeed: reads some classes of the journal for one sink: connects it, hands it batches, connects it again.

It must not decide what is told to whom: SinkRunner does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Protocol

from gwcore.engine.reconnect import NANOSECONDS, Backoff
from gwcore.errors import ConfigError, NotConnected, StorageError
from gwcore.journal import Journal, JournalGap, JournalReader
from gwcore.model import ConnectionState
from gwcore.ports import Clock, Random
from gwcore.runtime.beat import Beat
from gwcore.sink import Sink, SinkSpec

_log = logging.getLogger("gwcore.sinks")
_payload_of = attrgetter("payload")

#: How often an idle sink is asked to make durable what it took, and cursors are saved.
FLUSH_S = 1.0
#: Back-off between attempts to connect a sink.
RETRY_FIRST_S, RETRY_MAX_S, RETRY_HELD_S = 0.2, 10.0, 30.0
#: A call of a sink that has not come back after this long never will: a server that is away is told much sooner, and a large
#: archive is read within it.
CALL_S = 300.0


class FeedOwner(Protocol):
    """What a feed needs of its runner."""

    name: str
    progress: dict[str, int]  # class -> position up to which all is durable over there
    reconnects: Counter[str]  # by cause

    def tell(self) -> None:
        """Something about the feed changed."""
        ...

    def on_gap(self, gap: JournalGap) -> None:
        """Retention removed what the sink has not taken."""
        ...

    def is_saved(self) -> bool:
        """Whether all progress is in the cursors."""
        ...

    async def save(self) -> None:
        """Write the cursors."""
        ...


class SinkFeed:
    """Feeds `classes` to one sink until cancelled or drained."""

    def __init__(
        self,
        owner: FeedOwner,
        classes: Sequence[str],
        sink: Sink,
        *,
        spec: SinkSpec,
        journal: Journal,
        clock: Clock,
        random: Random,
    ) -> None:
        self.classes = tuple(classes)
        self.cause = ""  # one word; what was told last and not taken back
        self.detail = ""
        self.records: Counter[str] = Counter()  # given to the sink, by class
        self.bytes: Counter[str] = Counter()
        self._owner = owner
        self._sink = sink
        self._spec = spec
        self._journal = journal
        self._clock = clock
        self._backoff = Backoff(random, first_s=RETRY_FIRST_S, max_s=RETRY_MAX_S, held_s=RETRY_HELD_S)
        self.beat = Beat(lambda: clock.monotonic_ns() / NANOSECONDS)
        self._is_open = False
        self._was_lost = False
        self._is_reported = False  # the sink itself named the cause, and will take it back itself
        self._unflushed = False
        self._flush_at_ns = 0
        self._more = asyncio.Event()
        self._draining = False

    @property
    def state(self) -> ConnectionState:
        """A sink that was lost is connected again when it has taken back the cause: an attempt that worked proves little
        where the stream is full."""
        if self._is_open and not self._was_lost:
            return ConnectionState.CONNECTED
        return ConnectionState.DISCONNECTED if self._was_lost else ConnectionState.CONNECTING

    def wake(self) -> None:
        """The journal has synced something."""
        self._more.set()

    def drain(self) -> None:
        """Take what is there, make it durable, end."""
        self._draining = True
        self._more.set()

    def on_status(self, cause: str, detail: str) -> None:
        """The sink says how it is."""
        self.cause, self.detail = cause, detail
        self._is_reported = bool(cause)
        if self._is_open and cause:
            # An idle feed would not notice before the next record: ask the sink now whether it is still there.
            self._unflushed = True
            self._flush_at_ns = 0
            self._more.set()
        elif self._is_open:
            self._was_lost = False

    async def run(self) -> None:
        """Connect, feed, connect again; returns when drained, or when the sink can't be configured."""
        try:
            while True:
                try:
                    readers = await self._connect()
                    await self._feed(readers)
                    return
                except NotConnected as error:
                    await self._lost(str(error))
                except (ConfigError, StorageError):
                    raise
                except Exception as error:  # a plugin with a bug is one bad sink, not the end of the gateway
                    _log.exception("sink %s failed; it is connected again", self._owner.name)
                    await self._lost(f"{type(error).__name__}: {error}")
                if self._draining:
                    return
        except (ConfigError, StorageError) as error:
            # Others go on, and so does the gateway: a restart is the operator's, who has to mend something first.
            _log.error("sink %s stopped (%s): %s", self._owner.name, ", ".join(self.classes), error)
            self._is_open, self._was_lost = False, True
            self.cause = "config" if isinstance(error, ConfigError) else "journal"
            self.detail = str(error)
            self._owner.tell()
        finally:
            self.beat.rest()

    async def _connect(self) -> dict[str, JournalReader]:
        self._owner.tell()
        self.beat.within(CALL_S)
        progress = self._owner.progress
        positions: Mapping[str, int] = await self._sink.connect({name: progress[name] for name in self.classes})
        self._backoff.on_open(self._clock.monotonic_ns())
        readers = {}
        for name in self.classes:
            # The sink's word counts, also when it goes back: what it lost over there is sent again.
            after = positions.get(name, progress[name])
            progress[name] = after
            try:
                readers[name] = self._journal.reader(name, after)
            except StorageError as error:
                raise ConfigError(
                    f"the sink is ahead of the journal: {error}",
                    place=f"sink {self._owner.name}",
                    hint="it was fed by another state directory: give it streams or a folder of its own",
                ) from error
        self._is_open = True
        if not self._is_reported:
            self.cause = self.detail = ""
            self._was_lost = False
        self._owner.tell()
        return readers

    async def _lost(self, text: str) -> None:
        self._is_open, self._was_lost = False, True
        if not self._is_reported:
            self.cause, self.detail = "not_connected", text
        self._owner.reconnects[self.cause] += 1
        self._owner.tell()
        self.beat.within(CALL_S)
        await self._owner.save()
        if not self._draining:
            await asyncio.sleep(self._backoff.on_failure(self._clock.monotonic_ns()))

    async def _feed(self, readers: dict[str, JournalReader]) -> None:
        while True:
            self._more.clear()
            self.beat.within(CALL_S)
            has_more = await self._write_all(readers)
            if self._clock.monotonic_ns() >= self._flush_at_ns:
                await self._flush()
            if has_more:
                await self._linger()
                continue
            if self._draining:
                await self._flush()
                return
            self.beat.rest()
            await self._rest()

    async def _flush(self) -> None:
        """Make durable what was taken; under load and idle alike at least each FLUSH_S."""
        self._flush_at_ns = self._clock.monotonic_ns() + int(FLUSH_S * NANOSECONDS)
        if self._unflushed:
            self._unflushed = False
            await self._sink.flush()
        await self._owner.save()

    async def _write_all(self, readers: dict[str, JournalReader]) -> bool:
        """One batch of each class; returns whether there was any (a reader may give less than there is)."""
        has_more = False
        for name, reader in readers.items():
            try:
                batch = reader.read(self._spec.batch_max)
            except JournalGap as gap:
                self._owner.on_gap(gap)  # the reader stands behind it
                return True
            if batch:
                await self._sink.write(batch)
                self.records[name] += len(batch)
                self.bytes[name] += sum(map(len, map(_payload_of, batch)))
                self._unflushed = True
                has_more = True
        return has_more

    async def _rest(self) -> None:
        """Wait for more, or until it is time to flush."""
        has_work = self._unflushed or not self._owner.is_saved()
        wait_s = max(0, self._flush_at_ns - self._clock.monotonic_ns()) / NANOSECONDS if has_work else None
        try:
            async with asyncio.timeout(wait_s):
                await self._more.wait()
        except TimeoutError:
            return

    async def _linger(self) -> None:
        """Give a batch time to fill; always give the loop its turn."""
        await asyncio.sleep(0 if self._draining else self._spec.linger_ms / 1000)
