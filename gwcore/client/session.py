"""Session: the client's side of the protocol without I/O: bytes in, deliveries out. Outlives its connections.

It frames, decodes, follows sequences and books, and says what to ask again after a reconnect. It must not open, sleep or
read a clock of its own: `aio` gives it a socket, the seeded simulation a wire in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from gwcore.client.book import Books, RuleFactory
from gwcore.client.errors import RequestRefused
from gwcore.client.gaps import GapFinder
from gwcore.client.subscriptions import Progress, Subscription, covers
from gwcore.client.token import TokenTracker
from gwcore.errors import GatewayError, ProtocolError
from gwcore.model import (
    KIND_OF_TYPE,
    Envelope,
    Gap,
    Header,
    MarketByPriceUpdate,
    OrderAck,
    OrderRequest,
    OrderUpdate,
    TradeUpdate,
)
from gwcore.wire import (
    FRAME_BYTES_MAX,
    TYPE_CONTROL,
    TYPE_EVENT,
    ClientRequest,
    ControlRequest,
    Done,
    FrameParser,
    Hello,
    Ping,
    RequestError,
    ResumeToken,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    decode_envelope,
    decode_message,
    frame_request,
)

#: How often a connection asks for the snapshot of one book by itself before it leaves the book STALE.
HEAL_TRIES_MAX = 8
#: Symbols in one request, far below the frame limit.
_HEAL_SYMBOLS_MAX = 500

_BOOK_KIND = "market_by_price"
#: Name of the source in the header of what this side made.
LOCAL_SOURCE = "client"


class Delivery(NamedTuple):
    """One event. `payload` is the envelope's bytes exactly as received; empty: this side made it (a Gap it found).

    `request_id` names the SnapshotRequest it answers; 0 for events of subscriptions.
    """

    envelope: Envelope
    payload: bytes
    request_id: int = 0


Item: TypeAlias = Delivery | ServerMessage


class Session:
    """One client over any number of connections: `on_open`, `on_bytes`, `on_close` in; items and `bytes_to_send()` out."""

    def __init__(
        self,
        *,
        name: str = "",
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        book_rule: RuleFactory | None = None,
        user_token: str = "",
    ) -> None:
        self.name = name
        self.books = Books(monotonic_ns, book_rule)
        self.welcome: Welcome | None = None  # of the present connection
        self.fault: GatewayError | None = None  # set: close this connection, nothing more can be done with it
        self.gaps = 0  # found on this side; each is also a Delivery
        self.traders = 0  # the subscription whose events are for traders alone, where no other one asks for them
        self.heals = 0  # snapshots this side asked for by itself
        self._user_token = user_token
        self._tracker = TokenTracker()
        self._finder = GapFinder()
        self._parser = FrameParser(FRAME_BYTES_MAX)
        self._out: list[bytes] = []
        self._request_id = 0
        self._subscriptions: dict[int, Subscription] = {}
        self._snapshots: dict[int, SnapshotRequest] = {}
        self._healing: dict[int, tuple[str, ...]] = {}
        self._heal_tries: dict[str, int] = {}
        self._ending: set[int] = set()  # Unsubscribes that are not answered yet

    @property
    def token(self) -> ResumeToken:
        """Resume token of what was received."""
        return self._tracker.token

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        """What is subscribed."""
        return list(self._subscriptions.values())

    # --- the connection -----------------------------------------------------------------------------------------------

    def on_open(self) -> None:
        """A connection stands: say hello. Subscriptions of the last one are asked again once the gateway welcomes us."""
        self._parser = FrameParser(FRAME_BYTES_MAX)
        self.fault = None
        self._out = [frame_request(Hello(name=self.name, token=self._user_token))]

    def on_close(self, cause: str) -> None:
        """The connection is gone: no book is LIVE any more, requests are forgotten, subscriptions are kept."""
        self.welcome = None
        self.books.hold = f"DISCONNECT: {cause}"
        self.books.suspend()
        self._tracker.disconnected()
        self._snapshots.clear()
        self._ending.clear()
        self._healing.clear()
        self._heal_tries.clear()
        self._out.clear()

    def bytes_to_send(self) -> bytes:
        """What is to be sent now; the caller sends it before anything later."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def on_bytes(self, data: bytes) -> list[Item]:
        """Bytes of the gateway. Never raises: what breaks the protocol sets `fault`, after all that came before it."""
        items: list[Item] = []
        try:
            for frame_type, body in self._parser.feed(data):
                if frame_type == TYPE_EVENT:
                    self._on_event(body, items)
                elif frame_type == TYPE_CONTROL:
                    self._on_message(decode_message(body), items)
                else:
                    raise ProtocolError(f"a frame of unknown type {frame_type!r}")
                if self.fault is not None:
                    break
        except ProtocolError as error:
            self.fault = error
        if self.books.broken:
            self._heal()
        return items

    # --- requests -----------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        *,
        symbols: Sequence[str] = (),
        kinds: Sequence[str] = (),
        from_start: bool = False,
        resume: ResumeToken | None = None,
        on_slow: str = "conflate",
    ) -> int:
        """Ask for events; returns the request id, which is also the subscription's name.

        Before there is a connection it is kept and asked once the gateway welcomes us.
        """
        request = Subscribe(
            request_id=self._next_id(),
            symbols=tuple(symbols),
            kinds=tuple(kinds),
            from_start=from_start,
            resume=resume,
            on_slow=on_slow,
        )
        if not self._subscriptions:
            self._finder.forget()
            self._finder.from_start = from_start
            if resume:
                self._finder.seed(resume)
                self._tracker = TokenTracker(resume)
        self._subscriptions[request.request_id] = Subscription(request)
        self._follow_subscriptions()
        self._send(request)
        return request.request_id

    def unsubscribe(self, subscription: int) -> int:
        """End a subscription; books that no other one covers are lost. Returns the request id."""
        ended = self._subscriptions.pop(subscription, None)
        request = Unsubscribe(request_id=self._next_id(), subscription=subscription)
        self._send(request)
        if ended is not None:
            self.books.lose_where(lambda book: not self._subscribed(_BOOK_KIND, book.symbol), "UNSUBSCRIBED")
            self._finder.whole = any(s.whole and s.is_confirmed for s in self._subscriptions.values())
            self._ending.add(request.request_id)
            self._follow_subscriptions()
        return request.request_id

    def snapshot(self, *, symbols: Sequence[str] = (), kinds: Sequence[str] = ()) -> int:
        """Ask for the state once. Its deliveries carry the returned request id; SnapshotEnd with it follows them."""
        request = SnapshotRequest(request_id=self._next_id(), symbols=tuple(symbols), kinds=tuple(kinds))
        self._snapshots[request.request_id] = request
        self._send(request)
        return request.request_id

    def control(self, action: str, arguments: dict[str, Any]) -> int:
        """Have the gateway do something; the request's number."""
        request = ControlRequest(request_id=self._next_id(), action=action, arguments=arguments)
        self._send(request)
        return request.request_id

    def order(self, request: OrderRequest) -> None:
        """Ask for something about orders; it has a number of its own."""
        self._send(request)

    def is_asked(self, kind: str, symbol: str | None, *, apart_from: int) -> bool:
        """Whether another subscription takes an event."""
        return any(s.covers(kind, symbol) for name, s in self._subscriptions.items() if name != apart_from)

    def ping(self) -> int:
        """Show that this side lives; answered with a Heartbeat of the same request id."""
        request = Ping(request_id=self._next_id())
        self._send(request)
        return request.request_id

    def _next_id(self) -> int:
        self._request_id += 1
        return self._request_id

    def _send(self, request: ClientRequest) -> None:
        self._out.append(frame_request(request))

    # --- what the gateway says ----------------------------------------------------------------------------------------

    def _on_event(self, body: bytes, items: list[Item]) -> None:
        envelope = decode_envelope(body)
        header, event = envelope.header, envelope.event
        kind = KIND_OF_TYPE[type(event)]
        symbol: str | None = getattr(event, "symbol", None)
        if header.sequence is not None:
            # The topic as the gateway counts it: symbol where there is one, else account; of orders each user's.
            about = getattr(event, "account", None) if symbol is None else symbol
            user = event.user if isinstance(event, OrderAck | OrderUpdate | TradeUpdate) else None
            gap = self._finder.check(header, (kind, about, user))
            if gap is not None:
                self._on_gap_found(gap, header, items)
        elif type(event) is Gap:
            self._on_gap_announced(event, header)
        else:
            request_id = self._snapshot_of(kind, symbol)
            if request_id:
                if type(event) is MarketByPriceUpdate and self._subscribed(kind, symbol):
                    self.books.apply(event, header)
                items.append(Delivery(envelope, body, request_id))
                return
            self._finder.snapshot(header)
        self._tracker.note(header)
        if type(event) is MarketByPriceUpdate:
            self.books.apply(event, header)
        items.append(Delivery(envelope, body))

    def _on_gap_found(self, gap: Gap, header: Header, items: list[Item]) -> None:
        self.gaps += 1
        if gap.symbol is None and gap.channel is None:
            self.books.lose_partition(header.partition, f"SEQUENCE_GAP: {gap.dropped} events missing", announced=False)
        elif gap.channel == _BOOK_KIND and gap.symbol is not None:
            self.books.lose(gap.symbol, f"SEQUENCE_GAP: {gap.dropped} events missing", announced=False)
        local = msgspec.structs.replace(
            header, source=LOCAL_SOURCE, sequence=None, topic_sequence=None, after_sequence=None, received_ns=None
        )
        items.append(Delivery(Envelope(header=local, event=gap), b""))

    def _on_gap_announced(self, gap: Gap, header: Header) -> None:
        if gap.symbol is not None and gap.session_id is None:
            return  # about the venue's own events; the book's events tell what it means for the book
        self._finder.announced(gap, header)
        self.books.lose_partition(gap.partition or header.partition, f"GAP: {gap.cause}", announced=True)

    def _on_message(self, message: ServerMessage, items: list[Item]) -> None:
        if isinstance(message, Welcome):
            self.welcome = message
            self._finder.partial = message.partial
            self._subscribe_again()
        elif isinstance(message, Subscribed):
            self._on_subscribed(message.request_id)
        elif isinstance(message, Done):
            if message.request_id in self._ending:
                self._ending.discard(message.request_id)
                self._finder.forget_topics(lambda kind, symbol: not self._subscribed(kind, symbol))
        elif isinstance(message, SnapshotEnd):
            if self._on_snapshot_end(message.request_id):
                return
            if message.request_id == self.traders:
                # Who trades misses nothing after a reconnect, also where nothing came before it.
                self._tracker.start(message.sessions)
        elif isinstance(message, RequestError) and message.request_id is not None:
            if self._healing.pop(message.request_id, None) is not None:
                return
            self._snapshots.pop(message.request_id, None)
            refused = self._subscriptions.pop(message.request_id, None)
            if refused is not None:
                self._follow_subscriptions()
                if refused.request.resume is not None and self._tracker.token == refused.request.resume:
                    self.fault = RequestRefused(message.code, message.text)
        items.append(message)

    def _on_subscribed(self, request_id: int) -> None:
        subscription = self._subscriptions.get(request_id)
        if subscription is None:
            return
        subscription.is_confirmed = True
        confirmed = [s for s in self._subscriptions.values() if s.is_confirmed]
        self._finder.confirmed(whole=any(s.whole for s in confirmed), is_first=len(confirmed) == 1)
        self._follow_subscriptions()

    def _on_snapshot_end(self, request_id: int) -> bool:
        # Returns whether the request was this side's own and nobody else waits for its end.
        healed = self._healing.pop(request_id, None)
        if healed is None and self._snapshots.pop(request_id, None) is None:
            subscription = self._subscriptions.get(request_id)
            if subscription is not None:
                subscription.progress = Progress.STANDING
                self._follow_subscriptions()
            self._tracker.snapshot_end()
        return healed is not None

    def _follow_subscriptions(self) -> None:
        if self.welcome is None:
            return
        if any(s.replays and s.progress is Progress.ASKED for s in self._subscriptions.values()):
            self.books.hold = "REPLAY: records of the past come first"
            return
        if self.books.hold:
            self.books.hold = ""
            self.books.restore()

    def _subscribe_again(self) -> None:
        token = self._tracker.token
        pending = [s for s in self._subscriptions.values() if s.progress is Progress.ASKED]
        if not token or (pending and len(self._subscriptions) > 1):
            # Nothing to go on from, or one of several replays was cut: what was delivered of it is not known any more.
            self.books.lose_suspended("DISCONNECT")
            self._finder.forget()
            self._finder.from_start = any(s.request.from_start for s in self._subscriptions.values())
            resume: ResumeToken | None = None
        else:
            self._finder.resume(token)
            resume = token
        for subscription in self._subscriptions.values():
            self._send(subscription.again(resume))
            # The gateway replays for all subscriptions of a connection at once, and the first one asks for it.
            resume = None if resume is None else {}
        self._follow_subscriptions()

    # --- books --------------------------------------------------------------------------------------------------------

    def _subscribed(self, kind: str, symbol: str | None) -> bool:
        return any(subscription.covers(kind, symbol) for subscription in self._subscriptions.values())

    def _snapshot_of(self, kind: str, symbol: str | None) -> int:
        for request_id, request in self._snapshots.items():
            if covers(request.symbols, request.kinds, kind, symbol):
                return request_id
        return 0

    def _heal(self) -> None:
        # Ask for what nobody announced, a limited number of times, and not while the past is being replayed.
        if self.books.hold or self.welcome is None:
            return
        asked = {symbol for symbols in self._healing.values() for symbol in symbols}
        wanted = []
        for symbol in sorted(self.books.broken - asked):
            tries = self._heal_tries.get(symbol, 0)
            if tries < HEAL_TRIES_MAX:
                self._heal_tries[symbol] = tries + 1
                wanted.append(symbol)
        for start in range(0, len(wanted), _HEAL_SYMBOLS_MAX):
            symbols = tuple(wanted[start : start + _HEAL_SYMBOLS_MAX])
            request = SnapshotRequest(request_id=self._next_id(), symbols=symbols, kinds=(_BOOK_KIND,))
            self._healing[request.request_id] = symbols
            self.heals += 1
            self._send(request)
