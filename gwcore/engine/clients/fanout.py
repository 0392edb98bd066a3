"""Fanout: every client's session, and the way of each record to those that asked for it. Implements `ClientPort`."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gwcore.engine.clients.access import Access, Grant
from gwcore.engine.clients.control import ControlPort
from gwcore.engine.clients.session import Session
from gwcore.engine.clients.state import STATE_KINDS, CurrentState
from gwcore.engine.orders.order import Reply
from gwcore.engine.orders.ports import Requester
from gwcore.engine.publisher import Partition, Publisher
from gwcore.errors import ProtocolError
from gwcore.model import Control, Event, OrderRequest, Record
from gwcore.ports import Clock
from gwcore.settings import ClientSettings
from gwcore.transport import ClientInfo, ClientWriter
from gwcore.wire import ResumeToken, Welcome

#: Records published within one turn are handed to sessions together, at most this many at a time.
TURN_RECORDS_MAX = 1024


class PresencePort(Protocol):
    """Is told when users come and go."""

    def on_user_here(self, user: str) -> None:
        """A session of the user began."""
        ...

    def on_user_gone(self, user: str) -> None:
        """The last session of the user ended."""
        ...


class RecordReader(Protocol):
    """A reader of one journal class."""

    @property
    def position(self) -> int:
        """Position of the last record read."""
        ...

    def read(self, count_max: int, *, synced_only: bool = True) -> Sequence[Record]:
        """The next records, at most `count_max`; empty at the end."""
        ...


class OrderPort(Protocol):
    """Who takes requests about orders."""

    def submit(self, request: OrderRequest, requester: Requester, reply: Reply) -> None:
        """A client's request, which it may make. It ends in OrderAcks, or in one `reply`, of a batch for each order.

        Raises ProtocolError where its connection has to end: what became of the request is not known.
        """
        ...


class RecordSource(Protocol):
    """The part of the journal sessions need."""

    def last_position(self, journal_class: str) -> int:
        """Position of the newest record."""
        ...

    def synced_position(self, journal_class: str) -> int:
        """Position up to which a class is durable."""
        ...

    def reader(self, journal_class: str, after: int) -> RecordReader:
        """A reader that starts behind a position."""
        ...

    def position_of(self, session_id: str, sequence: int) -> int | None:
        """Where a record stands; None where the journal does not reach."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a client is told in the welcome."""

    version: str
    venue: str
    environment: str
    source: str
    host: str = ""  # where the venue is asked, as a URL


