"""OrderAcks: tells what became of requests, numbers them, and keeps refusals from filling the journal. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gwcore.engine.orders.order import Ask, Reply, Stage, verb_of
from gwcore.engine.orders.outbox import DeskOutbox
from gwcore.engine.orders.ports import Refusal
from gwcore.model import AckStatus, CancelAllAfter, Fate, OrderAck, OrderError, OrderRequest, Origin

#: Refusals that become events of the account: so many at once, and so many a second. The rest goes to the client alone.
REFUSALS_MAX: Final = 200
REFUSALS_PER_S: Final = 20.0
NANOSECONDS: Final = 1_000_000_000
#: Longest text of a venue that is kept.
TEXT_MAX: Final = 500


class OrderAcks:
    """Of one account."""

    def __init__(self, account: str, outbox: DeskOutbox) -> None:
        self._account = account
        self._outbox = outbox
        self._room: float = REFUSALS_MAX
        self._room_ns = 0
        self.last_number = 0
        #: Of requests for the venue's dead-man timer: user, seconds, status, and when it was written (monotonic).
        self.heed_timer: Callable[[str, int, AckStatus, int], None] = lambda user, timeout_s, status, written_ns: None
        self.refused = 0

    def number(self) -> int:
        """A number that this account never used: the time, and never the same."""
        self.last_number = max(self.last_number + 1, self._outbox.wall_ns())
        return self.last_number

    def tell(
        self,
        ask: Ask,
        status: AckStatus,
        *,
        origin: Origin = Origin.GATEWAY,
        fate: Fate | None = None,
        error: OrderError | None = None,
        text: str = "",
        retryable: bool | None = None,
        retry_at_ns: int | None = None,
        count: int | None = None,
        venue_time_ns: int | None = None,
        now_ns: int = 0,
        asked: OrderRequest | None = None,
    ) -> None:
        """An ack about a request."""
        order = ask.order
        if isinstance(ask.request, CancelAllAfter):
            self.heed_timer(ask.user, ask.request.timeout_s, status, ask.staged_ns)
        answered = origin is Origin.VENUE and ask.sent_ns > 0
        self._outbox.publish(
            OrderAck(
                account=self._account,
                request_id=str(ask.number),
                request=verb_of(ask.request),
                order_id=order.order_id or None if order is not None else getattr(ask.request, "order_id", None),
                symbol=order.symbol or None if order is not None else getattr(ask.request, "symbol", None),
                status=status,
                origin=origin,
                error=None if error is None else error.value,
                text=text[:TEXT_MAX] or None,
                retryable=retryable,
                venue_order_id=None if order is None else order.venue_order_id,
                number_of_affected_orders=count,
                venue_time_ns=venue_time_ns,
                client_request_id=ask.client_request_id,
                user=ask.user,
                strategy=None if order is None else order.update.strategy,
                version=ask.version,
                fate=fate,
                retry_at_ns=retry_at_ns,
                venue_client_id=None if order is None else order.client_id,
                round_trip_ns=now_ns - ask.sent_ns if answered else None,
                asked=asked,
            )
        )

    def refuse(
        self, request: OrderRequest, user: str, refusal: Refusal, reply: Reply | None, now_ns: int, order_id: str | None
    ) -> None:
        """A request that was not taken: an event of the account, or, where there is no room for one, a word to the client."""
        self.refused += 1
        names = (order_id, getattr(request, "symbol", None), getattr(request, "strategy", None))
        is_long = any(name is not None and len(name) > TEXT_MAX for name in names)  # no names, and no use in a journal
        if reply is not None and (is_long or self._outbox.journal_failed() or not self.take_room(now_ns)):
            reply(refusal.error.value.lower(), refusal.text[:TEXT_MAX], request.request_id)
            return
        self._outbox.publish(
            OrderAck(
                account=self._account,
                request_id=str(self.number()),
                request=verb_of(request),
                order_id=(order_id or None),
                symbol=getattr(request, "symbol", None),
                status=AckStatus.REJECTED,
                origin=Origin.GATEWAY,
                error=refusal.error.value,
                text=refusal.text[:TEXT_MAX],
                retryable=refusal.retry_at_ns is not None,
                client_request_id=request.request_id,
                user=user,
                strategy=getattr(request, "strategy", None),
                fate=Fate.NOT_DONE,
                retry_at_ns=refusal.retry_at_ns,
            )
        )

    def take_room(self, now_ns: int) -> bool:
        """Whether there is room for one more event about something that changes nothing; it is taken then."""
        self._room = min(REFUSALS_MAX, self._room + (now_ns - self._room_ns) / NANOSECONDS * REFUSALS_PER_S)
        self._room_ns = now_ns
        if self._room < 1:
            return False
        self._room -= 1
        return True

    def count(self, ask: Ask, *, is_done: bool) -> None:
        """One of a group of cancels ended."""
        group = ask.group
        assert group is not None
        group.open -= 1
        group.done += is_done
        self.tell_group(ask)

    def tell_group(self, ask: Ask) -> None:
        """How the CancelAllOrders stands that a cancel is of."""
        group = ask.group
        assert group is not None
        if group.open == 0:
            group.ask.stage = Stage.ENDED
            if group.failed is None:
                self.tell(group.ask, AckStatus.ACCEPTED, fate=Fate.DONE, count=group.done)
                return
            error, cause = group.failed
            text = f"{group.done} of {group.count} orders were cancelled, look at the others: {cause}"
            self.tell(group.ask, AckStatus.REJECTED, fate=Fate.NOT_DONE, error=error, text=text, count=group.done)
        elif group.unknown >= group.open and group.ask.stage is not Stage.UNKNOWN:
            group.ask.stage = Stage.UNKNOWN
            self.tell(group.ask, AckStatus.UNKNOWN, fate=Fate.UNKNOWN, count=group.done)
