"""DemoSink: one file a journal class, a line a record. What is in the files decides where it goes on after a crash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gwcore.errors import NotConnected, StorageError
from gwcore.hookspecs import hookimpl
from gwcore.model import Record
from gwcore.ports import AppendFile
from gwcore.sink import SinkContext, SinkSpec


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[sink.demo]`."""

    suffix: str = ".jsonl"  # how the files end


class DemoSink:
    """The Sink of the contract. Each line is the position, a blank, and the event's bytes as they are."""

    def __init__(self, settings: DemoSettings, context: SinkContext) -> None:
        self._suffix = settings.suffix
        self._storage = context.storage
        self._progress = context.progress
        self._files: dict[str, AppendFile] = {}
        self._written: dict[str, int] = {}
        context.ack_meaning("fsynced")

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        """Cut a torn last line, and go on after the last whole one. Raises NotConnected."""
        await self.close()
        try:
            return {name: self._open(name, position) for name, position in cursors.items()}
        except StorageError as error:
            raise NotConnected(str(error)) from error

    def _open(self, journal_class: str, position: int) -> int:
        name = journal_class + self._suffix
        data = self._storage.read(name) if self._storage.exists(name) else b""
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._storage.truncate(name, len(whole))
        self._files[journal_class] = self._storage.append(name)
        return int(whole.splitlines()[-1].partition(b" ")[0]) if whole else 0

    async def write(self, batch: Sequence[Record]) -> None:
        """Append. Raises NotConnected."""
        if not batch:
            return
        journal_class = batch[0].journal_class
        if journal_class not in self._files:
            raise NotConnected("not connected")
        try:
            self._files[journal_class].write(b"".join(b"%d %b\n" % (each.position, each.payload) for each in batch))
        except StorageError as error:
            raise NotConnected(str(error)) from error
        self._written[journal_class] = batch[-1].position

    async def flush(self) -> None:
        """Sync, and say how far it is safe. Raises NotConnected."""
        for journal_class, position in list(self._written.items()):
            try:
                self._files[journal_class].sync()
            except StorageError as error:
                raise NotConnected(str(error)) from error
            del self._written[journal_class]
            self._progress(journal_class, position)

    async def close(self) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._written.clear()


SPEC = SinkSpec(
    name="demo",
    api_version=1,
    settings=DemoSettings,
    create=DemoSink,
    batch_max=500,
    linger_ms=20.0,
    summary="An example: one file a journal class.",
)


@hookimpl
def gw_register_sinks() -> Iterable[SinkSpec]:
    """The one sink of this plugin."""
    return [SPEC]
