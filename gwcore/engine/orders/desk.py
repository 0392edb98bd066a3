"""OrderDesk: all requests about orders of one account, from the client's word to what became of it. Pure.

A request is checked, told and written (FORWARDED), leaves once that is durable, and ends by evidence: `engine/orders.py` says
what counts as such. What can't be known yet is UNKNOWN, is asked for, and nothing is ever sent a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from gwcore.engine.accounts.orders import OrderTable
from gwcore.engine.orders.account_doubts import AccountDoubts, Reconciled
from gwcore.engine.orders.acks import OrderAcks
from gwcore.engine.orders.doubts import OrderDoubts
from gwcore.engine.orders.forecast import OrderForecast
from gwcore.engine.orders.order import Ask, OwnOrder, Parcel, Stage, changes, judge
from gwcore.engine.orders.outbox import DeskOutbox
from gwcore.engine.orders.owners import OwnOrders
from gwcore.engine.orders.ports import Chore, OrderPace
from gwcore.engine.orders.sender import OrderSender
from gwcore.errors import VenueError, VenueUnavailable
from gwcore.model import (
    AckStatus,
    CancelAllAfter,
    CancelOrder,
    CreateOrder,
    Discrepancy,
    Fate,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderUpdate,
    Origin,
    RateLimit,
    RateLimitsUpdate,
)
from gwcore.venue import (
    AccountMessage,
    AccountSnapshot,
    OrderAnswer,
    Orders,
)

NANOSECONDS: Final = 1_000_000_000
#: UNKNOWN as an end: of a request about the account that nothing will ever tell of.
_STATUS_OF: Final = {
    Fate.DONE: AckStatus.ACCEPTED,
    Fate.NOT_DONE: AckStatus.REJECTED,
    Fate.UNKNOWN: AckStatus.UNKNOWN,
}
#: With these words the venue says of an order to be cancelled that it is not open.
_GONE: Final = (OrderError.UNKNOWN_ORDER, OrderError.ORDER_DONE)


class OrderDesk:
    """Of one account. `found` takes what the venue lists of an order into the state. `want_check`: see `AccountDoubts`."""

    def __init__(
        self,
        account: str,
        outbox: DeskOutbox,
        table: OrderTable,
        own: OwnOrders,
        pace: OrderPace,
        together: Reconciled,
        found: Callable[[AccountSnapshot, int], None],
        want_check: Callable[[int], None],
    ) -> None:
        self.account = account
        self.own = own
        self.acks = OrderAcks(account, outbox)
        self.doubts = OrderDoubts()
        self.sender = OrderSender(outbox, self.acks, pace, self)
        self.account_doubts = AccountDoubts(table, own, outbox.wall_ns, together, want_check, self.end)
        self.chores: list[Chore] = [OrderForecast(account, outbox, self.sender), self.account_doubts]
        self.was_ready = False
        self.late_answers = self.rate_refusals = 0
        self._outbox = outbox
        self._table = table
        self._found = found
        self._touch = together.touch
        self.now_ns = 0

    def listed(self, venue_order_id: str) -> OrderUpdate | None:
        """An order of the account as it is known, whoever placed it; None: there is none, or it ended."""
        order = self._table.orders.get(venue_order_id)
        return None if order is None or order.is_done else order.update

    def open_in(self, symbol: str, count_max: int) -> int:
        """Orders of a symbol that are, or may be, open, whoever placed them; counted only where there may be so many."""
        if len(self._table.open_ids) + self.own.live_count < count_max:
            return 0
        foreign = sum(1 for one in self.external() if one.symbol == symbol)
        return foreign + sum(1 for one in self.own.live() if one.symbol == symbol and not one.is_foreign)

    def external(self) -> list[OrderUpdate]:
        """Open orders that were placed elsewhere."""
        updates = [self._table.orders[key].update for key in self._table.open_ids]
        return [one for one in updates if one.external and one.order_status is not OrderStatus.UNKNOWN]

    # --- after a restart ----------------------------------------------------------------------------------------------

    def resume_left(self, published_ns: int, now_ns: int) -> None:
        """The last request of an earlier life left then, by the wall clock; the venue still counts it."""
        self.sender.pace.assume(self.monotonic_of(published_ns, now_ns))

    def monotonic_of(self, published_ns: int, now_ns: int) -> int:
        """A wall clock's time of an earlier life, by the monotonic clock of this one."""
        return now_ns - max(0, self._outbox.wall_ns() - published_ns)

    @property
    def is_ready(self) -> bool:
        """Whether orders can be placed."""
        return self.sender.is_ready

    # --- the connection -----------------------------------------------------------------------------------------------

    def on_open(self, orders: Orders, now_ns: int) -> None:
        """A connection is there; its requests go by `orders`."""
        self.now_ns = now_ns
        self.sender.orders = orders
        self.sender.pace.configure(orders.limits)

    def on_ready(self, now_ns: int) -> None:
        """The account's state is known."""
        self.sender.is_ready = self.was_ready = True
        self.doubts.hurry(now_ns)
        self.settle(now_ns)

    def on_close(self, now_ns: int) -> None:
        """The connection is gone: what left on it and was not answered is in doubt."""
        self.now_ns = now_ns
        self.sender.is_ready = False
        for ask in self.sender.take_unanswered():
            self.doubt(ask, OrderError.DISCONNECTED, "the connection ended before the answer came")
        self.sender.pump(now_ns)

    def on_timer(self, now_ns: int) -> None:
        """What is due."""
        self.now_ns = now_ns
        self.sender.on_timer(now_ns)
        if (order := self.doubts.take(now_ns)) is not None:
            self._ask_venue(order)
        for chore in self.chores:
            chore.on_timer(now_ns)

    def times(self) -> list[int]:
        """When `on_timer` has something to do."""
        times = (self.sender.next_ns(), self.doubts.next_ns(), *(chore.next_ns() for chore in self.chores))
        return [at_ns for at_ns in times if at_ns is not None]

    # --- answers ------------------------------------------------------------------------------------------------------

    def on_flow(self, parcel: Parcel, result: Sequence[AccountMessage] | VenueError, now_ns: int) -> None:
        """What came of the HTTP flow that requests left by."""
        self.now_ns = now_ns
        if isinstance(result, VenueError):
            error, text = OrderError.INTERNAL, str(result)
            if isinstance(result, VenueUnavailable):
                error = OrderError.DISCONNECTED
        else:
            error, text = OrderError.OTHER, "the venue's answer does not say what became of it"
            for message in result:
                if isinstance(message, OrderAnswer):
                    self.on_answer(message, now_ns)
        for ask in parcel.asks:
            if ask.stage is Stage.SENT:
                self.doubt(ask, error, text)
        self.sender.pump(now_ns)

    def on_answer(self, answer: OrderAnswer, now_ns: int) -> None:
        """What the venue says to a request. Late ones count as far as they are news."""
        self.now_ns = now_ns
        asks = self.sender.of_wire(answer.request_id, answer.order)
        if not asks:
            self.late_answers += 1
        for ask in asks:
            if answer.error is OrderError.RATE_LIMIT:
                self.rate_refusals += 1
                self._slow_down(ask, answer)
            if answer.fate is Fate.UNKNOWN:
                self.doubt(ask, answer.error or OrderError.OTHER, answer.text)
                continue
            if answer.fate is Fate.DONE:
                self._done(ask, answer.venue_order_id)
            self.end(ask, answer.fate, origin=Origin.VENUE, answer=answer)

    def on_limits(self, news: RateLimitsUpdate, now_ns: int) -> tuple[RateLimit, ...]:
        """The venue says where its counters stand; one of a symbol is named `counter.SYMBOL`. Those no forecast tells of."""
        untold = []
        for limit in news.limits:
            name, _, symbol = limit.name.partition(".")
            is_told = limit.value is not None and self.sender.pace.corrected(
                name, symbol or None, float(limit.value), now_ns
            )
            if not is_told:
                untold.append(limit)
        return tuple(untold)

    def _slow_down(self, ask: Ask, answer: OrderAnswer) -> None:
        retry_ns = None
        if answer.retry_at_ns is not None:
            retry_ns = self.now_ns + max(0, answer.retry_at_ns - self._outbox.wall_ns())
        self.sender.pace.refused(ask.order.symbol if ask.order else "", self.now_ns, retry_ns)

    def _done(self, ask: Ask, venue_order_id: str | None) -> None:
        """The venue took it: what follows from that alone. All else is the stream's to tell."""
        order, request = ask.order, ask.request
        if order is None or ask.is_check:
            return
        facts: dict[str, str | int | None] = {}
        if isinstance(request, ModifyOrder):
            order.version = ask.version or order.version
            facts = {"version": order.version, **changes(request, order.update)}
        if not ask.is_exit:
            order.taken_ns = self.now_ns
        order.was_seen = True
        key = order.venue_order_id or (venue_order_id if isinstance(request, CreateOrder) else None)
        if key is None:
            self.change(order, facts)
            return
        whole = self._table.adopt(key, order.update, **facts)
        self._touch(key)  # fills that came before may be told now
        if whole is not None:
            self.own.note(order, whole)
            self._outbox.publish(whole)

    def change(self, order: OwnOrder, facts: Mapping[str, object]) -> None:
        """Something of an order that the table does not know."""
        if facts:
            self.own.note(order, msgspec.structs.replace(order.update, **facts, origin=Origin.GATEWAY))
            self._outbox.publish(order.update)

    def end(
        self,
        ask: Ask,
        fate: Fate,
        *,
        origin: Origin = Origin.GATEWAY,
        error: OrderError | None = None,
        text: str = "",
        answer: OrderAnswer | None = None,
        count: int | None = None,
    ) -> None:
        """What became of a request is known."""
        was_told = ask.stage is not Stage.WAITING
        was_unknown = ask.stage is Stage.UNKNOWN
        self.sender.forget(ask)
        ask.stage = Stage.ENDED
        order = ask.order
        is_done = fate is Fate.DONE
        if order is None:
            self.account_doubts.remove(ask)
            if is_done and isinstance(ask.request, CancelAllAfter):
                self.account_doubts.on_timer_accepted(ask)
        if answer is not None:
            error, text = answer.error, answer.text
        if order is not None and isinstance(ask.request, CreateOrder) and not is_done and not ask.is_check:
            order.is_given_up = error is OrderError.NOT_FOUND
            if was_told and not order.was_seen:
                self.change(order, {"order_status": OrderStatus.REJECTED, "reason": text or (error and error.value)})
            elif not was_told:
                # Whoever waits for it is told too; nobody else ever heard of it.
                order.update = msgspec.structs.replace(order.update, order_status=OrderStatus.REJECTED)
                self.own.remove(order)
        self.acks.tell(
            ask,
            _STATUS_OF[fate],
            origin=origin,
            fate=fate,
            error=error,
            text=text,
            retryable=answer.retryable if answer is not None and not is_done else None,
            retry_at_ns=answer.retry_at_ns if answer is not None else None,
            count=answer.number_of_orders if answer is not None else count,
            venue_time_ns=answer.venue_time_ns if answer is not None else None,
            now_ns=self.now_ns,
        )
        if ask.group is not None:
            ask.group.unknown -= was_unknown
            if not is_done and order is not None and not order.is_done and error not in _GONE:
                ask.group.failed = ask.group.failed or (error, text)
            self.acks.count(ask, is_done=is_done)
        if order is not None:
            self._after(order)

    def _after(self, order: OwnOrder) -> None:
        """A request of the order ended: the next one's turn, or nobody's any more."""
        if not order.doubts:
            self.doubts.remove(order)
        if order.is_done:
            while order.waiting:
                text = f"the order is {order.update.order_status.value} already"
                self.end(order.waiting[0], Fate.NOT_DONE, error=OrderError.ORDER_DONE, text=text)
        self.sender.advance(order)

    # --- doubt --------------------------------------------------------------------------------------------------------

    def doubt(self, ask: Ask, error: OrderError, text: str) -> None:
        """It may have been taken, or not. Told, and asked for."""
        if ask.stage is Stage.ENDED or ask.stage is Stage.UNKNOWN:
            return
        order = ask.order
        if ask.is_check:
            self.end(ask, Fate.NOT_DONE, error=error, text=f"{text}: nothing was to be placed")
            return
        verdict = judge(ask, is_final=False)
        if verdict is not None:
            self._prove(ask, *verdict, Origin.RECONCILIATION)
            return
        ask.stage = Stage.UNKNOWN
        self.sender.note_doubt(ask)
        self.acks.tell(ask, AckStatus.UNKNOWN, fate=Fate.UNKNOWN, error=error, text=text)
        if order is None:
            self.account_doubts.add(ask, self.now_ns)
            return
        order.doubt(ask)
        self.doubts.add(order, self.now_ns)
        if isinstance(ask.request, CreateOrder):
            self.change(order, {"order_status": OrderStatus.UNKNOWN, "reason": text or error.value})
        if ask.group is not None:
            ask.group.unknown += 1
            self.acks.tell_group(ask)
        self.sender.advance(order)

    def note_forwarded(self, ask: Ask) -> None:
        """It is told, and about to leave."""
        if ask.order is None:
            self.account_doubts.name(ask)

    def settle(self, now_ns: int) -> None:
        """The venue told of orders: what that proves of their requests."""
        self.now_ns = now_ns
        while self.own.touched:
            touched, self.own.touched = self.own.touched, {}
            for order in touched:
                self._settle(order, is_final=False)
        self.account_doubts.settle()
        self.sender.pump(now_ns)

    def _settle(self, order: OwnOrder, *, is_final: bool, asked_ns: int = 0, listed: object = None) -> None:
        if order.is_given_up and order.was_seen:
            order.is_given_up = False
            self._outbox.publish(
                Discrepancy(
                    account=self.account,
                    symbol=order.symbol,
                    subject=f"order {order.venue_order_id}, placed as {order.order_id}",
                    expected=OrderError.NOT_FOUND.value,
                    found=order.update.order_status.value,
                )
            )
        origin = order.update.origin if order.was_seen else Origin.RECONCILIATION
        first = order.active
        if first is not None and first.stage is Stage.SENT and self._is_proof(first, order):
            self.end(first, Fate.DONE, origin=origin)
        for ask in tuple(order.doubts):
            verdict = judge(
                ask,
                is_final=is_final and asked_ns >= ask.due_ns,
                listed=listed,  # type: ignore[arg-type]
            )
            if verdict is not None:
                self._prove(ask, *verdict, origin)
        self._after(order)

    def _prove(self, ask: Ask, fate: Fate, error: OrderError | None, origin: Origin) -> None:
        if fate is Fate.DONE:
            self._done(ask, None)
        self.end(ask, fate, error=error, origin=origin)

    @staticmethod
    def _is_proof(ask: Ask, order: OwnOrder) -> bool:
        """Whether the order's state is an answer to a request that waits for one."""
        if isinstance(ask.request, CreateOrder):
            return order.was_seen
        return isinstance(ask.request, CancelOrder) and order.update.order_status is OrderStatus.CANCELED

    def _ask_venue(self, order: OwnOrder) -> None:
        way = self.sender.rest or self.sender.orders
        if way is None:
            self.doubts.answered(self.now_ns, None)
            return
        asked_ns = self._outbox.wall_ns()
        self._outbox.run_request(way.find_order(order.key), partial(self._on_found, order, asked_ns))

    def _on_found(self, order: OwnOrder, asked_ns: int, result: AccountSnapshot | VenueError, now_ns: int) -> None:
        self.now_ns = now_ns
        if not isinstance(result, VenueError):
            self._found(result, now_ns)
            rows = [*(result.orders or ()), *result.closed]
            self._settle(order, is_final=True, asked_ns=asked_ns, listed=rows[-1] if rows else None)
            self.settle(now_ns)
        due_ns = max((ask.due_ns for ask in order.doubts), default=0) - self._outbox.wall_ns()
        self.doubts.answered(now_ns, due_ns if due_ns > 0 else None)
        self.sender.pump(now_ns)
