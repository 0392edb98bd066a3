"""OrderSender: the way of a request out: its turn, its form, on disk, on the wire; and how long its answer may take. Pure.

What became of it is the desk's (`Fates`). Nothing here ever sends anything twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from gwcore.engine.orders.acks import OrderAcks
from gwcore.engine.orders.lanes import OrderLanes, age_s
from gwcore.engine.orders.order import Ask, OwnOrder, Parcel, Stage
from gwcore.engine.orders.outbound import outbound_of
from gwcore.engine.orders.outbox import DeskOutbox
from gwcore.engine.orders.ports import OrderPace, Refusal
from gwcore.errors import Unsupported, VenueError
from gwcore.model import AckStatus, CancelAllAfter, CreateOrder, Fate, ModifyOrder, OrderError
from gwcore.venue import AccountMessage, Orders, RequestKind

NANOSECONDS: Final = 1_000_000_000
#: A cancel waits no longer than this for a journal that is slow: it can't make an order.
CANCEL_SYNC_S: Final = 0.25
#: Requests of one account that wait: for the venue's counters, or for an answer to the one before them. More are refused,
#: but cancels, of which there is room for as many again.
REQUESTS_MAX: Final = 1000
#: Requests about the whole account whose answer did not come and may still come late.
LATE_MAX: Final = 1000


class Fates(Protocol):
    """Who decides what became of a request."""

    def end(self, ask: Ask, fate: Fate, *, error: OrderError | None = None, text: str = "") -> None:
        """It is known."""
        ...

    def doubt(self, ask: Ask, error: OrderError, text: str) -> None:
        """It is not."""
        ...

    def on_flow(self, parcel: Parcel, result: Sequence[AccountMessage] | VenueError, now_ns: int) -> None:
        """What came of the HTTP flow of requests."""
        ...

    def note_forwarded(self, ask: Ask) -> None:
        """It is told, and about to leave."""
        ...


class OrderSender:
    """Of one account."""

    def __init__(self, outbox: DeskOutbox, acks: OrderAcks, pace: OrderPace, fates: Fates) -> None:
        self.orders: Orders | None = None  # of the connection
        self.rest: Orders | None = None  # for where there is none
        self.is_ready = False  # the account's state is known: all may leave, not cancels alone
        self.pace = pace
        #: The guard's last word about a create or a change of a user (user, account, symbol) whose turn has come.
        self.check_turn: Callable[[str, str, str], Refusal | None] = _let_leave
        self.spends = 0  # requests that the venue's counters were charged for
        self.now_ns = 0
        self._outbox = outbox
        self._acks = acks
        self._fates = fates
        self._lanes = OrderLanes(pace)
        self._waiting: dict[Ask, None] = {}  # not staged yet, in a lane or behind another one, oldest first
        self._staged: dict[Ask, None] = {}
        self._staged_exits: dict[Ask, None] = {}  # those of them that may leave before they are durable, oldest first
        self._sent: dict[Ask, None] = {}  # by WebSocket or REST, not answered, oldest first
        self._by_wire: dict[int, Parcel] = {}
        self._wire_id = 0

    @property
    def way(self) -> Orders | None:
        """How requests leave now."""
        return self.orders or self.rest

    @property
    def waiting(self) -> int:
        """Requests that were taken and are not answered, those in doubt apart."""
        return len(self._waiting) + len(self._staged) + len(self._sent)

    def is_full(self, *, is_exit: bool) -> bool:
        """Whether no more requests are taken: none that cancels (`is_exit`), or none of the others."""
        return len(self._waiting) >= REQUESTS_MAX * (2 if is_exit else 1)

    def of_wire(self, wire_id: int, place: int | None) -> list[Ask]:
        """Requests that left under this number (all, or the one at a place of the batch) and are not known to have ended."""
        parcel = self._by_wire.get(wire_id)
        if parcel is None:
            return []
        asks = parcel.asks if place is None else parcel.asks[place : place + 1]
        return [ask for ask in asks if ask.stage is not Stage.ENDED]

    def take_unanswered(self) -> list[Ask]:
        """The connection is gone: what left on it and was not answered."""
        self.orders = None
        return [ask for ask in self._sent if not ask.by_rest]

    def on_halt(self, cause: str, now_ns: int) -> None:
        """The account ended until the operator acts: nobody's turn comes any more, and nothing that left is waited for."""
        self.now_ns = now_ns
        for ask in list(self._waiting):
            if ask.stage is Stage.WAITING:  # not ended with the one before it
                self._fates.end(ask, Fate.NOT_DONE, error=OrderError.NOT_READY, text=f"it did not leave: {cause}")
        for ask in list(self._sent):
            self._fates.doubt(ask, OrderError.DISCONNECTED, f"the answer did not come: {cause}")

    def forget(self, ask: Ask) -> None:
        """It ended."""
        self._waiting.pop(ask, None)
        self._lanes.remove(ask)
        self._unstage(ask)
        self._sent.pop(ask, None)
        parcel = ask.parcel
        if parcel is not None and all(one is ask or one.stage is Stage.ENDED for one in parcel.asks):
            self._by_wire.pop(parcel.wire_id, None)
        if ask.order is not None:
            ask.order.drop(ask)

    def _unstage(self, ask: Ask) -> None:
        self._staged.pop(ask, None)
        self._staged_exits.pop(ask, None)

    def note_doubt(self, ask: Ask) -> None:
        """Its answer is not waited for any more; one that comes late still counts."""
        self._sent.pop(ask, None)
        firsts = [parcel.asks[0] for parcel in self._by_wire.values()]
        late = [one for one in firsts if one.order is None and one.stage is Stage.UNKNOWN]
        for one in late[:-LATE_MAX]:
            self.forget(one)

    def take(self, ask: Ask) -> Refusal | None:
        """A request that was checked begins its way."""
        order = ask.order
        if order is None:
            self._waiting[ask] = None
            self._lanes.add(ask)
            return None
        if ask.kind is RequestKind.CANCEL and self._overtake(order, ask):
            return None
        if not order.enqueue(ask):
            text = f"{len(order.waiting)} requests of order {order.order_id} wait already: wait for their answers"
            return Refusal(OrderError.TOO_MANY_REQUESTS, text)
        self._waiting[ask] = None
        self.advance(order)
        return None

    def _overtake(self, order: OwnOrder, cancel: Ask) -> bool:
        """A cancel while another request of the order has not left yet. True: the order itself never leaves."""
        first = order.active
        if first is None or first.stage is not Stage.WAITING or first.kind is RequestKind.CANCEL:
            return False
        self._lanes.remove(first)
        if first.kind is RequestKind.MODIFY:
            order.active = None
            order.waiting.appendleft(first)
            return False
        self._fates.end(first, Fate.NOT_DONE, error=OrderError.ORDER_DONE, text="it was cancelled before it left")
        self._fates.end(cancel, Fate.DONE)
        return True

    def advance(self, order: OwnOrder) -> None:
        """The turn of the next request of an order, where none of it is on its way."""
        ask = order.next()
        if ask is not None:
            self._lanes.add(ask)

    def pump(self, now_ns: int) -> None:
        """Let leave what may leave."""
        self.now_ns = now_ns
        way = self.way
        self._lanes.batches_cancels = way is not None and _takes_cancels_together(way)
        while (ask := self._lanes.take(now_ns)) is not None:
            asks = [one for one in (ask, *self._mates(ask)) if self._still(one)]
            if asks:
                self._stage(asks)

    def queue_ns(self, symbol: str, user: str, now_ns: int) -> int:
        """How long a new order would wait for its turn, about."""
        queued = self._lanes.queued(symbol, user)
        return self.pace.queue_ns(RequestKind.CREATE, symbol, queued, user, now_ns)

    def _mates(self, ask: Ask) -> list[Ask]:
        """What of its batch leaves with a request."""
        way = self.way
        if ask.batch is None or way is None or ask.is_check or ask.order is None:
            return []
        if ask.kind is RequestKind.CREATE and hasattr(way, "create_orders"):
            mates = self._lanes.take_mates(ask, way.abilities.batch_max - 1, one_symbol=True)
            kind, count = RequestKind.CREATE_BATCH, 1 + len(mates)
            if self.pace.wait_ns(kind, ask.order.symbol, 0.0, count, ask.user, self.now_ns) > 0:
                for one in mates:
                    self._lanes.add(one)
                return []
            return mates
        if ask.kind is RequestKind.CANCEL and _takes_cancels_together(way):
            return self._lanes.take_mates(ask, way.abilities.cancel_batch_max - 1, one_symbol=False)
        return []

    def _still(self, ask: Ask) -> bool:
        """Whether a request still makes sense now that its turn has come; told where it does not."""
        refusal = self._last_look(ask)
        if refusal is not None:
            self._fates.end(ask, Fate.NOT_DONE, error=refusal.error, text=refusal.text)
        return refusal is None

    def _stage(self, asks: list[Ask]) -> None:
        """Their turn: tell them, and have them leave together when that is durable."""
        parcel = self._encode(asks)
        if isinstance(parcel, Refusal):
            if len(asks) > 1:  # one of them is not for this venue: the others go by themselves
                for ask in asks:
                    self._stage([ask])
            else:
                self._fates.end(asks[0], Fate.NOT_DONE, error=parcel.error, text=parcel.text)
            return
        for ask in asks:
            order = ask.order
            if order is not None:
                order.requests += ask.kind is not RequestKind.CREATE
                ask.version = order.requests
                if ask.kind is RequestKind.CREATE and not ask.is_check:
                    self._outbox.publish(order.update)
            ask.stage, ask.staged_ns = Stage.STAGED, self.now_ns
            self._waiting.pop(ask, None)
            self._acks.tell(ask, AckStatus.FORWARDED, asked=ask.request)
            self._fates.note_forwarded(ask)
            self._spend(ask, is_batch=len(asks) > 1)
            self._staged[ask] = None
            if ask.is_exit:
                self._staged_exits[ask] = None
        if asks[0].is_exit and self._outbox.journal_failed():
            self._leave(asks[0], self.now_ns)
        else:
            self._outbox.barrier(partial(self._leave, asks[0]))

    def _spend(self, ask: Ask, *, is_batch: bool) -> None:
        if isinstance(ask.request, CancelAllAfter):
            return  # it asks for a timer, and cancels nothing now
        kind = _BATCHED.get(ask.kind, ask.kind) if is_batch else ask.kind
        symbol = ask.order.symbol if ask.order is not None else ""
        self.spends += 1
        self.pace.spent(kind, symbol, age_s(ask, self.now_ns), 1, ask.user, self.now_ns)

    def _last_look(self, ask: Ask) -> Refusal | None:
        order, request = ask.order, ask.request
        if self.way is None or not (self.is_ready or ask.is_exit):
            return Refusal(OrderError.NOT_READY, "the connection of the account ended before this left")
        if order is not None and order.is_done:
            return Refusal(OrderError.ORDER_DONE, f"the order is {order.update.order_status.value} already")
        if self._is_late(ask):
            return _LATE
        if order is None:
            return None
        if isinstance(request, CreateOrder):
            return self.check_turn(ask.user, request.account, order.symbol)
        version = getattr(request, "version", None)
        if version is not None and version != order.version:
            return Refusal(OrderError.VERSION, f"the order is at version {order.version}, not {version}: look again")
        return self.check_turn(ask.user, request.account, order.symbol) if isinstance(request, ModifyOrder) else None

    def _is_late(self, ask: Ask) -> bool:
        deadline_ns = _deadline_ns(ask)
        return deadline_ns is not None and self._outbox.wall_ns() >= deadline_ns

    def _encode(self, asks: list[Ask]) -> Parcel | Refusal:
        """Requests in the venue's form, by the connection that is there now."""
        way = self.way
        assert way is not None
        self._wire_id += 1
        try:
            outbound = outbound_of(way, asks, self._wire_id)
        except Unsupported as error:
            return Refusal(OrderError.UNSUPPORTED, str(error))
        except Exception as error:  # a plugin's error is this request's alone; nothing was written, so nothing left
            text = f"the venue's plugin can't write it, and nothing left: {type(error).__name__}: {error}"
            return Refusal(OrderError.INTERNAL, text)
        parcel = Parcel(asks, self._wire_id, way, outbound)
        for ask in asks:
            ask.parcel, ask.by_rest = parcel, not isinstance(outbound, bytes)
        return parcel

    def _leave(self, first: Ask, now_ns: int) -> None:
        """It is durable, and what is in its parcel too: now they leave, or never do."""
        self.now_ns = now_ns
        parcel = first.parcel
        if first.stage is not Stage.STAGED or parcel is None:
            return
        for ask in parcel.asks:
            self._unstage(ask)
        asks, parcel = self._renewed(parcel)
        if parcel is None:
            self.pump(now_ns)
            return
        for ask in asks:
            self._note_sent(ask, parcel.way, now_ns)
        self._by_wire[parcel.wire_id] = parcel
        outbound, parcel.outbound = parcel.outbound, None
        if isinstance(outbound, bytes):
            self._outbox.send(outbound)
        elif outbound is not None:
            self._outbox.run_request(outbound, partial(self._fates.on_flow, parcel))

    def _note_sent(self, ask: Ask, way: Orders, now_ns: int) -> None:
        ask.stage, ask.sent_ns = Stage.SENT, now_ns
        settle_s = way.limits.settle_s + way.limits.answer_timeout_s
        deadline_ns = getattr(ask.request, "deadline_ns", None) or 0
        ask.due_ns = max(self._outbox.wall_ns(), deadline_ns) + int(settle_s * NANOSECONDS)
        if ask.order is not None and not ask.is_exit:
            ask.order.taken_ns = now_ns  # once more when it is answered: the venue counts from some time between
        self._sent[ask] = None

    def _renewed(self, parcel: Parcel) -> tuple[list[Ask], Parcel | None]:
        """What of it leaves, after the time that the disk took; the rest is told. None: nothing.

        Where the connection changed, cancels go another way, and all else never leaves; nor what was halted, or is late.
        """
        asks = parcel.asks
        renewed: Parcel | Refusal = parcel
        if parcel.way is not self.way:
            renewed = self._encode(asks) if asks[0].is_exit and self.way is not None else _CONNECTION_ENDED
        elif not asks[0].is_exit and len(left := [ask for ask in asks if self._still(ask)]) < len(asks):
            asks, renewed = left, self._encode(left) if left else _CONNECTION_ENDED
        if isinstance(renewed, Parcel):
            return asks, renewed
        for ask in asks:
            self._fates.end(ask, Fate.NOT_DONE, error=renewed.error, text=renewed.text)
        return [], None

    # --- time ---------------------------------------------------------------------------------------------------------

    def on_timer(self, now_ns: int) -> None:
        """Answers that did not come, turns that did not, and cancels that have waited long enough for the journal."""
        self.now_ns = now_ns
        for ask in [ask for ask in self._waiting if self._is_late(ask)]:
            self._fates.end(ask, Fate.NOT_DONE, error=_LATE.error, text=_LATE.text)
        for ask in [ask for ask in self._sent if self._timeout_ns(ask) <= now_ns]:
            self._fates.doubt(ask, OrderError.TIMEOUT, "no answer came in time")
        sync_ns = int(CANCEL_SYNC_S * NANOSECONDS)
        for ask in [ask for ask in self._staged_exits if now_ns - ask.staged_ns >= sync_ns]:
            self._leave(ask, now_ns)
        self.pump(now_ns)

    def _timeout_ns(self, ask: Ask) -> int:
        timeout_s = ask.parcel.way.limits.answer_timeout_s if ask.parcel is not None else 0.0
        return ask.sent_ns + int(timeout_s * NANOSECONDS)

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do; None: nothing planned."""
        times = [self._timeout_ns(ask) for ask in itertools.islice(self._sent, 1)]
        sync_ns = int(CANCEL_SYNC_S * NANOSECONDS)
        times += [ask.staged_ns + sync_ns for ask in itertools.islice(self._staged_exits, 1)]
        if self._lanes.wake_ns is not None:
            times.append(self._lanes.wake_ns)
        deadlines = [at_ns for ask in self._waiting if (at_ns := _deadline_ns(ask)) is not None]
        if deadlines:
            times.append(self.now_ns + max(0, min(deadlines) - self._outbox.wall_ns()))
        return min(times, default=None)

    def on_journal(self, cause: str, now_ns: int) -> None:
        """Records can't be made durable: what waits for that and opens something never leaves, cancels go."""
        self.now_ns = now_ns
        for ask in list(self._staged) if cause else ():
            if ask.is_exit:
                self._leave(ask, now_ns)
                continue
            text = f"it did not leave: {cause}"
            if ask.reply is not None:  # the event about it waits for the same disk
                ask.reply(OrderError.JOURNAL.value.lower(), text, ask.request.request_id)
            self._fates.end(ask, Fate.NOT_DONE, error=OrderError.JOURNAL, text=text)
        self.pump(now_ns)


def _let_leave(user: str, account: str, symbol: str) -> Refusal | None:
    return None


def _takes_cancels_together(way: Orders) -> bool:
    return hasattr(way, "cancel_orders") and way.abilities.cancel_batch_max > 1


def _deadline_ns(ask: Ask) -> int | None:
    """The wall clock's time after which a request is not to leave any more."""
    return getattr(ask.request, "deadline_ns", None)


_LATE: Final = Refusal(OrderError.DEADLINE, "its deadline passed before its turn came: it did not leave")
_CONNECTION_ENDED: Final = Refusal(OrderError.DISCONNECTED, "the connection ended before this left: nothing was sent")
#: What the venue's counters call a request that leaves with others.
_BATCHED: Final = {RequestKind.CREATE: RequestKind.CREATE_BATCH, RequestKind.CANCEL: RequestKind.CANCEL_BATCH}
