"""SmallPort: a small, real `ClientPort` for tests of transports and clients: numbers events, keeps state, replays, conflates.

It is not the gateway's fan-out and shares no code with it: what passes on both is the protocol, not an accident. No clock,
no chance, no I/O; everything happens inside the call that causes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from gwcore.book import BookRule, OrderBook
from gwcore.model import (
    KIND_OF_TYPE,
    SCHEMA_VERSION,
    Envelope,
    Event,
    Gap,
    Header,
    MarketByPriceUpdate,
    Record,
    ReferenceData,
    TopOfBook,
    UpdateType,
)
from gwcore.transport import ClientInfo, ClientWriter
from gwcore.wire import (
    ClientRequest,
    Done,
    Heartbeat,
    Hello,
    Ping,
    RequestError,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    encode,
)

_STATE_TYPES = (ReferenceData, TopOfBook)


class SmallPort:
    """Publishes what it is given to sessions that asked for it. `session_id` may be changed by `restart`."""

    def __init__(
        self,
        *,
        heartbeat_s: float = 5.0,
        pending_max: int = 1000,
        now_ns: Callable[[], int] = lambda: 1,
        name: str = "toy",
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self.pending_max = pending_max  # records kept for a paused session before its choice is applied
        self.history: list[Record] = []  # of every session there was
        self.sessions: list[SmallSession] = []
        self.opened: list[ClientInfo] = []
        self.session_id = "S1"
        self.now_ns = now_ns
        self._name = name
        self._sequences: dict[str, int] = {}
        self._topics: dict[tuple[str, str, str | None], int] = {}
        self._state: dict[tuple[str, str | None], tuple[str, Event]] = {}
        self._books: dict[str, tuple[str, OrderBook]] = {}

    def open(self, client: ClientInfo, writer: ClientWriter) -> SmallSession:
        """A client came."""
        session = SmallSession(self, client, writer)
        self.opened.append(client)
        self.sessions.append(session)
        return session

    def publish(self, *events: Event, partition: str = "md.0") -> list[Record]:
        """Number and encode events, and give them to every session in one batch."""
        records = [self._record(event, partition) for event in events]
        self.history.extend(records)
        self.deliver(records)
        return records

    def deliver(self, records: Sequence[Record]) -> None:
        """Give records to every session as they are: repeated, with holes, as a test wants them."""
        for session in list(self.sessions):
            session.offer(records)

    def restart(self, session_id: str) -> None:
        """A new tenure: other session, numbers from one, no state. Clients are told goodbye."""
        for session in list(self.sessions):
            session.end("the gateway stops")
        self.session_id = session_id
        self._sequences.clear()
        self._topics.clear()
        self._state.clear()
        self._books.clear()

    def stand(self) -> dict[str, tuple[str, int]]:
        """Where every partition stands."""
        return {partition: (self.session_id, sequence) for partition, sequence in self._sequences.items()}

    def private(self, event: Event, partition: str) -> Record:
        """An event for one client alone."""
        header = self._header(partition, after_sequence=self._sequences.get(partition, 0))
        return _make_record(header, event, 0)

    def state(self, wanted: Callable[[str, str | None], bool]) -> list[Record]:
        """The present state of what is wanted."""
        records = [
            self.private(event, partition)
            for (kind, symbol), (partition, event) in self._state.items()
            if wanted(kind, symbol)
        ]
        for symbol, (partition, book) in self._books.items():
            if wanted("market_by_price", symbol):
                event = (
                    book.snapshot()
                    if book.has_snapshot
                    else MarketByPriceUpdate(symbol=symbol, update_type=UpdateType.STALE)
                )
                records.append(self.private(event, partition))
        return records

    def _record(self, event: Event, partition: str) -> Record:
        self._note(event, partition)
        sequence = self._sequences[partition] = self._sequences.get(partition, 0) + 1
        symbol = getattr(event, "symbol", None)
        topic = (partition, KIND_OF_TYPE[type(event)], getattr(event, "account", None) if symbol is None else symbol)
        number = self._topics[topic] = self._topics.get(topic, 0) + 1
        return _make_record(
            self._header(partition, sequence=sequence, topic_sequence=number), event, len(self.history) + 1
        )

    def _header(
        self,
        partition: str,
        sequence: int | None = None,
        topic_sequence: int | None = None,
        after_sequence: int | None = None,
    ) -> Header:
        return Header(
            v=SCHEMA_VERSION,
            venue=self._name,
            source=self._name,
            partition=partition,
            session_id=self.session_id,
            sequence=sequence,
            topic_sequence=topic_sequence,
            after_sequence=after_sequence,
            published_ns=self.now_ns(),
        )

    def _note(self, event: Event, partition: str) -> None:
        if isinstance(event, _STATE_TYPES):
            self._state[KIND_OF_TYPE[type(event)], event.symbol] = (partition, event)
        if not isinstance(event, MarketByPriceUpdate):
            return
        if event.update_type is UpdateType.SNAPSHOT:
            rule = BookRule(
                price_decimals=event.price_decimals or 0,
                quantity_decimals=event.quantity_decimals or 0,
                depth=event.depth or 0,
            )
            self._books[event.symbol] = (partition, OrderBook(event.symbol, rule))
        if event.symbol in self._books:
            self._books[event.symbol][1].apply(event)


def _make_record(header: Header, event: Event, position: int) -> Record:
    return Record(
        header.partition,
        header.session_id,
        header.sequence or 0,
        KIND_OF_TYPE[type(event)],
        getattr(event, "symbol", None),
        getattr(event, "account", None),
        getattr(event, "update_type", None),
        header.published_ns,
        encode(Envelope(header=header, event=event)),
        position,
    )


class SmallSession:
    """One client of a SmallPort. Counts what it was told, so that a test can ask."""

    def __init__(self, port: SmallPort, client: ClientInfo, writer: ClientWriter) -> None:
        self.client = client
        self.requests: list[ClientRequest] = []
        self.is_paused = False
        self.is_open = True
        self.pauses = 0
        self.dropped = 0
        self._port = port
        self._writer = writer
        self._parts: dict[int, Subscribe] = {}
        self._pending: list[Record] = []
        self._lost: dict[str, tuple[int, int]] = {}

    def submit(self, request: ClientRequest) -> None:
        """A request of the client."""
        self.requests.append(request)
        write = self._writer.write_message
        if isinstance(request, Hello):
            write(
                Welcome(
                    version="0",
                    venue="toy",
                    environment="test",
                    source="toy",
                    client_id=str(len(self._port.opened)),
                    heartbeat_s=self._port.heartbeat_s,
                    sessions=self._port.stand(),
                )
            )
        elif isinstance(request, Subscribe):
            self._subscribe(request)
        elif isinstance(request, Unsubscribe):
            if self._parts.pop(request.subscription, None) is None:
                self._refuse(request.request_id, "unknown_subscription")
            else:
                write(Done(request_id=request.request_id))
        elif isinstance(request, SnapshotRequest):
            self._writer.write_events(
                self._port.state(lambda kind, symbol: _takes(request.symbols, request.kinds, kind, symbol))
            )
            write(SnapshotEnd(request_id=request.request_id, sessions=self._port.stand()))
        elif isinstance(request, Ping):
            write(Heartbeat(request_id=request.request_id))
        else:
            self._refuse(None, "unsupported")

    def pause(self) -> None:
        """Hold back."""
        assert not self.is_paused, "paused twice"
        self.is_paused = True
        self.pauses += 1

    def resume(self) -> None:
        """Go on: what waited, or a Gap and fresh state for what was dropped."""
        assert self.is_paused, "resumed without a pause"
        self.is_paused = False
        pending, self._pending = self._pending, []
        if pending:
            self._writer.write_events(pending)
        lost, self._lost = self._lost, {}
        for partition, (first, last) in lost.items():
            gap = Gap(
                cause="SLOW",
                partition=partition,
                session_id=self._port.session_id,
                first_sequence=first,
                last_sequence=last,
            )
            self._writer.write_events([self._port.private(gap, partition)])
        if lost:
            self._writer.write_events(self._port.state(self._wants))

    def closed(self) -> None:
        """The client is gone."""
        self.is_open = False
        if self in self._port.sessions:
            self._port.sessions.remove(self)

    def end(self, reason: str) -> None:
        """Cut the client."""
        if self.is_open:
            self.closed()
            self._writer.close(reason)

    def offer(self, records: Iterable[Record]) -> None:
        """Records were published."""
        wanted = [record for record in records if self._wants(record.kind, record.symbol)]
        if not wanted:
            return
        if not self.is_paused:
            self._writer.write_events(wanted)
            return
        if self._lost:
            self._drop(wanted)
            return
        self._pending.extend(wanted)
        if len(self._pending) <= self._port.pending_max:
            return
        if any(part.on_slow == "disconnect" for part in self._parts.values()):
            self.end("too slow")
            return
        self._drop(self._pending)
        self._pending = []

    def _drop(self, records: Iterable[Record]) -> None:
        for record in records:
            first, _ = self._lost.get(record.partition, (record.sequence, 0))
            self._lost[record.partition] = (first, record.sequence)
            self.dropped += 1

    def _wants(self, kind: str, symbol: str | None) -> bool:
        return any(_takes(part.symbols, part.kinds, kind, symbol) for part in self._parts.values())

    def _subscribe(self, request: Subscribe) -> None:
        if "NONE/SUCH" in request.symbols:
            self._refuse(request.request_id, "unknown_symbol")
            return
        self._parts[request.request_id] = request
        self._writer.write_message(Subscribed(request_id=request.request_id))
        if request.from_start or request.resume is not None:
            self._replay(request)
        else:
            wanted = self._port.state(lambda kind, symbol: _takes(request.symbols, request.kinds, kind, symbol))
            if wanted:
                self._writer.write_events(wanted)
        self._writer.write_message(SnapshotEnd(request_id=request.request_id, sessions=self._port.stand()))

    def _replay(self, request: Subscribe) -> None:
        port, token = self._port, request.resume or {}
        for partition, (session_id, sequence) in token.items():
            if session_id != port.session_id:
                gap = Gap(cause="RESTART", partition=partition, session_id=session_id, first_sequence=sequence + 1)
                self._writer.write_events([port.private(gap, partition), *port.state(self._wants)])
        records = [
            record
            for record in port.history
            if record.session_id == port.session_id
            and self._wants(record.kind, record.symbol)
            and (record.partition not in token or token[record.partition][0] == port.session_id)
            and record.sequence > token.get(record.partition, ("", 0))[1]
        ]
        if records:
            self._writer.write_events(records)

    def _refuse(self, request_id: int | None, code: str) -> None:
        self._writer.write_message(RequestError(request_id=request_id, code=code, text=f"refused: {code}"))


def _takes(symbols: Sequence[str], kinds: Sequence[str], kind: str, symbol: str | None) -> bool:
    return (not kinds or kind in kinds) and (
        not symbols or symbol is None or any(fnmatchcase(symbol, glob) for glob in symbols)
    )
