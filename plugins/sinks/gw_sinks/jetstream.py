"""The `jetstream` sink: every event into NATS JetStream once, in order, with the event's id as message id.

Each journal class has a connection of its own (jetstream_class.py), so that what befalls one stream holds up no other. Here
is what they share: the server where it is our own, the monitoring of servers, and the writer's name.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from nats.aio.client import Client

from gw_sinks.embedded import EmbeddedServer, sink_directory
from gw_sinks.jetstream_class import ClassSink, Shared
from gw_sinks.jetstream_monitor import Monitor
from gw_sinks.jetstream_settings import JetStreamSettings
from gw_sinks.jetstream_streams import stream_configs
from gwcore import hookimpl
from gwcore.errors import ConfigError
from gwcore.hookspecs import API_VERSION
from gwcore.model import Record
from gwcore.nats_connection import connect_options
from gwcore.nats_settings import NatsSettings
from gwcore.sink import AckMeaning, SinkContext, SinkSpec
from gwcore.subjects import LOG_ROOT, Subjects

_PLACE = "sink.jetstream"
#: Oldest server that may be our own.
_SERVER_MIN = (2, 12)
#: File in the sink's storage that names the writer.
_WRITER_FILE = "writer"
#: Free space with which a server of our own that met a full disk is started again: it does not write again before.
_RESTART_FREE_BYTES = 32 * 1024 * 1024
#: From the weakest.
_MEANINGS: tuple[AckMeaning, ...] = ("unknown", "flushed", "fsynced")


class JetStreamSink:
    """See gwcore.sink.Sink and gwcore.sink.ClassSinks."""

    def __init__(self, settings: JetStreamSettings, context: SinkContext) -> None:
        if settings.require_fsync and settings.url and not settings.monitor_url:
            raise ConfigError(
                "require_fsync needs monitor_url: only the servers themselves say whether they sync",
                place=_PLACE,
            )
        self._settings = settings
        self._context = context
        self._server: EmbeddedServer | None = None
        if not settings.url:
            self._server = EmbeddedServer(
                sink_directory(context.state_dir),
                store_bytes_max=settings.embedded_store_bytes_max,
                name=f"gw-{context.source}",
                sync_always=settings.require_fsync,
            )
        self._server_lock = asyncio.Lock()  # three classes want it started, once
        self._monitor = Monitor([url for url in settings.monitor_url.split(",") if url], settings.health_interval_s)
        self._writer = ""
        self._meanings: dict[str, AckMeaning] = {}
        shared = Shared(
            settings=settings,
            context=context,
            subjects=Subjects(context.environment, context.venue, root=LOG_ROOT),
            monitor=self._monitor,
            connect_options=self._connect_options,
            check_server=self._check_server,
            writer=self._read_or_make_writer,
            on_ack_meaning=self._on_ack_meaning,
            on_disk_full=self._on_disk_full,
        )
        configs = stream_configs(settings, context.environment, context.venue)
        self._classes = {name: ClassSink(name, config, shared) for name, config in configs.items()}

    def of_class(self, journal_class: str) -> ClassSink:
        """The sink of one class."""
        return self._classes[journal_class]

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        """Connect all classes, for a core that feeds them together."""
        positions: dict[str, int] = {}
        for sink in self._classes.values():
            positions |= await sink.connect(cursors)
        return positions

    async def write(self, batch: Sequence[Record]) -> None:
        """Send a batch of one class."""
        if batch:
            await self._classes[batch[0].journal_class].write(batch)

    async def flush(self) -> None:
        """Wait until all is acknowledged."""
        for sink in self._classes.values():
            await sink.flush()

    async def close(self) -> None:
        """Close the connections and end the server, if it is ours."""
        for sink in self._classes.values():
            await sink.close()
        await self._monitor.close()
        if self._server is not None:
            await self._server.stop()

    async def _connect_options(self) -> dict[str, Any]:
        settings = self._settings
        flush_timeout = {"flush_timeout": settings.ack_timeout_s}
        if self._server is None:
            return connect_options(settings, _PLACE) | flush_timeout
        async with self._server_lock:
            embedded = await self._server.ensure_running()
        self._monitor.urls = [embedded.monitor_url]
        ours = NatsSettings(
            url=embedded.url,
            inbox_prefix=settings.inbox_prefix,
            connect_timeout_s=settings.connect_timeout_s,
            ping_interval_s=settings.ping_interval_s,
        )
        credentials = {"user": embedded.user, "password": embedded.password.reveal()}
        return connect_options(ours, _PLACE) | flush_timeout | credentials

    def _check_server(self, client: Client) -> None:
        version = client.connected_server_version
        if self._server is not None and (version.major, version.minor) < _SERVER_MIN:
            raise ConfigError(
                f"nats-server {version.major}.{version.minor}.{version.patch} is too old for an embedded one; 2.12 is needed",
                place=_PLACE,
                hint="install the extra `gwcore[embedded]` or set sink.jetstream.url",
            )

    def _read_or_make_writer(self) -> str:
        """Positions mean something only together with the journal they count in, and that ends with its state directory."""
        storage = self._context.storage
        if self._writer:
            return self._writer
        if storage.exists(_WRITER_FILE):
            self._writer = storage.read(_WRITER_FILE).decode().strip()
        else:
            self._writer = secrets.token_hex(8)
            storage.replace(_WRITER_FILE, self._writer.encode() + b"\n")
        return self._writer

    def _on_ack_meaning(self, journal_class: str, meaning: AckMeaning) -> None:
        self._meanings[journal_class] = meaning
        self._context.ack_meaning(min(self._meanings.values(), key=_MEANINGS.index))

    async def _on_disk_full(self) -> None:
        """nats-server does not write to a stream again after its disk was full, until it is started anew."""
        if self._server is None:
            return
        async with self._server_lock:
            try:
                free_bytes = shutil.disk_usage(sink_directory(self._context.state_dir)).free
            except OSError:
                return
            if free_bytes >= _RESTART_FREE_BYTES and self._monitor.has_trouble:
                await self._server.stop()
                self._monitor.forget()


def create(settings: JetStreamSettings, context: SinkContext) -> JetStreamSink:
    """Make the sink."""
    return JetStreamSink(settings, context)


SPEC = SinkSpec(
    name="jetstream",
    api_version=API_VERSION,
    settings=JetStreamSettings,
    create=create,
    batch_max=512,
    linger_ms=2.0,
    summary="NATS JetStream, each event once and in order; without a url a nats-server of its own",
)


@hookimpl
def gw_register_sinks() -> list[SinkSpec]:
    """The `jetstream` sink."""
    return [SPEC]
