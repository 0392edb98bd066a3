"""Clients: requests that come on the command subjects: whose they are, where answers may go, in which turn they are served.

Who asks stands in the subject, which the server lets only that user publish on; nothing in a request is believed. An answer
goes only below the user's own prefix, or nowhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from typing import NamedTuple, get_args

import msgspec

from gw_transports.nats_messages import answer_message
from gw_transports.nats_publisher import Outlet
from gw_transports.nats_session import RemoteClient
from gw_transports.nats_settings import NatsTransportSettings
from gwcore.errors import ProtocolError
from gwcore.model import OrderRequest
from gwcore.ports import Clock
from gwcore.subjects import Subjects, unescape
from gwcore.transport import ClientPort
from gwcore.wire import (
    REQUEST_BYTES_MAX,
    ClientRequest,
    Goodbye,
    Hello,
    RequestError,
    SnapshotRequest,
    decode_request,
)

_log = logging.getLogger("gwcore.transport.nats")

#: Requests of one user that wait for their turn; further ones are dropped and counted.
USER_WAITING_MAX = 64
#: ... and of all users, and their bytes.
WAITING_MAX = 4_096
WAITING_BYTES_MAX = 16 * 1024 * 1024
#: Requests of one user without hello whose answers are under way (a replay takes many turns).
USER_ONCE_MAX = 8
#: Longest reply subject.
REPLY_CHARACTERS_MAX = 256
#: Longest name of a user, as it is before the escape.
USER_CHARACTERS_MAX = 64
#: Requests about orders, which are answered on the events' subjects.
ORDER_REQUESTS = get_args(OrderRequest)
#: What a status is made of.
STATUS_KINDS = ("gateway_status", "stream_status")
#: Silent clients are looked for this often within the timeout.
_LOOKS = 4


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="request", tag="status"):
    """How the gateway and its streams are: a snapshot of their kinds."""

    request_id: int = 0


class _Waiting(NamedTuple):
    verb: str
    reply: str
    data: bytes


_status_decoder = msgspec.json.Decoder(StatusRequest)


class Clients:
    """All clients behind reply subjects. Called from the loop alone."""

    def __init__(
        self, port: ClientPort, settings: NatsTransportSettings, clock: Clock, subjects: Subjects, outlet: Outlet
    ) -> None:
        self._port = port
        self._settings = settings
        self._clock = clock
        self._outlet = outlet
        self._loop = asyncio.get_running_loop()
        self._subject = f"{subjects.prefix}.cmd."
        self._named: dict[str, RemoteClient] = {}  # by reply subject
        self._once: dict[RemoteClient, None] = {}
        self._waiting: dict[str, deque[_Waiting]] = {}  # by the user's token, in the order of turns
        self._waiting_count = self._waiting_bytes = 0
        self._turn: asyncio.Handle | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self.requests = 0
        self.refused = 0  # hellos over a limit
        self.dropped: Counter[str] = Counter()  # requests without an answer, by cause

    @property
    def filter(self) -> str:
        """The subjects requests come on."""
        return f"{self._subject}*.*"

    def __len__(self) -> int:
        return len(self._named)

    def take(self, subject: str, reply: str, data: bytes) -> None:
        """A request came; it is served in its user's turn."""
        token, _, verb = subject[len(self._subject) :].partition(".")
        cause = self._objection(token, reply) or self._overload(token, data)
        if cause:
            self.dropped[cause] += 1
            if self.dropped[cause] == 1:
                _log.warning("nats: a request of %.80s is dropped (%s); more are only counted", token, cause)
            return
        if len(data) > REQUEST_BYTES_MAX and self._outlet.is_busy:
            self.dropped["overload"] += 1
            return
        if len(data) > REQUEST_BYTES_MAX:
            text = f"a request of {len(data)} bytes; {REQUEST_BYTES_MAX} is the limit"
            self._answer(reply, RequestError(code="too_big", text=text))
            return
        self._waiting.setdefault(token, deque()).append(_Waiting(verb, reply, data))
        self._waiting_count += 1
        self._waiting_bytes += len(data)
        self._wake()

    def on_back(self) -> None:
        """There is a connection. Clients get their whole timeout anew: they could not be heard."""
        now_s = self._now_s()
        for client in [*self._named.values(), *self._once]:
            client.heard_s = now_s
            client.on_back()
        self._sweeping = self._loop.call_later(self._settings.client_timeout_s / _LOOKS, self._sweep)

    def on_lost(self) -> None:
        """The connection is gone, and with it what was asked on it."""
        for handle in (self._turn, self._sweeping):
            if handle is not None:
                handle.cancel()
        self._turn = self._sweeping = None
        self.dropped["disconnected"] += self._waiting_count
        self._waiting.clear()
        self._waiting_count = self._waiting_bytes = 0
        for client in [*self._named.values(), *self._once]:
            client.on_lost()

    def pause(self) -> None:
        """Answers should wait; so do requests from now on."""
        for client in [*self._named.values(), *self._once]:
            client.pause()

    def resume(self) -> None:
        """Go on."""
        for client in [*self._named.values(), *self._once]:
            client.resume()
        self._wake()

    def close(self, reason: str) -> None:
        """The transport stops: say goodbye to whom the core has not yet."""
        for client in [*self._named.values(), *self._once]:
            client.close(reason)

    def forget(self, client: RemoteClient) -> None:
        """A client is over."""
        if client.is_once:
            self._once.pop(client, None)
        elif self._named.get(client.reply) is client:
            del self._named[client.reply]
            _log.info("nats: client %s of user %s is gone", client.reply, client.user)

    # --- who may, and when --------------------------------------------------------------------------------------------

    def _objection(self, token: str, reply: str) -> str:
        """Why nobody can be answered; empty: somebody can."""
        try:
            user = unescape(token)
        except ValueError:
            return "user"
        if len(user) > USER_CHARACTERS_MAX:
            return "user"
        own = f"{self._settings.reply_prefix}.{token}."
        # A wildcard or a space in it would be somebody else's subject, or another command on our connection.
        is_plain = reply.isascii() and reply.isprintable() and not any(character in " *>" for character in reply)
        is_whole = all(reply.split("."))
        return "" if reply.startswith(own) and is_plain and is_whole and len(reply) <= REPLY_CHARACTERS_MAX else "reply"

    def _overload(self, token: str, data: bytes) -> str:
        waiting = self._waiting.get(token)
        if waiting is not None and len(waiting) >= USER_WAITING_MAX:
            return "flood"
        is_full = self._waiting_count >= WAITING_MAX or self._waiting_bytes + len(data) > WAITING_BYTES_MAX
        return "overload" if is_full else ""

    def _wake(self) -> None:
        if self._waiting and self._turn is None and not self._outlet.is_busy:
            self._turn = self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """One request of each user; the loop's other work comes between two turns."""
        self._turn = None
        for token in list(self._waiting):
            if self._outlet.is_busy:
                return  # on with it when that is drained
            waiting = self._waiting.pop(token)
            request = waiting.popleft()
            self._waiting_count -= 1
            self._waiting_bytes -= len(request.data)
            if waiting:
                self._waiting[token] = waiting  # behind the others
            self._serve(unescape(token), request)
        self._wake()

    def _sweep(self) -> None:
        timeout_s, now_s = self._settings.client_timeout_s, self._now_s()
        self._sweeping = self._loop.call_later(timeout_s / _LOOKS, self._sweep)
        for client in list(self._named.values()):
            if now_s - client.heard_s > timeout_s:
                client.close(f"nothing heard for {timeout_s:g} s: send a ping every {timeout_s / 3:g} s")

    # --- requests -----------------------------------------------------------------------------------------------------

    def _serve(self, user: str, waiting: _Waiting) -> None:
        self.requests += 1
        client = self._named.get(waiting.reply)
        if client is not None:
            client.heard_s = self._now_s()
        try:
            request = _decode(waiting.verb, waiting.data)
        except ProtocolError as error:
            self._answer(waiting.reply, RequestError(code="bad_request", text=str(error)))
            return
        if isinstance(request, Hello):
            self._on_hello(user, waiting.reply, request)
        elif client is not None:
            client.submit(request)
        elif isinstance(request, ORDER_REQUESTS):
            text = "say hello first: orders belong to a client that is there"
            self._answer(waiting.reply, RequestError(request_id=request.request_id, code="hello_first", text=text))
        else:
            self._serve_once(user, waiting.reply, request)

    def _on_hello(self, user: str, reply: str, request: Hello) -> None:
        old = self._named.get(reply)
        if old is not None:
            old.close("hello was said again: this is the end of what was before")
        limit, user_limit = self._settings.clients_max, self._settings.clients_per_user_max
        reason = ""
        if len(self._named) >= limit:
            reason = f"{limit} clients are connected, which is the limit: try again later"
        elif sum(client.user == user for client in self._named.values()) >= user_limit:
            reason = f"{user_limit} clients of user {user} are connected, which is the limit: end one first"
        if reason:
            self.refused += 1
            self._answer(reply, Goodbye(reason=reason))
            return
        client = RemoteClient(self._port, self._outlet, self, user=user, reply=reply, is_once=False)
        client.heard_s = self._now_s()
        self._named[reply] = client
        _log.info("nats: client %s of user %s: %.80s", reply, user, request.name)
        client.open(request)

    def _serve_once(self, user: str, reply: str, request: ClientRequest) -> None:
        if sum(client.user == user for client in self._once) >= USER_ONCE_MAX:
            text = f"{USER_ONCE_MAX} answers to you are under way, which is the limit: wait for one to end"
            request_id = getattr(request, "request_id", None)
            self._answer(reply, RequestError(request_id=request_id, code="busy", text=text))
            return
        client = RemoteClient(self._port, self._outlet, self, user=user, reply=reply, is_once=True)
        self._once[client] = None
        client.open(None)
        client.submit(request)

    def _answer(self, reply: str, message: RequestError | Goodbye) -> None:
        self._outlet.write(*answer_message(reply, message))

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9


def _decode(verb: str, data: bytes) -> ClientRequest:
    """The request. Raises ProtocolError for what is none, or stands under another verb than its own."""
    if verb == "status":
        try:
            return SnapshotRequest(request_id=_status_decoder.decode(data).request_id, kinds=STATUS_KINDS)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProtocolError(f"not a request for the status: {error}") from error
    request = decode_request(data)
    named = str(type(request).__struct_config__.tag)
    if named != verb:
        raise ProtocolError(f'a request "{named}" on the subject of "{verb:.60}": the subject has to name the request')
    return request
