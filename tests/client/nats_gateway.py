"""A stand-in for a gateway's NATS transport, by docs/nats.md: it serves any `ClientPort` on a server, and shares no code with
the real one. Everything of it runs on one loop; it publishes through nats-py as it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from gwcore.model import Record
from gwcore.subjects import Subjects
from gwcore.transport import ClientInfo, ClientPort, ClientSession
from gwcore.wire import (
    ClientRequest,
    Done,
    Goodbye,
    Hello,
    RequestError,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Unsubscribe,
    decode_envelope,
    decode_request,
    encode,
)

#: Who listens for all clients; tests leave it out when they look at clients.
BUS = "bus"
#: Messages that may wait to be published; more is a fault of the test.
OUT_MAX = 200_000


class Outlet:
    """Messages in order, published by one task."""

    def __init__(self) -> None:
        self._messages: deque[tuple[str, bytes, dict[str, str]]] = deque()
        self._wake = asyncio.Event()
        self.withheld: set[str] = set()  # event ids that are lost on the way

    def put(self, subject: str, payload: bytes, **headers: str) -> None:
        assert len(self._messages) < OUT_MAX
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._messages.append((subject, payload, named))
        self._wake.set()

    async def run(self, client: Client) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._messages:
                subject, payload, headers = self._messages.popleft()
                if headers.get("Gw-Event") not in self.withheld:
                    await client.publish(subject, payload, headers=headers)


class BusWriter:
    """Publishes what any client would get, once for all. Implements `ClientWriter`."""

    def __init__(self, outlet: Outlet, subjects: Subjects) -> None:
        self._outlet = outlet
        self._subjects = subjects
        self._is_live = False

    def write_events(self, records: Sequence[Record]) -> None:
        for record in records if self._is_live else ():
            headers = {"Gw_Event": record.event_id} if record.sequence else {}
            self._outlet.put(self._subjects.of_record(record), record.payload, Gw_Kind=record.kind, **headers)
            own = decode_envelope(record.payload).event
            if record.partition.startswith("ex.") and getattr(own, "user", None):
                prefix, _, rest = self._subjects.of_record(record).rpartition(".ex.")
                self._outlet.put(f"{prefix}.own.{own.user}.{rest}", record.payload, Gw_Kind=record.kind, **headers)

    def write_message(self, message: ServerMessage) -> None:
        self._is_live = self._is_live or isinstance(message, SnapshotEnd)

    def close(self, reason: str) -> None:
        self._is_live = False


class Remote:
    """One client behind a reply subject. Implements `ClientWriter`: state and answers go there, news do not."""

    def __init__(self, gateway: NatsGateway, user: str, reply: str) -> None:
        self._gateway = gateway
        self._reply = reply
        self._active: set[int] = set()
        self._subscriptions: dict[int, bool] = {}
        self._is_hushed = False
        self.is_over = False
        self.session = gateway.port.open(ClientInfo(transport="nats", identity=f"user:{user}"), self)

    def submit(self, request: ClientRequest) -> None:
        if isinstance(request, (Subscribe, SnapshotRequest)):
            self._active.add(request.request_id)
            if isinstance(request, Subscribe):
                self._subscriptions[request.request_id] = True
        if isinstance(request, Unsubscribe) and self._subscriptions.pop(request.subscription, False):
            self.write_message(Done(request_id=request.request_id))
        else:
            self.session.submit(request)

    def write_events(self, records: Sequence[Record]) -> None:
        for record in records if self._active else ():
            self._gateway.outlet.put(self._reply, record.payload, Gw_Type="E")

    def write_message(self, message: ServerMessage) -> None:
        if self._is_hushed:
            return
        if self._gateway.is_mute and not isinstance(message, Goodbye):
            return
        self._gateway.outlet.put(self._reply, encode(message), Gw_Type="C")
        request_id = getattr(message, "request_id", None)
        if isinstance(message, (SnapshotEnd, RequestError)) and request_id in self._active:
            self._active.discard(request_id)
            if isinstance(message, SnapshotEnd) and self._subscriptions.get(request_id):
                self.quietly(Unsubscribe(request_id=0, subscription=request_id))

    def quietly(self, request: ClientRequest) -> None:
        self._is_hushed = True
        self.session.submit(request)
        self._is_hushed = False

    def close(self, reason: str) -> None:
        self.write_message(Goodbye(reason=reason))
        self.is_over = True


class NatsGateway:
    """Serves a port until cancelled. `is_mute`: requests are taken and not answered."""

    def __init__(self, port: ClientPort, url: str, *, environment: str, venue: str = "toy") -> None:
        self.port = port
        self.outlet = Outlet()
        self.is_mute = False
        self.requests: list[ClientRequest] = []
        self.before_subscribe: Callable[[], object] = lambda: None
        self._url = url
        self._subjects = Subjects(environment, venue)
        self._named: dict[str, Remote] = {}
        self._bus: ClientSession | None = None

    def restart_bus(self) -> None:
        """Listen for all clients (again: a port that restarts ends its sessions)."""
        bus = self.port.open(ClientInfo(transport="nats", identity=BUS), BusWriter(self.outlet, self._subjects))
        bus.submit(Hello())
        bus.submit(Subscribe(request_id=1))
        self._bus = bus

    def forget(self) -> None:
        """All clients, without a word; what is published goes on."""
        self._named.clear()
        self.restart_bus()

    async def run(self, ready: asyncio.Future[None] | None = None) -> None:
        client = await nats.connect(self._url, allow_reconnect=False)
        publishing = asyncio.create_task(self.outlet.run(client))
        try:
            self.restart_bus()
            await client.subscribe(f"{self._subjects.prefix}.cmd.*.*", cb=self._take)
            await client.flush()
            if ready is not None:
                ready.set_result(None)
            await asyncio.get_running_loop().create_future()
        finally:
            for remote in list(self._named.values()):
                remote.session.closed()
                remote.close("the gateway stops")
            if self._bus is not None:
                self._bus.closed()
            with suppress(nats.errors.Error):
                await asyncio.sleep(0)
                await client.flush()
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await client.close()

    async def _take(self, message: Msg) -> None:
        *_, user, verb = message.subject.split(".")
        assert message.reply.startswith(f"_INBOX.{user}.")
        request = decode_request(message.data)
        assert request.__struct_config__.tag == verb
        self.requests.append(request)
        if isinstance(request, Subscribe):
            self.before_subscribe()
        remote = self._named.get(message.reply)
        if remote is None or remote.is_over or isinstance(request, Hello):
            if remote is not None and not remote.is_over:
                remote.session.closed()
                remote.close("hello was said again")
            remote = Remote(self, user, message.reply)
            if isinstance(request, Hello):
                self._named[message.reply] = remote
            else:
                remote.quietly(Hello())
        remote.submit(request)
