"""RemoteClient: one client behind a reply subject, or one request that is served for itself. Its answers, and nothing else.

What is news it hears on the events' subjects: a subscription is answered by its state or replay, up to `snapshot_end`, and
then ended inside. Whatever its client does harms this client alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gw_transports.nats_messages import answer_events, answer_message
from gw_transports.nats_publisher import Outlet
from gwcore.model import Record
from gwcore.transport import ClientInfo, ClientPort, ClientSession
from gwcore.wire import (
    ClientRequest,
    Done,
    Goodbye,
    Heartbeat,
    Hello,
    Outcome,
    RequestError,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Unsubscribe,
)

#: Subscriptions of one client whose end can be asked for; more are forgotten, the oldest first.
SUBSCRIPTIONS_MAX = 1_000
#: Characters kept of what a client calls itself.
NAME_CHARACTERS_MAX = 200
#: Answers of one client that may be under way at once.
ANSWERS_MAX = 64


class ClientOwner(Protocol):
    """Who keeps the clients."""

    def forget(self, client: RemoteClient) -> None:
        """It is over."""
        ...


class RemoteClient:
    """Implements `ClientWriter`. `user`: who it is, as the server vouches; `is_once`: gone after its one answer."""

    def __init__(
        self, port: ClientPort, outlet: Outlet, owner: ClientOwner, *, user: str, reply: str, is_once: bool
    ) -> None:
        self.user = user
        self.reply = reply
        self.is_once = is_once
        self.heard_s = 0.0
        self._port = port
        self._outlet = outlet
        self._owner = owner
        self._session: ClientSession | None = None
        self._name = ""
        self._token = ""  # said with the hello: who goes on after a lost connection is who he was
        self._active: dict[int, bool] = {}  # requests whose end is not told yet -> whether it is a subscription
        self._subscriptions: dict[int, None] = {}  # answered; in their order
        self._interrupted: tuple[int, ...] = ()
        self._is_hushed = False  # what the core says now is the answer to something of ours
        self._is_paused = False
        self._is_over = False

    def open(self, request: Hello | None) -> None:
        """Begin; with a hello its answer is told."""
        if request is not None:
            self._name, self._token = request.name[:NAME_CHARACTERS_MAX], request.token
        info = ClientInfo(
            transport="nats", identity=f"user:{self.user}", name=self._name, attributes={"reply": self.reply}
        )
        session = self._port.open(info, self)
        if self._is_over:
            session.closed()
            return
        self._session = session
        if request is not None:
            session.submit(request)
        else:
            self._quietly(Hello(name=self._name, token=self._token))

    def submit(self, request: ClientRequest) -> None:
        """A request that is no hello."""
        session = self._session
        if session is None:
            return
        if isinstance(request, Unsubscribe) and request.subscription in self._subscriptions:
            del self._subscriptions[request.subscription]
            self.write_message(Done(request_id=request.request_id))
            return
        if isinstance(request, Subscribe | SnapshotRequest):
            if request.request_id in self._active or len(self._active) >= ANSWERS_MAX:
                text = "wait for the end of the answers under way, and give each request a request_id of its own"
                self._answer(RequestError(request_id=request.request_id, code="busy", text=text))
                return
            self._active[request.request_id] = isinstance(request, Subscribe)
        session.submit(request)

    def pause(self) -> None:
        """Answers should wait: what is read from the journal for it, that is."""
        if self._session is not None and self._active and not self._is_paused:
            self._is_paused = True
            self._session.pause()

    def resume(self) -> None:
        """Go on."""
        if self._session is not None and self._is_paused:
            self._is_paused = False
            self._session.resume()

    def on_lost(self) -> None:
        """The connection is gone: an answer under way has a hole now, wherever the client is."""
        if self._active:
            self._interrupted = tuple(self._active)
            self._active.clear()
            self._is_paused = False
            self._drop_session()

    def on_back(self) -> None:
        """There is a connection again: tell what was interrupted, and go on as the client that it was."""
        interrupted, self._interrupted = self._interrupted, ()
        text = "the gateway's connection to the NATS server broke in the middle of this answer: ask again"
        for request_id in interrupted:
            self._answer(RequestError(request_id=request_id, code="interrupted", text=text))
        if interrupted and self.is_once:
            self._end()
        elif interrupted:
            self.open(None)

    # --- ClientWriter -------------------------------------------------------------------------------------------------

    def write_events(self, records: Sequence[Record]) -> None:
        """State or replay; news are not for the reply subject."""
        if not self._active:
            return
        parts, size, too_big = answer_events(self.reply, records, self._outlet.payload_max)
        self._outlet.write(parts, size)
        for record in too_big:
            # The client must know that its state is not whole; the server would end our connection for it.
            text = (
                f"{record.kind} of {record.symbol} has {len(record.payload)} bytes, which the NATS server does not take"
            )
            self._answer(RequestError(request_id=next(iter(self._active)), code="too_big", text=text))

    def write_message(self, message: ServerMessage) -> None:
        """An answer, in order with the events of it."""
        if self._is_hushed:
            return
        self._answer(message)
        if isinstance(message, SnapshotEnd | RequestError):
            self._on_end(message)
        if self.is_once and isinstance(message, SnapshotEnd | RequestError | Done | Outcome | Heartbeat):
            self._end()

    def close(self, reason: str) -> None:
        """Say goodbye with the reason."""
        if not self._is_over:
            self._answer(Goodbye(reason=reason))
            self._end()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _answer(self, message: ServerMessage) -> None:
        parts, size = answer_message(self.reply, message)
        if size > self._outlet.payload_max:
            text = f"an answer of {size} bytes, which the NATS server does not take: ask for less"
            parts, size = answer_message(
                self.reply, RequestError(request_id=getattr(message, "request_id", None), code="too_big", text=text)
            )
        self._outlet.write(parts, size)

    def _on_end(self, message: SnapshotEnd | RequestError) -> None:
        if message.request_id is None or not self._active.pop(message.request_id, False):
            return
        if isinstance(message, SnapshotEnd):
            self._subscriptions[message.request_id] = None
            if len(self._subscriptions) > SUBSCRIPTIONS_MAX:
                del self._subscriptions[next(iter(self._subscriptions))]
            self._quietly(Unsubscribe(request_id=0, subscription=message.request_id))

    def _quietly(self, request: ClientRequest) -> None:
        if self._session is not None:
            self._is_hushed = True
            try:
                self._session.submit(request)
            finally:
                self._is_hushed = False

    def _end(self) -> None:
        self._is_over = True
        self._drop_session()
        self._owner.forget(self)

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.closed()
