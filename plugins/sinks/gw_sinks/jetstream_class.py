"""One journal class of the `jetstream` sink: its own connection, stream, window and back-off.

After each fault, and at each start, the stream's last message says where to go on: each message carries the journal
position it came from (`Gw-Position: <writer>:<class>:<position>`, where the writer is the state directory). So what the
server has is not sent again however long it was away, and what it lost is sent again as long as the journal has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import nats.js.errors
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import StaleConnectionError
from nats.js.api import StreamConfig, StreamInfo

from gw_sinks.jetstream_causes import VAGUE, Failure, Stored, Tail, name_refusal
from gw_sinks.jetstream_monitor import Monitor
from gw_sinks.jetstream_publisher import Publisher
from gw_sinks.jetstream_settings import JetStreamSettings
from gw_sinks.jetstream_streams import StreamTail, find_faults, judge_acknowledgement, open_stream, read_tail
from gwcore.errors import ConfigError, NotConnected
from gwcore.model import Record
from gwcore.nats_connection import ConnectFailed, close_client, open_client
from gwcore.sink import AckMeaning, SinkContext
from gwcore.subjects import Subjects

#: Wait before connecting again after publishing failed without one acknowledgement: doubles from the first to the last.
BACKOFF_FIRST_S = 0.25
BACKOFF_MAX_S = 10.0
#: Times in a row that the stream can't be looked at before that is a fault; acknowledgements are watched on their own.
_BLIND_MAX = 2


class Shared(NamedTuple):
    """What all classes of one sink have in common."""

    settings: JetStreamSettings
    context: SinkContext
    subjects: Subjects
    monitor: Monitor
    connect_options: Callable[[], Awaitable[dict[str, Any]]]  # of `Client.connect`; raises ConfigError, NotConnected
    check_server: Callable[[Client], None]  # raises ConfigError
    writer: Callable[[], str]
    on_ack_meaning: Callable[[str, AckMeaning], None]  # (class, meaning)
    on_disk_full: Callable[[], Awaitable[None]]


class ClassSink:
    """See gwcore.sink.Sink; of one class, with `config` as its stream must be."""

    def __init__(self, journal_class: str, config: StreamConfig, shared: Shared) -> None:
        assert config.name is not None
        self._class = journal_class
        self._config = config
        self._stream = config.name
        self._shared = shared
        self._settings = shared.settings
        self._client: Client | None = None
        self._publisher: Publisher | None = None
        self._patrol: asyncio.Task[None] | None = None
        self._cause = ""  # reported last
        self._backoff_s = 0.0
        self._stored: Stored | None = None  # our last message that is known to be in the stream

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        """Connect, make or check the stream, and read from its tail where to go on."""
        await self._disconnect()
        if self._backoff_s:
            await asyncio.sleep(self._backoff_s)
        if self._cause == "disk_full":
            await self._shared.on_disk_full()
        try:
            return await self._connect(cursors.get(self._class, 0))
        except ConnectFailed as error:
            raise self._not_connected(error.cause, str(error)) from error
        except NotConnected as error:
            cause, _, detail = str(error).partition(": ")
            named = bool(detail) and " " not in cause
            raise self._not_connected(cause if named else "no_server", detail if named else str(error)) from error
        except nats.js.errors.APIError as error:
            cause = name_refusal(error.err_code or 0) if error.err_code else "refused"
            if isinstance(error, nats.js.errors.ServiceUnavailableError) and cause in ("refused", "no_stream"):
                cause = "no_jetstream"
            raise self._refused(cause, f"JetStream refused: {error.description} ({error.err_code})") from error
        except (NatsError, OSError) as error:
            raise self._refused("no_jetstream", f"JetStream can't be asked: {error or type(error).__name__}") from error
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
        """Close the connection."""
        await self._disconnect()

    async def _connect(self, cursor: int) -> Mapping[str, int]:
        shared, settings = self._shared, self._settings
        options = await shared.connect_options()
        options["name"] = f"gw-{shared.context.source}-{self._class}"
        self._client = client = await open_client(options, self._on_error, self._on_closed)
        shared.check_server(client)
        shared.monitor.start()
        js = client.jetstream(timeout=settings.connect_timeout_s)
        info = await open_stream(js, self._class, self._config, create=settings.create_streams)
        await self._judge_acknowledgement(client, info)
        found = await read_tail(js, self._class, self._stream, info.state, shared.writer(), self._stored)
        tail = Tail(
            found.last_sequence,
            self._choose_position(found, cursor),
            last_id=found.last_id,
            is_sure=found.position is not None or not found.last_sequence,
        )
        publisher = Publisher(
            client,
            self._class,
            subjects=shared.subjects,
            tail=tail,
            writer=shared.writer(),
            settings=settings,
            clock=shared.context.clock,
            on_progress=self._on_progress,
            on_failure=self._on_failure,
            explain=lambda: shared.monitor.explain(self._stream),
        )
        await publisher.start()
        if client.is_closed:
            raise ConnectFailed("disconnected", "the server closed the connection at once")
        self._publisher = publisher
        self._patrol = asyncio.get_running_loop().create_task(self._watch(publisher, client))
        if tail.position < cursor:
            text = f"{self._stream} ends at position {tail.position}, {cursor} was acknowledged: sending again"
            self._report("stream_behind", text)
        elif not self._backoff_s:
            # After a refused publish, only an acknowledgement says that all is well again.
            self._report("", "")
        return {self._class: tail.position}

    async def _judge_acknowledgement(self, client: Client, info: StreamInfo) -> None:
        servers = await self._shared.monitor.read_durability()
        server_id = str(client._server_info.get("server_id", ""))
        meaning = judge_acknowledgement(info, server_id, servers)
        self._shared.on_ack_meaning(self._class, meaning)
        if self._settings.require_fsync and meaning != "fsynced":
            raise NotConnected(
                f"not_fsynced: require_fsync is set and an acknowledgement of {self._stream} is {meaning}: "
                f"let every server that holds it sync_interval: always, and name all of them in monitor_url"
            )

    def _choose_position(self, found: StreamTail, cursor: int) -> int:
        if found.position is not None:
            return found.position
        if found.last_sequence == 0 and self._settings.refill:
            return 0
        # The tail was deleted or grew too old, or it is another writer's alone: the cursor is what we know.
        return cursor

    async def _watch(self, publisher: Publisher, client: Client) -> None:
        """Look at the stream now and then: an idle class would not learn otherwise that it has none any more."""
        js, blind = client.jetstream(timeout=self._settings.check_interval_s), 0
        while publisher.failure is None:
            await asyncio.sleep(self._settings.check_interval_s)
            try:
                info = await js.stream_info(self._stream)
            except nats.js.errors.NotFoundError:
                publisher.fail(Failure("no_stream", f"stream {self._stream} does not exist any more"))
            except (NatsError, OSError) as error:
                blind += 1
                if blind >= _BLIND_MAX and not publisher.outstanding:
                    text = f"stream {self._stream} can't be looked at: {error or type(error).__name__}"
                    publisher.fail(Failure("no_jetstream", text))
            else:
                blind = 0
                faults = find_faults(self._class, info.config, self._config)
                if faults:
                    publisher.fail(Failure("wrong_config", faults))

    def _explain(self) -> Failure | None:
        return self._shared.monitor.explain(self._stream)

    def _connected(self) -> Publisher:
        if self._publisher is None:
            raise NotConnected("no connection to JetStream")
        return self._publisher

    async def _disconnect(self) -> None:
        publisher, self._publisher = self._publisher, None
        client, self._client = self._client, None
        patrol, self._patrol = self._patrol, None
        if publisher is not None:
            self._stored = publisher.last_stored or self._stored
            publisher.stop()
        if patrol is not None:
            patrol.cancel()
            await asyncio.gather(patrol, return_exceptions=True)
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

    def _on_progress(self, position: int) -> None:
        if self._publisher is not None and self._publisher.failure is None:
            self._backoff_s = 0.0
            self._report("", "")
        self._shared.context.progress(self._class, position)

    def _on_failure(self, failure: Failure) -> None:
        if failure.cause in VAGUE:
            failure = failure._replace(detail=failure.detail + self._shared.monitor.silence)
            self._shared.monitor.look_soon()
        if failure.cause != "disconnected":
            self._backoff_s = min(self._backoff_s * 2 or BACKOFF_FIRST_S, BACKOFF_MAX_S)
        self._report(failure.cause, failure.detail)

    def _refused(self, cause: str, detail: str) -> NotConnected:
        known = self._explain() if cause in VAGUE else None
        return self._not_connected(*(known or (cause, detail)))

    def _not_connected(self, cause: str, detail: str) -> NotConnected:
        self._report(cause, detail)
        return NotConnected(f"{cause}: {detail}")

    def _report(self, cause: str, detail: str) -> None:
        if cause != self._cause:
            self._cause = cause
            self._shared.context.status(cause, detail, self._class)
