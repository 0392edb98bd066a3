"""The sinks as the conformance cards see them: where their records end up, and how that is broken and mended.

Read by `test_conformance.py` and by `gw conform file --kind sink`, `gw conform jetstream`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from gw_sinks import file, jetstream
from gw_sinks.embedded import EmbeddedServer, read_embedded, sink_directory
from gw_sinks.file_settings import FileSettings
from gw_sinks.jetstream_settings import JetStreamSettings
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from gwcore import wire
from gwcore.errors import StorageError
from gwcore.ports import Storage
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.conformance import Destination, SinkCase
from gwcore.testing.oracles.archive import read_archive
from gwcore.testing.storage import MemoryStorage

STORE_BYTES_MAX = 256 * 1024 * 1024
CLASS_BYTES_MAX = 16 * 1024 * 1024


def case_for(kind: str, name: str) -> SinkCase | None:
    """The case of one of the two sinks."""
    if kind != "sink":
        return None
    if name == "file":
        return SinkCase(file.SPEC, archive)
    if name == "jetstream":
        return SinkCase(jetstream.SPEC, embedded_server)
    return None


class Archive:
    """The file sink's directory, on a disk that can fail."""

    def __init__(self) -> None:
        self.settings = FileSettings()
        self.disk = MemoryStorage()

    @property
    def storage(self) -> Storage:
        return self.disk

    async def event_ids(self) -> Sequence[str]:
        files = sorted(read_archive(self.disk), key=lambda each: (each.journal_class, each.first))
        headers = [wire.decode_envelope(line).header for each in files for line in each.lines]
        return [f"{header.session_id}:{header.sequence}" for header in headers]

    async def break_(self) -> None:
        self.disk.on_operation = self._fail

    async def mend(self) -> None:
        self.disk.on_operation = None

    @staticmethod
    def _fail(operation: str, name: str) -> None:
        raise StorageError(f"{name}: {operation} failed: input/output error")


@asynccontextmanager
async def archive(state_dir: Path) -> AsyncIterator[Destination]:
    """An archive on an empty disk."""
    yield Archive()


class Embedded:
    """The streams of the JetStream sink's own server, which is killed to break it; the sink starts it again by itself."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self.settings = JetStreamSettings(
            ack_timeout_s=2.0,
            connect_timeout_s=2.0,
            md_bytes_max=CLASS_BYTES_MAX,
            st_bytes_max=CLASS_BYTES_MAX,
            ex_bytes_max=CLASS_BYTES_MAX,
            embedded_store_bytes_max=STORE_BYTES_MAX,
        )
        self._storage = DirectoryStorage(state_dir / "sinks" / "jetstream")

    @property
    def storage(self) -> Storage:
        return self._storage

    async def event_ids(self) -> Sequence[str]:
        server = EmbeddedServer(sink_directory(self._state_dir), store_bytes_max=STORE_BYTES_MAX, name="reader")
        found = await server.ensure_running()
        try:
            client = await nats.connect(found.url, user=found.user, password=found.password.reveal())
            try:
                return [each for name in ("md", "st", "ex") for each in await _ids(client, name)]
            finally:
                await client.close()
        finally:
            await server.stop()

    async def break_(self) -> None:
        read_embedded(self._state_dir)  # it runs
        os.kill(int((sink_directory(self._state_dir) / "server.pid").read_text()), signal.SIGKILL)

    async def mend(self) -> None:
        """Nothing: connecting starts it again."""


async def _ids(client: Client, name: str) -> list[str]:
    stream = f"gw-test-conformance-{name}"
    js = client.jetstream()
    count = (await js.stream_info(stream)).state.messages
    subscription = await js.pull_subscribe("", stream=stream, config=ConsumerConfig(ack_policy=AckPolicy.NONE))
    ids: list[str] = []
    while len(ids) < count:
        messages = await subscription.fetch(min(500, count - len(ids)), timeout=5)
        ids += [(message.headers or {})["Nats-Msg-Id"] for message in messages]
    return ids


@asynccontextmanager
async def embedded_server(state_dir: Path) -> AsyncIterator[Destination]:
    """A state directory in which the sink will start its server. Whatever still runs there at the end is ended."""
    try:
        yield Embedded(state_dir)
    finally:
        if (sink_directory(state_dir) / "server.json").exists():
            left = EmbeddedServer(sink_directory(state_dir), store_bytes_max=STORE_BYTES_MAX, name="last")
            await left.ensure_running()
            await left.stop()