class Fanout:
    """All clients, whatever the transport. `wake` is called when `flush` has something to do."""

    def __init__(
        self,
        *,
        identity: Identity,
        publisher: Publisher,
        state: CurrentState,
        journal: RecordSource,
        settings: ClientSettings,
        clock: Clock,
        wake: Callable[[], None],
        access: Access | None = None,
    ) -> None:
        self.identity = identity
        self.access = access or Access(open_market_data=settings.open_market_data)
        self.publisher = publisher
        self.state = state
        self.journal = journal
        self.settings = settings
        self.clock = clock
        self._wake = wake
        self._is_awake = False
        #: Execution events that are not durable yet. Bounded as the journal is: what it can't take is not held.
        self._held: deque[tuple[Record, Event, Partition]] = deque()
        self._sessions: dict[int, Session] = {}
        self._live: tuple[Session, ...] = ()
        self._turn: list[Record] = []  # published, and not yet offered to sessions
        self._is_of_accounts = False  # some of the turn
        self._next_id = 1
        self._sent_before = 0  # to clients that are gone
        self.presence: PresencePort | None = None  # who wants to know of users that come and go
        self.controls: ControlPort | None = None  # what operators can have done; None: nothing
        self.opened: Counter[str] = Counter()  # clients that came, by transport
        self.refused: Counter[str] = Counter()  # ... over the limit
        self.cut: dict[str, int] = {}
        self.conflations = 0
        self.dropped = 0  # events that a slow client was not sent
        self.denials = 0
        self.orders: OrderPort | None = None

    @property
    def sessions(self) -> Sequence[Session]:
        """All open sessions."""
        return tuple(self._sessions.values())

    def events_sent(self) -> int:
        """Events written to clients since the start."""
        return self._sent_before + sum(session.events_sent for session in self._live)

    def positions(self) -> ResumeToken:
        """Of each partition its session and the last sequence told: of executions, what is held is not."""
        return {name: (one.session_id, one.visible) for name, one in self.publisher.partitions.items()}

    def welcome(self, client: ClientInfo, client_id: str, grant: Grant) -> Welcome:
        """What a client is told that may come in."""
        if self.presence is not None and grant.user:
            self.presence.on_user_here(grant.user)
        return Welcome(
            version=self.identity.version,
            venue=self.identity.venue,
            environment=self.identity.environment,
            source=self.identity.source,
            client_id=client_id,
            heartbeat_s=self.settings.heartbeat_s,
            sessions=self.positions(),
            user=grant.user,
            partial=self.access.partial(client, grant),
            accounts=tuple(account for account in self.accounts() if grant.has_account(account)),
            drop_copy=grant.drop_copy,
            host=self.identity.host,
        )

    def accounts(self) -> list[str]:
        """Names of the gateway's accounts, sorted: each has a partition from the start."""
        return sorted(name[3:] for name in self.publisher.partitions if name.startswith("ex."))

    # --- ClientPort -----------------------------------------------------------------------------------------------

    def open(self, client: ClientInfo, writer: ClientWriter) -> Session:
        """A client came. Over `clients_max` it is told so and closed."""
        self.share()  # what was published before it came is none of its news
        session = Session(self._next_id, client, writer, self)
        self._next_id += 1
        if len(self._sessions) >= self.settings.clients_max:
            self.refused[client.transport] += 1
            session.end(f"{self.settings.clients_max} clients are connected, which is the limit: try again later")
            return session
        self.opened[client.transport] += 1
        self._sessions[session.number] = session
        self._live = tuple(self._sessions.values())
        return session

    # --- from the engine ------------------------------------------------------------------------------------------

    def on_record(self, record: Record, event: Event, partition: Partition) -> None:
        """A record was published."""
        if partition.holds:
            if record.position:
                self._held.append((record, event, partition))
                return
            partition.released = record.sequence
        self._tell(record, event, partition)

    def _tell(self, record: Record, event: Event, partition: Partition) -> None:
        if type(event) in STATE_KINDS:
            self.state.note(event, partition)
        if self._live:
            turn = self._turn
            turn.append(record)
            if record.account is not None or partition.holds:
                self._is_of_accounts = True
            if not self._is_awake:
                self.wake()
            if len(turn) >= TURN_RECORDS_MAX:
                self.share()

    def share(self) -> None:
        """Offer to each session what was published since the last call. Before anything is said to one of them by itself."""
        if self._turn:
            records, self._turn = self._turn, []
            of_accounts, self._is_of_accounts = self._is_of_accounts, False
            for session in self._live:
                session.offer(records, of_accounts=of_accounts)

    def release(self) -> None:
        """Tell the execution events that are durable by now."""
        if self._held:
            synced = self.journal.synced_position("ex")
            while self._held and self._held[0][0].position <= synced:
                record, event, partition = self._held.popleft()
                partition.released = record.sequence
                self._tell(record, event, partition)

    def position(self, journal_class: str) -> int:
        """Position of the last record of a class that clients may know of."""
        if journal_class == "ex" and self._held:
            return self._held[0][0].position - 1
        return self.journal.last_position(journal_class)

    def flush(self) -> None:
        """Write what is pending, one call a client (a write per event costs 5-10 times more)."""
        self.share()
        self._is_awake = False
        for session in self._live:
            session.flush()

    # --- from sessions --------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Some session has something to write."""
        if not self._is_awake:
            self._is_awake = True
            self._wake()

    def forget(self, session: Session) -> None:
        """A session ended."""
        if self._sessions.pop(session.number, None) is not None:
            self._sent_before += session.events_sent
            self._live = tuple(self._sessions.values())
            self._tell_gone(session)

    def _tell_gone(self, session: Session) -> None:
        user = session.gate.grant.user
        if self.presence is not None and user and all(one.gate.grant.user != user for one in self._live):
            self.presence.on_user_gone(user)

    def regrant(self, access: Access) -> int:
        """These are the users from now on; returns for how many clients that changed something."""
        self.access = access
        self.share()
        before = self._users()
        count = sum(session.regrant() for session in self.sessions)
        if self.presence is not None:  # a session may go on as somebody else, or as nobody
            for user in sorted(before - self._users()):
                self.presence.on_user_gone(user)
            for user in sorted(self._users() - before):
                self.presence.on_user_here(user)
        return count

    def _users(self) -> set[str]:
        return {user for one in self._live if (user := one.gate.grant.user)}

    def submit_order(self, request: OrderRequest, requester: Requester, reply: Reply) -> str:
        """A client's request about orders. Why its connection ends, whatever the transport is; empty: it goes on."""
        assert self.orders is not None
        try:
            self.orders.submit(request, requester, reply)
        except ProtocolError as error:
            return str(error)
        return ""

    def deny(self, user: str, action: str, detail: str, account: str | None, symbol: str | None) -> None:
        """A client asked for what is not granted: for the record."""
        self.denials += 1
        self.publisher.publish(
            self.publisher.partition("st"),
            Control(action=action, user=user, account=account, symbol=symbol, allowed=False, detail=detail),
        )

    def count_cut(self, cause: str) -> None:
        """A client was cut by us."""
        self.cut[cause] = self.cut.get(cause, 0) + 1

    def close(self, reason: str) -> None:
        """The gateway stops: write what is pending, then say goodbye to everybody."""
        self.release()
        self.flush()
        for session in self.sessions:
            session.end(reason)
