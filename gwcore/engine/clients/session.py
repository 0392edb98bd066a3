"""Session: one client's subscriptions, what is pending for it, and what happens when it is slow.

Current state first, then news, without a gap: everything here runs on one thread between two records. What a client
may lag behind is bounded; beyond it the client gets what it chose: market data conflated (a Gap, then fresh state)
or a goodbye with the reason. Execution events are never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from gwcore.engine.clients.catchup import CatchUp, conflation_gaps
from gwcore.engine.clients.gate import DENIALS_MAX, Gate
from gwcore.engine.clients.selection import Selection, account_of, complaint_of, owner_of, part_wants
from gwcore.engine.clients.state import Wants
from gwcore.engine.orders.ports import Requester
from gwcore.model import Gap, Record
from gwcore.transport import ClientInfo, ClientWriter
from gwcore.wire import (
    PROTOCOL_VERSION,
    ClientRequest,
    ControlRequest,
    Done,
    Heartbeat,
    Hello,
    Ping,
    RequestError,
    ServerMessage,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
)

if TYPE_CHECKING:
    from gwcore.engine.clients.fanout import Fanout

_payload_of = itemgetter(Record._fields.index("payload"))
#: Records written to a client in one turn while it catches up from the journal. A turn's length is what the others wait.
CATCH_UP_RECORDS = 100


class Session:
    """The core's side of one client. Implements `ClientSession`."""

    def __init__(self, number: int, client: ClientInfo, writer: ClientWriter, fanout: Fanout) -> None:
        self.number = number
        self.client = client
        self._writer = writer
        self._fanout = fanout
        self.gate = Gate(client, fanout)
        self._selection = Selection(self.gate.grant)
        self._had_ex = 0  # position of the last execution record that came from the journal
        self._catch_up: CatchUp | None = None  # while it reads the journal instead of the news
        self._catch_up_requests: list[int] = []  # what it is for: their SnapshotEnd comes behind the last record
        self._pending: list[Record] = []
        self._pending_bytes = 0
        self._dropped: dict[str, tuple[str, int, int, int]] = {}  # partition -> session, first, last, count
        self._is_welcome = False
        self._is_paused = False
        self._is_open = True
        self.events_sent = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            Hello: self._on_hello,
            Subscribe: self._on_subscribe,
            Unsubscribe: self._on_unsubscribe,
            SnapshotRequest: self._on_snapshot,
            Ping: self._on_ping,
            ControlRequest: self._on_control,
        }

    @property
    def client_id(self) -> str:
        """What it is told it is called here; `gw ctl client cut` takes it."""
        return f"{self.client.transport}-{self.number}"

    @property
    def buffered_bytes(self) -> int:
        """Bytes waiting for this client in the core, those of the turn under way apart."""
        return self._pending_bytes

    @property
    def is_conflating(self) -> bool:
        """Whether market data of this client is being dropped right now."""
        return bool(self._dropped)

    @property
    def is_caught_up(self) -> bool:
        """Whether nothing waits for this client, neither here nor in the journal."""
        return not self._pending and not self._dropped and self._catch_up is None

    # --- ClientSession --------------------------------------------------------------------------------------------

    def submit(self, request: ClientRequest) -> None:
        """A request of the client."""
        self._fanout.share()
        if not self._is_open:
            return
        handler = self._handlers.get(type(request))
        if not self._is_welcome and not isinstance(request, Hello):
            self.end("the first request has to be hello")
        elif handler is None:
            self._on_order_request(request)
        else:
            handler(request)

    def regrant(self) -> bool:
        """Who may what has changed: go on with what is granted now, or part. Returns whether anything changed for it."""
        before = self.gate.grant
        reason = self.gate.readmit(is_catching_up=self._catch_up is not None) if self._is_welcome else ""
        if reason:
            self.end(reason)
        elif self.gate.grant != before:
            self._flush_pending()
            self._selection.allow(self.gate.grant)
            self._write_state(lambda *topic: self._selection.wants(*topic) and not before.sees(*topic))
        return bool(reason) or self.gate.grant != before

    def pause(self) -> None:
        """The writer is full."""
        self._is_paused = True

    def resume(self) -> None:
        """The writer can take more."""
        self._is_paused = False
        if self._pending or self._dropped or self._catch_up is not None:
            self._fanout.wake()

    def closed(self) -> None:
        """The client is gone."""
        self._is_open = False
        self._pending.clear()
        self._pending_bytes = 0
        self._fanout.forget(self)

    def end(self, reason: str) -> None:
        """Say goodbye and close."""
        if self._is_open:
            self.closed()
            self._writer.close(reason)

    # --- requests -------------------------------------------------------------------------------------------------

    def _on_hello(self, request: Hello) -> None:
        if request.protocol != PROTOCOL_VERSION:
            self.end(f"protocol {request.protocol} is not spoken here: this gateway speaks {PROTOCOL_VERSION}")
            return
        if not self.gate.admit(request.token):
            self.end("the token is not known: leave it out, or ask the operator")
            return
        self._is_welcome = True
        self._selection.allow(self.gate.grant)
        self._writer.write_message(self._fanout.welcome(self.client, self.client_id, self.gate.grant))

    def _on_order_request(self, request: Any) -> None:
        """Who may not even ask is told that; all else is the account's to judge."""
        if self._is_denied(request, self.gate.deny_order(request)):
            return
        if self._fanout.orders is None:
            self._refuse(request, "unsupported", "this gateway takes no orders")
            return
        requester = Requester(self.gate.grant.user, self.number, self.gate.grant)
        if cause := self._fanout.submit_order(request, requester, partial(self._refuse, request)):
            self.end(cause)

    def _on_control(self, request: ControlRequest) -> None:
        controls = self._fanout.controls
        verb = controls.verb_of(request.action) if controls is not None else None
        if controls is None or verb is None:
            self._refuse(request, "unknown_action", f'there is no action "{request.action:.60}": see `gw ctl`')
        elif not self._is_denied(request, self.gate.deny_control(request, verb)):
            controls.submit(request, self.gate.operator, self._answer)

    def _answer(self, message: ServerMessage) -> None:
        """What came of something that took its time."""
        if self._is_open:
            self._writer.write_message(message)

    def _is_denied(self, request: ClientRequest, text: str) -> bool:
        if self.gate.is_exhausted:
            self.end(f"{DENIALS_MAX} requests were denied: ask for what is granted")
        elif text:
            self._refuse(request, "denied", f"{text}: ask the operator")
        return bool(text)

    def _on_subscribe(self, request: Subscribe) -> None:
        if self._is_denied(request, self.gate.deny_events(request)):
            return
        complaint = complaint_of(request, self._fanout.state.symbols())
        if complaint is None and request.on_slow not in ("conflate", "disconnect"):
            complaint = ("bad_request", f"on_slow {request.on_slow!r}: choose conflate or disconnect")
        if complaint is None and len(self._selection) >= self._fanout.settings.subscriptions_max:
            complaint = ("limit", f"{len(self._selection)} subscriptions, which is the limit: end one first")
        replay = request.from_start or request.resume is not None
        if complaint is None and self._catch_up is not None and self._catch_up.has_begun:
            complaint = ("busy", "the replay of an earlier subscription is under way: subscribe when it has ended")
        if complaint is None and replay and len(self._selection):
            complaint = ("bad_request", "replay is for the first subscription of a connection: connect anew")
        if complaint is not None:
            self._refuse(request, *complaint)
            return
        self._flush_pending()  # what the subscriptions before it made pending comes first
        self._selection.add(request)
        wants = self.gate.wants(request)
        symbols = tuple(
            symbol
            for symbol in self._fanout.state.symbols()
            if self.gate.grant.sees("reference_data", symbol, None)
            and part_wants(request.symbols, (), (), "reference_data", symbol, None)
        )
        self._writer.write_message(Subscribed(request_id=request.request_id, symbols=symbols))
        if replay:
            self._catch_up = CatchUp.plan(self._fanout, request.resume)
            for gap in self._catch_up.take_gaps():
                self._write_private(gap)
            if self._catch_up.state_of:
                self._write_state(self._selection.wants, self._catch_up.state_of)
            self._catch_up_requests = [request.request_id]
            self._fanout.wake()
            return
        if self._catch_up is not None:
            # The replay has not begun: it is for this subscription too, and what can't be replayed is told as state.
            self._write_state(wants, self._catch_up.state_of)
            self._catch_up_requests.append(request.request_id)
            return
        self._write_state(wants)
        self._end_snapshot(request.request_id)

    def _on_unsubscribe(self, request: Unsubscribe) -> None:
        if self._selection.remove(request.subscription):
            self._writer.write_message(Done(request_id=request.request_id))
        else:
            self._refuse(request, "unknown_subscription", f"there is no subscription {request.subscription}")

    def _on_snapshot(self, request: SnapshotRequest) -> None:
        if self._is_denied(request, self.gate.deny_events(request)):
            return
        complaint = complaint_of(request, self._fanout.state.symbols())
        if complaint is not None:
            self._refuse(request, *complaint)
            return
        self._flush_pending()
        self._write_state(self.gate.wants(request))
        self._end_snapshot(request.request_id)

    def _on_ping(self, request: Ping) -> None:
        self._writer.write_message(Heartbeat(request_id=request.request_id, time_ns=self._fanout.clock.now_ns()))

    def _refuse(self, request: object, code: str, text: str, request_id: int | None = None) -> None:
        request_id = getattr(request, "request_id", None) if request_id is None else request_id
        if self._is_open:  # an order may be refused when its client is long gone
            self._writer.write_message(RequestError(request_id=request_id, code=code, text=text))

    # --- records --------------------------------------------------------------------------------------------------

    def offer(self, records: list[Record], *, of_accounts: bool = True) -> None:
        """These were published; kept is what was asked for, is granted, and is not still to be read from the journal.

        `of_accounts`: some of them belong to accounts. Of most turns none does, and they are not asked about it one by one.
        """
        if of_accounts:
            records = [record for record in records if self._wants_record(record) and not self._had(record)]
        elif not self._selection.takes_all:
            wants = self._selection.wants
            records = [record for record in records if wants(record.kind, record.symbol, None)]
        size = sum(map(len, map(_payload_of, records)))
        if (
            self._catch_up is not None
            or self._dropped
            or self._pending_bytes + size > self._fanout.settings.buffer_bytes_max
        ):
            for record in records:
                if self._is_open:
                    self._offer_one(record)
        else:
            self._pending += records
            self._pending_bytes += size

    def _offer_one(self, record: Record) -> None:
        if self._catch_up is not None and not self._catch_up.is_live(record.journal_class):
            return
        if self._dropped and record.journal_class == "md":
            self._drop(record)
            return
        self._pending.append(record)
        self._pending_bytes += len(record.payload)
        if self._pending_bytes > self._fanout.settings.buffer_bytes_max:
            self._overflow()

    def _wants_record(self, record: Record) -> bool:
        return self._selection.wants(record.kind, record.symbol, account_of(record), owner_of(record))

    def _had(self, record: Record) -> bool:
        """Whether an execution record came from the journal already: it was durable there before it was told as news."""
        return 0 < record.position <= self._had_ex and record.journal_class == "ex"

    def notify(self, record: Record) -> None:
        """A notice made for clients (`Publisher.private_record`): to this one, whatever it asked for, if it asked at all."""
        self._fanout.share()
        if len(self._selection):
            self._pending.append(record)
            self._pending_bytes += len(record.payload)
            self._fanout.wake()

    def _overflow(self) -> None:
        # A notice (without a sequence) is kept too: it may be about what is dropped here.
        rest = [record for record in self._pending if record.journal_class != "md" or not record.sequence]
        rest_bytes = sum(len(record.payload) for record in rest)
        limit = self._fanout.settings.buffer_bytes_max
        if not self._selection.conflates or rest_bytes > limit // 2:
            self._fanout.count_cut("slow")
            self.end(f"too slow: more than {limit} bytes were waiting; read faster, ask for less, or resume later")
            return
        self._fanout.conflations += 1
        for record in self._pending:
            if record.journal_class == "md" and record.sequence:
                self._drop(record)
        self._pending = rest
        self._pending_bytes = rest_bytes

    def _drop(self, record: Record) -> None:
        self._fanout.dropped += 1
        _, first, _, count = self._dropped.get(record.partition, ("", record.sequence, 0, 0))
        self._dropped[record.partition] = (record.session_id, first, record.sequence, count + 1)

    def flush(self) -> None:
        """Write what is pending, unless the writer is full."""
        self._flush_pending()
        if self._catch_up is not None and not self._is_paused and self._is_open:
            self._read_journal(self._catch_up)

    def _flush_pending(self) -> None:
        # Without the journal: a client that comes back sends all its subscriptions at once, and the replay is for all.
        if self._is_paused or not self._is_open:
            return
        if self._pending:
            records, self._pending = self._pending, []
            self._pending_bytes = 0
            self._write(records)
        if self._dropped and not self._is_paused:
            self._end_conflation()

    def _end_conflation(self) -> None:
        dropped, self._dropped = self._dropped, {}
        for gap in conflation_gaps(dropped):
            self._write_private(gap)
        self._write_state(
            lambda kind, symbol, account, owner=None: (
                account is None
                and kind not in ("stream_status", "gateway_status")
                and self._selection.wants(kind, symbol, account)
            )
        )

    def _read_journal(self, catch_up: CatchUp) -> None:
        records = catch_up.read(CATCH_UP_RECORDS, self._wants_record)
        self._had_ex = max(self._had_ex, catch_up.ex_position)
        if records:
            self._write(records)
        for gap in catch_up.take_gaps():
            self._write_private(gap)
        if lost := catch_up.take_lost():
            self._write_state(self._selection.wants, lost)
        if catch_up.is_done:
            self._catch_up = None
            for request_id in self._catch_up_requests:
                self._end_snapshot(request_id)
        else:
            self._fanout.wake()

    def _end_snapshot(self, request_id: int) -> None:
        sessions = self._fanout.positions()
        for record in reversed(self._pending):  # of a class that was done before another: it comes behind this
            if record.sequence:
                sessions[record.partition] = (record.session_id, record.sequence - 1)
        self._writer.write_message(SnapshotEnd(request_id=request_id, sessions=sessions))

    def _write(self, records: list[Record]) -> None:
        self.events_sent += len(records)
        self._writer.write_events(records)

    def _write_private(self, gap: Gap) -> None:
        publisher = self._fanout.publisher
        # Not made for the asking: a token may name what is not there, or not there yet.
        partition = publisher.partitions.get(gap.partition or "st") or publisher.partition("st")
        self._writer.write_events([publisher.private_record(partition, gap)])

    def _write_state(self, wanted: Wants, partitions: Container[str] | None = None) -> None:
        publisher = self._fanout.publisher
        records = [
            publisher.private_record(partition, event)
            for partition, event in self._fanout.state.events(wanted)
            if partitions is None or partition.name in partitions
        ]
        if records:
            self._write(records)
