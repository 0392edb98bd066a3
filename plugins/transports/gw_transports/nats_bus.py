"""Bus: the one session of the core that carries every event to its subject, once for all clients.

What became of that which a broken connection had taken is unknown. So the bus remembers where the server was last known to
have everything (a PING behind it was answered), and after a connection goes on from there, out of the journal: events come
with the sequences they had, and who had them already leaves them out. Only after a long absence market data is not made up
for: a Gap with its bounds, then the state as it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gw_transports.nats_messages import EventCommands
from gw_transports.nats_publisher import Outlet
from gwcore.model import (
    KIND_OF_TYPE,
    SCHEMA_VERSION,
    Envelope,
    Gap,
    GapState,
    Header,
    MarketByOrderUpdate,
    MarketByPriceUpdate,
    MarketStatus,
    Record,
    ReferenceData,
    StatisticsUpdate,
    TopOfBook,
    partition_class,
)
from gwcore.subjects import Subjects
from gwcore.transport import ClientInfo, ClientPort, ClientSession, TransportContext
from gwcore.wire import (
    Hello,
    RequestError,
    ResumeToken,
    ServerMessage,
    SnapshotRequest,
    Subscribe,
    Welcome,
    encode,
)

_log = logging.getLogger("gwcore.transport.nats")

#: The core ended the session: it is opened again after this long.
REOPEN_S = 0.1
#: State of market data. That of the gateway, its streams and accounts is news of `st` and `ex`, which is always made up for;
#: and to ask for accounts by name is denied to a bus that has none.
_MARKET_KINDS = tuple(
    KIND_OF_TYPE[kind]
    for kind in (ReferenceData, MarketStatus, TopOfBook, MarketByPriceUpdate, MarketByOrderUpdate, StatisticsUpdate)
)


class Bus:
    """Implements `ClientWriter`. Called from the loop alone; `on_back` and `on_lost` follow the connection."""

    def __init__(self, port: ClientPort, context: TransportContext, subjects: Subjects, outlet: Outlet) -> None:
        self._port = port
        self._context = context
        self._outlet = outlet
        self._commands = EventCommands(subjects)
        self._session: ClientSession | None = None
        self._is_connected = False
        self._is_paused = False
        self._is_ended = False  # by the core, since `_open` began
        self._reopening: asyncio.TimerHandle | None = None
        self._told = ""  # why the core ended it last
        self._positions: ResumeToken = {}  # of the last welcome
        self._sent: ResumeToken = {}  # handed to this connection
        self._confirmed: ResumeToken = {}  # known to be on the server
        self.events = 0
        self.too_big = 0
        self.gaps = 0  # notices of market data that is not made up for

    def on_back(self, *, replay: bool) -> None:
        """There is a connection. `replay`: make up for market data too."""
        self._is_connected = True
        self._sent = dict(self._confirmed)
        self._open(replay=replay)

    def on_lost(self) -> None:
        """The connection is gone."""
        self._is_connected = self._is_paused = False
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        session, self._session = self._session, None
        if session is not None:
            session.closed()

    def pause(self) -> None:
        """The server does not take what there is."""
        if self._session is not None and not self._is_paused:
            self._is_paused = True
            self._session.pause()

    def resume(self) -> None:
        """It does again."""
        if self._session is not None and self._is_paused:
            self._is_paused = False
            self._session.resume()

    def mark(self) -> Callable[[], None]:
        """What to call when the server has all that was handed to it so far."""
        sent = dict(self._sent)

        def confirm() -> None:
            self._confirmed = sent

        return confirm

    # --- ClientWriter -------------------------------------------------------------------------------------------------

    def write_events(self, records: Sequence[Record]) -> None:
        """Every record to its subject."""
        parts, size, too_big = self._commands.encode(records, self._outlet.payload_max)
        sent = self._sent
        for record in records:
            if record.sequence:
                sent[record.partition] = (record.session_id, record.sequence)
        self.events += len(records)
        self._outlet.write(parts, size)
        for record in too_big:
            self._on_too_big(record)

    def write_message(self, message: ServerMessage) -> None:
        """Only the welcome says something to us."""
        if isinstance(message, Welcome):
            self._positions = message.sessions
        elif isinstance(message, RequestError):
            _log.error("nats: the core refused the bus: %s", message.text)

    def close(self, reason: str) -> None:
        """The core ends the session: the server was too slow for what may not be dropped, or the gateway stops."""
        self._is_ended = True
        self._is_paused = False
        self._session = None
        if self._is_connected:
            if reason != self._told:
                self._told = reason
                _log.info("nats: the core ended the bus: %s", reason)
            self._reopen_later()

    # --- inside -------------------------------------------------------------------------------------------------------

    def _open(self, *, replay: bool) -> None:
        self._is_ended = False
        info = ClientInfo(transport="nats", identity="bus", name="bus")
        session = self._port.open(info, self)
        if self._is_ended:
            session.closed()
            return
        self._session = session
        session.submit(Hello(name="bus"))
        token = {name: position for name, position in self._sent.items() if name in self._positions}
        skipped = {} if replay else self._skip(token)
        for name, gap in skipped.items():
            self._notice(name, gap)
        self._sent.update(token)
        session.submit(Subscribe(request_id=1, resume=token))
        if skipped:
            session.submit(SnapshotRequest(request_id=2, kinds=_MARKET_KINDS))

    def _skip(self, token: ResumeToken) -> dict[str, Gap]:
        """Market data goes on from now: changes the token, and gives what is left out, by partition."""
        gaps: dict[str, Gap] = {}
        for name, (session_id, sequence) in self._positions.items():
            had_session, had = token.get(name, (session_id, 0))
            # Of another session the core itself says what is missing.
            if partition_class(name) != "md" or had_session != session_id or had >= sequence:
                continue
            token[name] = (session_id, sequence)
            gaps[name] = Gap(
                state=GapState.LOST,
                cause="the NATS server was away or too slow for too long: market data goes on with the state as it is",
                partition=name,
                session_id=session_id,
                first_sequence=had + 1,
                last_sequence=sequence,
                dropped=sequence - had,
            )
        return gaps

    def _notice(self, partition: str, gap: Gap) -> None:
        self.gaps += 1
        self.write_events([self._private(partition, gap)])

    def _private(self, partition: str, gap: Gap) -> Record:
        """A notice without a number, as the core makes them for one client."""
        assert gap.session_id is not None
        published_ns = self._context.clock.now_ns()
        header = Header(
            v=SCHEMA_VERSION,
            venue=self._context.venue,
            source=self._context.source,
            partition=partition,
            session_id=gap.session_id,
            after_sequence=gap.last_sequence,
            published_ns=published_ns,
        )
        payload = encode(Envelope(header=header, event=gap))
        return Record(partition, gap.session_id, 0, "gap", None, None, None, published_ns, payload)

    def _on_too_big(self, record: Record) -> None:
        if not record.sequence:
            _log.warning("nats: state of %s in %d bytes; the server takes less", record.symbol, len(record.payload))
            return
        self.too_big += 1
        gap = Gap(
            state=GapState.LOST,
            cause=f"an event of {len(record.payload)} bytes; the NATS server takes {self._outlet.payload_max}",
            partition=record.partition,
            session_id=record.session_id,
            first_sequence=record.sequence,
            last_sequence=record.sequence,
            symbol=record.symbol,
            dropped=1,
        )
        _log.warning("nats: %s", gap.cause)
        self._notice(record.partition, gap)

    def _reopen_later(self) -> None:
        self._reopening = asyncio.get_running_loop().call_later(REOPEN_S, self._reopen)

    def _reopen(self) -> None:
        self._reopening = None
        if self._outlet.is_busy:
            self._reopen_later()  # what would be said now would only wait
        else:
            self._open(replay=False)
