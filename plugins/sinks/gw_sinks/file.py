"""The `file` sink: an archive of zstd JSON Lines, one folder a kind and day, that DuckDB, polars and pandas read as it is.

Each line is an event as the journal holds it, byte for byte. A file has its final name only when it is whole and durable, and
then its manifest is beside it (`gwcore.archive`).
`progress` follows at most `sync_interval_s` (and the time of a sync) behind what was written: open files are made durable
piece by piece, and a restart goes on behind the last piece. Compression and syncs run on a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from gw_sinks.file_settings import FileSettings
from gw_sinks.file_writer import ClassWriter
from gwcore import hookimpl
from gwcore.archive.manifest import Origin
from gwcore.errors import NotConnected, StorageError
from gwcore.hookspecs import API_VERSION
from gwcore.model import Record
from gwcore.sink import SinkContext, SinkSpec

T = TypeVar("T")

NS_PER_S = 1_000_000_000
#: Shortest wait of the timer that finishes the files of a quiet sink.
_TIMER_MIN_S = 0.05
_CLASSES = ("md", "st", "ex")


class FileSink:
    """See gwcore.sink.Sink."""

    def __init__(self, settings: FileSettings, context: SinkContext) -> None:
        self._settings = settings
        self._context = context
        self._age_max_ns = round(settings.file_age_max_s * NS_PER_S)
        self._interval_ns = round(settings.sync_interval_s * NS_PER_S)
        self._writers: dict[str, ClassWriter] = {}  # empty: not connected
        self._committed_at_ns = 0
        self._trouble = False  # a cause other than "" was reported last
        self._lock = asyncio.Lock()
        self._job: asyncio.Future[Any] | None = None  # what runs on the thread
        self._reported: dict[str, int] = {}  # positions given to `progress`, or agreed in `connect`
        self._timer: asyncio.TimerHandle | None = None
        self._timer_task: asyncio.Task[None] | None = None

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        """Finish what an earlier process left behind. Where the archive has a state of its own, that says where to go on:
        it names what is there. Raises NotConnected where the directory can't be read or written."""
        async with self._lock:
            await self._drop()
            writers = {name: self._make_writer(name) for name in dict.fromkeys((*_CLASSES, *cursors))}
            opened = await self._run(lambda: [writer.open(cursors.get(name, 0)) for name, writer in writers.items()])
            self._writers = writers
            self._committed_at_ns = self._context.clock.monotonic_ns()
            damaged = [sentence for one in opened for sentence in one.damaged]
            if damaged:
                self._report("archive_damaged", "; ".join(damaged))
            elif self._trouble:
                self._report("", "")
            self._reported = {name: writer.committed for name, writer in writers.items()}
            return dict(self._reported)

    async def write(self, batch: Sequence[Record]) -> None:
        """Take a batch; commit when enough waits or `sync_interval_s` passed since the last commit."""
        if not batch:
            return
        async with self._lock:
            await self._settle()
            writer = self._writer(batch[0].journal_class)
            writer.add(batch)
            elapsed_ns = self._context.clock.monotonic_ns() - self._committed_at_ns
            waiting = sum(one.bytes_buffered for one in self._writers.values())
            if elapsed_ns >= self._interval_ns or waiting >= self._settings.buffer_bytes_max:
                await self._commit()

    async def flush(self) -> None:
        """Commit what waits."""
        async with self._lock:
            self._writer("md")
            await self._commit()

    async def close(self) -> None:
        """Commit, give all files their final names and let go."""
        if self._timer_task is not None:
            await asyncio.wait([self._timer_task])
        async with self._lock:
            # What fails here was reported; the next start goes on from what is durable.
            with suppress(NotConnected):
                if self._writers:
                    await self._commit(finish_all=True)
            await self._drop()

    def _make_writer(self, name: str) -> ClassWriter:
        settings, context = self._settings, self._context
        return ClassWriter(
            name,
            context.storage,
            origin=Origin(venue=context.venue, environment=context.environment, source=context.source),
            level=settings.level,
            file_bytes_max=settings.file_bytes_max,
        )

    def _writer(self, journal_class: str) -> ClassWriter:
        writer = self._writers.get(journal_class)
        if writer is None:
            raise NotConnected("the archive is not open")
        return writer

    async def _commit(self, *, finish_all: bool = False) -> None:
        now_ns = self._context.clock.monotonic_ns()
        writers = tuple(self._writers.values())

        def commit_all() -> None:
            for writer in writers:
                writer.commit(now_ns, self._age_max_ns, finish_all=finish_all)

        await self._run(commit_all)
        self._committed_at_ns = now_ns
        for writer in writers:
            if writer.committed > self._reported[writer.journal_class]:
                self._reported[writer.journal_class] = writer.committed
                self._context.progress(writer.journal_class, writer.committed)
        self._set_timer(writers)

    async def _run(self, work: Callable[[], T]) -> T:
        """Do something with the disk on a thread. Raises NotConnected; then nothing in memory is to be trusted."""
        await self._settle()
        job = asyncio.get_running_loop().run_in_executor(None, work)
        self._job = job
        try:
            # A cancelled caller must not leave two threads at the same files: the next one waits for this job.
            return await asyncio.shield(job)
        except (StorageError, OSError) as error:
            await self._drop()
            self._report("storage", str(error))
            raise NotConnected(f"the archive can't be written: {error}") from error

    async def _settle(self) -> None:
        if self._job is not None:
            await asyncio.wait([self._job])
            if not self._job.cancelled():
                self._job.exception()
            self._job = None

    async def _drop(self) -> None:
        await self._settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _report(self, cause: str, detail: str) -> None:
        self._trouble = bool(cause)
        self._context.status(cause, detail)

    def _set_timer(self, writers: Iterable[ClassWriter]) -> None:
        """A sink that gets nothing to write must finish its old files all the same."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = [due for writer in writers if (due := writer.next_due_ns(self._age_max_ns)) is not None]
        if due_ns:
            wait_s = (min(due_ns) - self._context.clock.monotonic_ns()) / NS_PER_S
            self._timer = asyncio.get_running_loop().call_later(max(wait_s, _TIMER_MIN_S), self._on_timer)

    def _on_timer(self) -> None:
        self._timer_task = asyncio.get_running_loop().create_task(self._commit_by_timer())

    async def _commit_by_timer(self) -> None:
        async with self._lock:
            # What fails here was reported; the next write says so to the core.
            with suppress(NotConnected):
                if self._writers:
                    await self._commit()


def create(settings: FileSettings, context: SinkContext) -> FileSink:
    """Make the sink."""
    return FileSink(settings, context)


SPEC = SinkSpec(
    name="file",
    api_version=API_VERSION,
    settings=FileSettings,
    create=create,
    batch_max=4096,
    linger_ms=200.0,
    summary="zstd JSON Lines in one folder a kind and day, for DuckDB, polars and pandas",
)


@hookimpl
def gw_register_sinks() -> list[SinkSpec]:
    """The `file` sink."""
    return [SPEC]
