"""NatsBus: one connection to a NATS server as a client of a gateway needs it: an inbox, subjects, everything in one order.

It publishes requests and hands on what comes; it must not know what a request or an event means.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import SlowConsumerError

from gwcore.client.address import GUEST, NatsAddress
from gwcore.errors import NotConnected
from gwcore.nats_connection import ConnectFailed, close_client, connect_options, flush_client, open_client
from gwcore.nats_settings import NatsSettings
from gwcore.subjects import Subjects, escape

#: How long the server may take to confirm what was subscribed.
FLUSH_TIMEOUT_S = 5
#: Status of the server's own answer where nobody subscribes to the subject.
_NO_RESPONDERS = "503"
_REFUSED_SUBSCRIPTION = re.compile(r'permissions violation for subscription to "([^"]+)"')
#: Where errors of the settings are.
_PLACE = "nats"


class NatsBus:
    """`on_answer(type, payload)`, `on_event(payload, subscription)` and `on_lost(error)` are called on the loop, in the order
    in which the server sent. `user` is who asks, as the token of subjects it is."""

    def __init__(
        self,
        address: NatsAddress,
        settings: NatsSettings,
        *,
        on_answer: Callable[[str, bytes], None],
        on_event: Callable[[bytes, int], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        self.user = escape(address.user or settings.user or GUEST)
        self.prefix = Subjects(address.environment, address.venue).prefix
        self.venue = address.venue
        self.inbox_prefix = f"{settings.inbox_prefix}.{self.user}"
        self.inbox = ""
        self._address = address
        self._settings = settings
        self._on_answer = on_answer
        self._on_event = on_event
        self._on_lost = on_lost
        self._client: Client | None = None
        self._subscriptions: dict[str, tuple[Subscription, int]] = {}  # by subject, with how many want it
        self._refused: set[str] = set()  # subjects the server does not grant, in lower case as it is told
        self._last_error = ""

    def subject(self, verb: str) -> str:
        """Where requests of a verb go."""
        return f"{self.prefix}.cmd.{self.user}.{verb}"

    def no_right(self, subject: str) -> str:
        """What to tell who may not hear a subject."""
        text = f"the server does not let the user {self.user!r} subscribe to {subject}"
        return f"{text}: give him that right there, or ask for less"

    async def open(self) -> None:
        """Connect and listen on an inbox of its own. Raises NotConnected, ConfigError."""
        try:
            self._client = await open_client(self._options(), self._note_error, self._note_closed)
        except ConnectFailed as error:
            who = f" as user {self.user!r}" if error.cause == "no_rights" else ""
            raise NotConnected(f"{error}{who}; is the NATS server running, and may you use it?") from error
        # The reply subject is the client's name at the gateway: a new connection is a new client.
        unique = self._client.new_inbox().rpartition(".")[2]
        self.inbox = f"{self.inbox_prefix}.{unique}"
        refused = await self.subscribe([self.inbox])
        if refused:
            raise NotConnected(f"the server does not let the user {self.user!r} receive on {self.inbox}")

    async def subscribe(self, subjects: Iterable[str]) -> list[str]:
        """Take subjects; returns those the server refuses. Raises NotConnected."""
        wanted = list(subjects)
        client = self._connected()
        try:
            for subject in wanted:
                await self._acquire(client, subject)
            await flush_client(client, FLUSH_TIMEOUT_S)
        except (NatsError, OSError) as error:
            raise NotConnected(f"the NATS server took no subscription: {error or type(error).__name__}") from error
        refused = [subject for subject in wanted if subject.lower() in self._refused]
        await self.unsubscribe(refused)
        return refused

    async def unsubscribe(self, subjects: Iterable[str]) -> None:
        """Give subjects back; one that others want too stays. Raises NotConnected."""
        for subject in subjects:
            subscription, count = self._subscriptions.pop(subject, (None, 0))
            if subscription is None:
                continue
            if count > 1:
                self._subscriptions[subject] = (subscription, count - 1)
                continue
            try:
                await subscription.unsubscribe()
            except (NatsError, OSError) as error:
                raise NotConnected(f"the NATS server is gone: {error}") from error

    async def publish(self, verb: str, request: bytes) -> None:
        """Send a request. Raises NotConnected."""
        try:
            await self._connected().publish(self.subject(verb), request, reply=self.inbox)
        except (NatsError, OSError) as error:
            raise NotConnected(f"the NATS server took no request: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close, within a bounded time. Does not raise."""
        client, self._client = self._client, None
        if client is not None:
            await close_client(client)

    def _options(self) -> dict[str, Any]:
        address = self._address
        settings = self._settings
        options = connect_options(settings, _PLACE)
        options["servers"] = list(address.servers)
        if address.user:
            options["user"] = address.user
        if address.password:
            options["password"] = address.password
        return options

    def _connected(self) -> Client:
        if self._client is None:
            raise NotConnected("the connection to NATS is closed")
        return self._client

    async def _acquire(self, client: Client, subject: str) -> None:
        known = self._subscriptions.get(subject)
        if known is not None:
            self._subscriptions[subject] = (known[0], known[1] + 1)
            return
        self._refused.discard(subject.lower())
        # Limits of nats-py are off: nothing is kept there, and what is kept here has its own.
        subscription = await client.subscribe(subject, pending_msgs_limit=0, pending_bytes_limit=0)
        is_inbox = subject == self.inbox
        # nats-py keeps a queue for each subscription, which loses the order between them. This one keeps nothing and passes
        # on at once what the read task puts in; it is in place before the server can have answered.
        subscription._pending_queue = _Arrivals(self._answer if is_inbox else self._event(subscription._id))
        self._subscriptions[subject] = (subscription, 1)

    def _event(self, subscription: int) -> Callable[[Msg], None]:
        return lambda message: self._on_event(message.data, subscription)

    def _answer(self, message: Msg) -> None:
        headers = message.headers or {}
        if headers.get("Status") == _NO_RESPONDERS:
            self._on_lost(
                NotConnected(
                    f"no gateway answers on {self.subject('*')}: is one of this environment and venue running with "
                    "--transport nats on this server?"
                )
            )
            return
        self._on_answer(headers.get("Gw-Type", ""), message.data)

    async def _note_error(self, error: Exception) -> None:
        text = str(error)
        self._last_error = text or type(error).__name__
        refused = _REFUSED_SUBSCRIPTION.search(text)
        if refused is not None:
            self._refused.add(refused[1])
        elif "permissions violation" in text:
            self._on_lost(NotConnected(f"the user {self.user!r} may not ask this gateway: {text}"))
        elif isinstance(error, SlowConsumerError):
            self._on_lost(NotConnected("events were lost on the way from NATS: this client was too slow"))

    async def _note_closed(self) -> None:
        self._on_lost(NotConnected(f"the connection to NATS is gone: {self._last_error or 'closed by the server'}"))


class _Arrivals(asyncio.Queue[Msg]):
    """In place of a subscription's queue: hands on at once, keeps nothing."""

    def __init__(self, take: Callable[[Msg], None]) -> None:
        super().__init__()
        self._take = take

    def put_nowait(self, item: Msg) -> None:
        """Called by nats-py's read task."""
        self._take(item)
