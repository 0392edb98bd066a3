"""Fanout: every client's session, and the way of each record to those that asked for it. Implements `ClientPort`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gwcore.engine.publisher import Partition, Publisher
from gwcore.engine.session import Session
from gwcore.engine.state import STATE_KINDS, CurrentState
from gwcore.model import Event, Record
from gwcore.ports import Clock
from gwcore.settings import ClientSettings
from gwcore.transport import ClientInfo, ClientWriter
from gwcore.wire import ResumeToken

#: Records published within one turn are handed to sessions together, at most this many at a time.
TURN_RECORDS_MAX = 1024


class RecordReader(Protocol):
    """A reader of one journal class."""

    @property
    def position(self) -> int:
        """Position of the last record read."""
        ...

    def read(self, count_max: int, *, synced_only: bool = True) -> Sequence[Record]:
        """The next records, at most `count_max`; empty at the end."""
        ...


class RecordSource(Protocol):
    """The part of the journal sessions need."""

    def last_position(self, journal_class: str) -> int:
        """Position of the newest record."""
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
    ) -> None:
        self.identity = identity
        self.publisher = publisher
        self.state = state
        self.journal = journal
        self.settings = settings
        self.clock = clock
        self._wake = wake
        self._is_awake = False
        self._sessions: dict[int, Session] = {}
        self._live: tuple[Session, ...] = ()
        self._turn: list[Record] = []  # published, and not yet offered to sessions
        self._next_id = 1
        self._sent_before = 0  # to clients that are gone
        self.opened: Counter[str] = Counter()  # clients that came, by transport
        self.refused: Counter[str] = Counter()  # ... over the limit
        self.cut: dict[str, int] = {}
        self.conflations = 0

    @property
    def sessions(self) -> Sequence[Session]:
        """All open sessions."""
        return tuple(self._sessions.values())

    def events_sent(self) -> int:
        """Events written to clients since the start."""
        return self._sent_before + sum(session.events_sent for session in self._live)

    def positions(self) -> ResumeToken:
        """Of each partition its session and the last sequence published."""
        return {name: (one.session_id, one.sequence) for name, one in self.publisher.partitions.items()}

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
        if type(event) in STATE_KINDS:
            self.state.note(event, partition)
        if self._live:
            turn = self._turn
            turn.append(record)
            if not self._is_awake:
                self.wake()
            if len(turn) >= TURN_RECORDS_MAX:
                self.share()

    def share(self) -> None:
        """Offer to each session what was published since the last call. Before anything is said to one of them by itself."""
        if self._turn:
            records, self._turn = self._turn, []
            for session in self._live:
                session.offer(records)

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

    def count_cut(self, cause: str) -> None:
        """A client was cut by us."""
        self.cut[cause] = self.cut.get(cause, 0) + 1

    def close(self, reason: str) -> None:
        """The gateway stops: write what is pending, then say goodbye to everybody."""
        self.flush()
        for session in self.sessions:
            session.end(reason)
