"""The `jetstream` sink: every event into NATS JetStream once, in order, with the event's id as message id.

After each fault, and at each start, the streams' last messages say where to go on: each message carries the journal
position it came from (`Gw-Position: <writer>:<class>:<position>`, where the writer is this state directory). So what the
server has is not sent again however long it was away, and what it lost is sent again as long as the journal has it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence

import nats.js.errors
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import StaleConnectionError

from gw_sinks.embedded import EmbeddedServer, sink_directory
from gw_sinks.jetstream_connection import ConnectFailed, close_client, connect_options, open_client
from gw_sinks.jetstream_publisher import Failure, Publisher, Tail
from gw_sinks.jetstream_settings import JetStreamSettings
from gw_sinks.jetstream_streams import StreamTail, open_stream, read_tail, stream_configs
from gw_sinks.subjects import Subjects
from gwcore import hookimpl
from gwcore.errors import ConfigError, NotConnected
from gwcore.hookspecs import API_VERSION
from gwcore.model import Record
from gwcore.sink import SinkContext, SinkSpec

#: Wait before connecting again after publishing failed without one acknowledgement: doubles from the first to the last.
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
#: Oldest server that may be our own.
_SERVER_MIN = (2, 12)
#: File in the sink's storage that names the writer.
_WRITER_FILE = "writer"


class JetStreamSink:
    """See gwcore.sink.Sink."""

    def __init__(self, settings: JetStreamSettings, context: SinkContext) -> None:
        self._settings = settings
        self._context = context
        self._subjects = Subjects(context.environment, context.venue)
        self._server: EmbeddedServer | None = None
        if not settings.url:
            self._server = EmbeddedServer(
                sink_directory(context.state_dir),
                store_bytes_max=settings.embedded_store_bytes_max,
                name=f"gw-{context.source}",
            )
        self._client: Client | None = None
        self._publisher: Publisher | None = None
        self._cause = ""  # reported last
        self._backoff_s = 0.0
        self._writer = ""

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        """Connect, make or check the streams, and read from their tails where to go on."""
        await self._disconnect()
        if self._backoff_s:
            await asyncio.sleep(self._backoff_s)
        try:
            return await self._connect(cursors)
        except ConnectFailed as error:
            raise self._not_connected(error.cause, str(error)) from error
        except NotConnected as error:
            cause, _, detail = str(error).partition(": ")
            raise self._not_connected(cause if detail and " " not in cause else "no_server", str(error)) from error
        except nats.js.errors.ServiceUnavailableError as error:
            raise self._not_connected("no_jetstream", f"JetStream does not answer: {error}") from error
        except nats.js.errors.APIError as error:
            raise self._not_connected(
                "refused", f"JetStream refused: {error.description} ({error.err_code})"
            ) from error
        except (NatsError, OSError) as error:
            raise self._not_connected("no_jetstream", f"JetStream can't be asked: {error}") from error
        except ConfigError as error:
            self._report("config", str(error))
            raise
        finally:
            if self._publisher is None:
                await self._disconnect()

    async def write(self, batch: Sequence[Record]) -> None:
        """Send a batch; waits while too many events are not acknowledged."""
        if batch:
            await self._connected().publish(batch)

    async def flush(self) -> None:
        """Wait until all is acknowledged."""
        await self._connected().wait_acknowledged()

    async def close(self) -> None:
        """Close the connection and end the server, if it is ours."""
        await self._disconnect()
        if self._server is not None:
            await self._server.stop()

    async def _connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        embedded = None if self._server is None else await self._server.ensure_running()
        options = connect_options(self._settings, embedded)
        options["name"] = f"gw-{self._context.source}"
        self._client = client = await open_client(options, self._on_error, self._on_closed)
        if embedded is not None:
            version = client.connected_server_version
            if (version.major, version.minor) < _SERVER_MIN:
                found = f"{version.major}.{version.minor}.{version.patch}"
                raise ConfigError(
                    f"nats-server {found} is too old for an embedded one; 2.12 is needed",
                    place="sink.jetstream",
                    hint="install the extra `gwcore[embedded]` or set sink.jetstream.url",
                )
        tails, notes = await self._read_tails(client, cursors)
        publisher = Publisher(
            client,
            subjects=self._subjects,
            tails=tails,
            writer=self._writer,
            settings=self._settings,
            clock=self._context.clock,
            on_progress=self._on_progress,
            on_failure=self._on_failure,
        )
        await publisher.start()
        if client.is_closed:
            raise ConnectFailed("disconnected", "the server closed the connection at once")
        self._publisher = publisher
        if notes:
            self._report("stream_behind", "; ".join(notes))
        elif not self._backoff_s:
            # After a refused publish, only an acknowledgement says that all is well again.
            self._report("", "")
        return {name: tail.position for name, tail in tails.items()}

    async def _read_tails(self, client: Client, cursors: Mapping[str, int]) -> tuple[dict[str, Tail], list[str]]:
        self._writer = self._writer or self._read_or_make_writer()
        settings, tails, notes = self._settings, {}, []
        js = client.jetstream(timeout=settings.connect_timeout_s)
        for name, config in stream_configs(settings, self._context.environment, self._context.venue).items():
            assert config.name is not None
            state = await open_stream(js, name, config, create=settings.create_streams)
            found = await read_tail(js, name, config.name, state, self._writer)
            cursor = cursors.get(name, 0)
            position = self._choose_position(found, cursor)
            if position < cursor:
                notes.append(f"{config.name} ends at position {position}, {cursor} was acknowledged: sending again")
            tails[name] = Tail(found.last_sequence, position)
        return tails, notes

    def _choose_position(self, found: StreamTail, cursor: int) -> int:
        if found.position is not None:
            return found.position
        if found.last_sequence == 0 and self._settings.refill:
            return 0
        # The tail was deleted or grew too old, or it is another writer's: the cursor is what we know.
        return cursor

    def _read_or_make_writer(self) -> str:
        """Positions mean something only together with the journal they count in, and that ends with its state directory."""
        storage = self._context.storage
        if storage.exists(_WRITER_FILE):
            return storage.read(_WRITER_FILE).decode().strip()
        writer = secrets.token_hex(8)
        storage.replace(_WRITER_FILE, writer.encode() + b"\n")
        return writer

    def _connected(self) -> Publisher:
        if self._publisher is None:
            raise NotConnected("no connection to JetStream")
        return self._publisher

    async def _disconnect(self) -> None:
        publisher, self._publisher = self._publisher, None
        client, self._client = self._client, None
        if publisher is not None:
            publisher.stop()
        if client is not None:
            await close_client(client)

    async def _on_error(self, error: Exception) -> None:
        if self._publisher is None:
            return
        if isinstance(error, OSError | StaleConnectionError):
            # The client does not get as far as its closed callback where the socket breaks under a write.
            self._publisher.fail(Failure("disconnected", f"the connection to the server is lost: {error}"))
        elif "permissions violation" in str(error).lower():
            # It arrives here only; the message it is about gets no answer.
            self._publisher.fail(Failure("no_rights", str(error)))

    async def _on_closed(self) -> None:
        if self._publisher is not None:
            self._publisher.fail(Failure("disconnected", "the connection to the server is lost"))

    def _on_progress(self, journal_class: str, position: int) -> None:
        if self._publisher is not None and self._publisher.failure is None:
            self._backoff_s = 0.0
            self._report("", "")
        self._context.progress(journal_class, position)

    def _on_failure(self, failure: Failure) -> None:
        if failure.cause != "disconnected":
            self._backoff_s = min(self._backoff_s * 2 or BACKOFF_FIRST_S, BACKOFF_MAX_S)
        self._report(failure.cause, failure.detail)

    def _not_connected(self, cause: str, detail: str) -> NotConnected:
        self._report(cause, detail)
        return NotConnected(f"{cause}: {detail}")

    def _report(self, cause: str, detail: str) -> None:
        if cause != self._cause:
            self._cause = cause
            self._context.status(cause, detail)


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
