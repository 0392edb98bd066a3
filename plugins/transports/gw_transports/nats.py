"""The NATS transport: every event live on its subject, requests by request and reply.

Here is the connection: made again after every fault, and given up where the server falls silent. What travels over it is the
business of the bus (events, nats_bus.py) and the clients (requests, nats_clients.py): they share an outlet, and so an order.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import SlowConsumerError

from gw_transports.nats_bus import Bus
from gw_transports.nats_clients import WAITING_BYTES_MAX, WAITING_MAX, Clients
from gw_transports.nats_publisher import Outlet
from gw_transports.nats_settings import NatsTransportSettings
from gwcore import API_VERSION, hookimpl
from gwcore.errors import ConfigError
from gwcore.nats_connection import ConnectFailed, close_client, connect_options, flush_client, open_client
from gwcore.subjects import Subjects
from gwcore.transport import ClientPort, Transport, TransportContext, TransportCounters, TransportSpec

_log = logging.getLogger("gwcore.transport.nats")

_PLACE = "transport.nats"
#: Between two tries to connect: the first wait, doubled up to the last.
RECONNECT_FIRST_S = 0.1
RECONNECT_MAX_S = 2.0
#: How long the last words may take when the transport stops.
STOP_S = 1.0
#: Refusals of the server that are told one by one; more are only counted.
REFUSALS_MAX = 20
#: The outlet has a watchdog of its own, which knows slow from silent; nats-py's would cut a slow server too.
_NO_WATCHDOG = 1_000_000

_URL = re.compile(r"(nats|tls)://[^\s/]+")
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class NatsTransport:
    """Serves clients over one connection at a time until cancelled."""

    def __init__(self, settings: NatsTransportSettings, context: TransportContext) -> None:
        _check(settings)
        self._settings = settings
        self._context = context
        # Read now: a secret that is not there is said at the start, not at the first reconnect.
        self._options = connect_options(settings, _PLACE) | {"max_outstanding_pings": _NO_WATCHDOG}
        self._subjects = Subjects(context.environment, context.venue)
        self._outlet: Outlet | None = None
        self._away_since_s = 0.0
        self._is_known = False  # `ready` was called
        self._told = ("", "")  # last trouble with connecting that was logged
        self.bus: Bus | None = None  # from `run` on, as `clients`
        self.clients: Clients | None = None
        self.connects = 0
        self.disconnects = 0
        self.refusals = 0  # of the server, for want of rights
        context.counters(self._counters)

    @property
    def unsent_bytes(self) -> int:
        """What waits for the server in this process."""
        return self._outlet.unsent_bytes if self._outlet is not None else 0

    def _counters(self) -> TransportCounters:
        if self.clients is None or self._outlet is None:
            return TransportCounters(0, 0, 0)
        dropped = self.clients.refused + self.clients.dropped.total()
        return TransportCounters(len(self.clients), self._outlet.bytes, dropped)

    async def run(self, port: ClientPort) -> None:
        """Serve until cancelled. A server that is away is waited for."""
        self._outlet = Outlet(self._settings, self._context.clock, self)
        self.bus = Bus(port, self._context, self._subjects, self._outlet)
        self.clients = Clients(port, self._settings, self._context.clock, self._subjects, self._outlet)
        self._away_since_s = self._now_s()
        wait_s = RECONNECT_FIRST_S
        while True:
            try:
                client = await open_client(self._options, self._on_error, self._on_closed)
            except ConnectFailed as failure:
                self._tell(failure.cause, str(failure))
            else:
                began_s = self._now_s()
                cause = await self._serve(client)
                self._tell("disconnected", cause)
                if self._now_s() - began_s > RECONNECT_MAX_S:
                    wait_s = RECONNECT_FIRST_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_MAX_S)

    async def _serve(self, client: Client) -> str:
        """Use a connection to its end; returns why it ended."""
        assert self._outlet is not None
        assert self.bus is not None
        assert self.clients is not None
        self.connects += 1
        broken = self._outlet.attach(client)
        try:
            # Answers that broke off, then events: whoever hears of us again has the one before the other.
            self.clients.on_back()
            away_s = self._now_s() - self._away_since_s
            self.bus.on_back(replay=away_s <= self._settings.replay_s)
            await client.subscribe(
                self.clients.filter,
                cb=self._on_request,
                pending_msgs_limit=WAITING_MAX,
                pending_bytes_limit=WAITING_BYTES_MAX,
            )
            await flush_client(client, self._settings.connect_timeout_s)
            self._on_ready(client, away_s)
            return await broken
        except (NatsError, OSError, TimeoutError) as error:
            return f"no answer to the first words: {error or type(error).__name__}"
        except asyncio.CancelledError:
            await self._say_goodbye(client)
            raise
        finally:
            self._away_since_s = self._now_s()
            self.disconnects += 1
            self._outlet.detach()
            self.bus.on_lost()
            self.clients.on_lost()
            await close_client(client)

    async def _say_goodbye(self, client: Client) -> None:
        """The core closed its sessions before it cancelled us: what they said last leaves now, within a bounded time."""
        assert self._outlet is not None
        assert self.clients is not None
        self.clients.close("the gateway stops")
        self._outlet.flush()
        with suppress(NatsError, OSError, TimeoutError, asyncio.CancelledError):
            await flush_client(client, STOP_S)

    def _on_ready(self, client: Client, away_s: float) -> None:
        self._told = ("", "")
        self._context.status("", "")
        server = client.connected_url.netloc if client.connected_url is not None else ""
        address = f"nats://{server.rpartition('@')[2]}/{self._subjects.prefix}"
        if self._is_known:
            _log.info("nats: connected again to %s after %.1f s", server.rpartition("@")[2], away_s)
            return
        self._is_known = True
        self._context.ready(address)

    def _tell(self, cause: str, detail: str) -> None:
        """Say what is wrong, once for as long as it stays the same."""
        if (cause, detail) != self._told:
            self._told = (cause, detail)
            _log.warning("nats: %s: %s", cause, detail)
            self._context.status(cause, detail)

    # --- OutletOwner --------------------------------------------------------------------------------------------------

    def on_busy(self) -> None:
        """Much waits for the server: answers hold back before events do."""
        if self.clients is not None:
            self.clients.pause()

    def on_full(self) -> None:
        """Too much waits: the core keeps what it may and conflates."""
        if self.bus is not None:
            self.bus.pause()

    def on_drained(self) -> None:
        """The server took it."""
        assert self.bus is not None
        assert self.clients is not None
        self.bus.resume()
        self.clients.resume()

    def mark(self) -> Callable[[], None]:
        """For the PING behind what is written now."""
        assert self.bus is not None
        return self.bus.mark()

    # --- nats-py ------------------------------------------------------------------------------------------------------

    async def _on_request(self, message: Msg) -> None:
        assert self.clients is not None
        self.clients.take(message.subject, message.reply, message.data)

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            if self.clients is not None:
                self.clients.dropped["overload"] += 1
        elif "permissions violation" in str(error).lower():
            self.refusals += 1
            if self.refusals <= REFUSALS_MAX:
                _log.error("nats: the server refuses: %s; see conf/nats for the rights a gateway needs", error)

    async def _on_closed(self) -> None:
        if self._outlet is not None:
            self._outlet.fail("the server closed the connection")

    def _now_s(self) -> float:
        return self._context.clock.monotonic_ns() / 1e9


def _check(settings: NatsTransportSettings) -> None:
    urls = [url.strip() for url in settings.url.split(",") if url.strip()]
    if not urls:
        raise ConfigError(
            "there is no server to connect to", place=f"{_PLACE}.url", hint="--nats-url nats://HOST:4222, or url there"
        )
    for url in urls:
        if not _URL.fullmatch(url):
            raise ConfigError(
                f"{url.rpartition('@')[2]:.80} is not the address of a NATS server",
                place=f"{_PLACE}.url",
                hint="write nats://HOST:4222 or tls://HOST:4222",
            )
    for name in ("reply_prefix", "inbox_prefix"):
        if not _PREFIX.fullmatch(getattr(settings, name)):
            raise ConfigError(
                f"{getattr(settings, name)!r:.80} is not a prefix of subjects",
                place=f"{_PLACE}.{name}",
                hint="letters, digits, _ and -, with single dots between",
            )


def _create(settings: NatsTransportSettings, context: TransportContext) -> Transport:
    return NatsTransport(settings, context)


SPEC = TransportSpec(
    name="nats",
    api_version=API_VERSION,
    settings=NatsTransportSettings,
    create=_create,
    summary="NATS: events on subjects, requests by request and reply",
)


@hookimpl
def gw_register_transports() -> Iterable[TransportSpec]:
    """The one transport of this module."""
    return [SPEC]
