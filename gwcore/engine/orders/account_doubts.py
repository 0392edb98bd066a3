"""AccountDoubts: requests about a whole account (cancel all, the dead-man timer) whose answer did not come; their end. Pure.

Such a request names no order, so nothing can be asked about it. What it was about can: the orders that were open when it
left. Once all the venue's lists were read after a time when they would show it, they prove it, or it proves nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from gwcore.engine.accounts.orders import OrderTable
from gwcore.engine.orders.order import ENDED, Ask, OwnOrder
from gwcore.engine.orders.owners import OwnOrders
from gwcore.model import CancelAllAfter, CancelAllOrders, Fate, OrderError, OrderStatus, OrderUpdate, Origin

NANOSECONDS: Final = 1_000_000_000
#: Requests about one account that are in doubt; of more the oldest ends as SUPERSEDED.
ASKS_MAX: Final = 1000
#: A comparison with REST that was wanted and did not come is wanted again after this.
AGAIN_S: Final = 30.0

#: An order that a request was about: by the venue's id, or ours where the venue told none yet.
Named: TypeAlias = str | OwnOrder


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a request about the account ended. UNKNOWN: nothing will ever tell, and later events say all that matters."""

    fate: Fate
    error: OrderError | None
    text: str
    count: int | None = None


class Reconciled(Protocol):
    """What puts together what stream and REST say (`AccountReconciliation`)."""

    @property
    def reconciled_ns(self) -> int:
        """Wall clock: when REST was asked for all that is in the state now."""
        ...

    def touch(self, key: str | None) -> None:
        """The fills of an order are to be looked at."""
        ...


class AccountDoubts:
    """Of one account. A `Chore` of its desk. `want_check(monotonic ns)` has REST asked soon, `end` is the desk's."""

    def __init__(
        self,
        table: OrderTable,
        own: OwnOrders,
        wall_ns: Callable[[], int],
        together: Reconciled,
        want_check: Callable[[int], None],
        end: Callable[..., None],
    ) -> None:
        self._table = table
        self._own = own
        self._wall_ns = wall_ns
        self._together = together
        self._want_check = want_check
        self._end = end
        self._asks: dict[Ask, None] = {}  # oldest first
        self._wake_ns: int | None = None

    def __len__(self) -> int:
        return len(self._asks)

    def name(self, ask: Ask, count: int | None = None) -> None:
        """A request is being written: these are the orders it is about.

        `count`: so many they were, each to be cancelled by itself; None: the venue's own request, about all that it told of.
        """
        if isinstance(ask.request, CancelAllOrders):
            ask.named = tuple(self._named(ask.request, ask.user, is_whole=count is None))
            ask.unnamed = 0 if count is None else max(0, len(ask.named) - count)

    def _named(self, request: CancelAllOrders, user: str, *, is_whole: bool) -> list[Named]:
        whose = "*" if is_whole else request.user if request.user is not None else user
        orders = self._table.orders
        updates = {key: orders[key].update for key in self._table.open_ids}
        found: list[Named] = [
            key
            for key, update in updates.items()
            if update.order_status is not OrderStatus.UNKNOWN and _is_meant(update, request, whose)
        ]
        if is_whole:
            return found
        own = [order for order in self._own.live() if order.venue_order_id is None]
        return [*found, *(order for order in own if _is_meant(order.update, request, whose))]

    def add(self, ask: Ask, now_ns: int) -> None:
        """Its answer did not come."""
        self._asks[ask] = None
        if isinstance(ask.request, CancelAllAfter):
            ask.due_ns += ask.request.timeout_s * NANOSECONDS  # by then the timer has ended, armed or not
        wake_ns = now_ns + max(0, ask.due_ns - self._wall_ns())
        self._wake_ns = wake_ns if self._wake_ns is None else min(self._wake_ns, wake_ns)
        while len(self._asks) > ASKS_MAX:
            self._finish(next(iter(self._asks)), _superseded(f"more than {ASKS_MAX} requests of its kind are in doubt"))

    def _finish(self, ask: Ask, verdict: Verdict) -> None:
        self._asks.pop(ask, None)
        found, text = Origin.RECONCILIATION, verdict.text
        self._end(ask, verdict.fate, origin=found, error=verdict.error, text=text, count=verdict.count)

    def on_timer_accepted(self, ask: Ask) -> None:
        """The venue took a request for the dead-man timer: what those before it did is over."""
        for one in [one for one in self._asks if isinstance(one.request, CancelAllAfter) and one.number < ask.number]:
            self._finish(one, _superseded("a later request for the timer was accepted, and it is the one that counts"))

    def remove(self, ask: Ask) -> None:
        """Its answer came after all."""
        self._asks.pop(ask, None)

    def settle(self) -> None:
        """Orders changed, or REST was asked: what that proves."""
        for ask in list(self._asks):
            verdict = self._judge(ask, is_final=self._together.reconciled_ns >= ask.due_ns)
            if verdict is not None:
                self._finish(ask, verdict)

    def _judge(self, ask: Ask, *, is_final: bool) -> Verdict | None:
        if isinstance(ask.request, CancelAllAfter):
            text = "its time is over: what the timer did, if it was armed, is seen from the orders"
            if not ask.request.timeout_s:
                text = "no answer came: if a timer was armed it may be still, so ask for 0 once more"
            return _superseded(text) if is_final else None
        states = [self._status(one) for one in ask.named]
        count = sum(1 for status in states if status is OrderStatus.CANCELED)
        left = sum(1 for status in states if status is not None and status not in ENDED)
        if count and not left:
            return Verdict(Fate.DONE, None, "", count)
        if not is_final or any(status in (OrderStatus.UNKNOWN, OrderStatus.PENDING) for status in states):
            return None
        if left > ask.unnamed:
            text = f"of the {len(states)} orders that it was about {left} are open: cancel them again"
            return Verdict(Fate.NOT_DONE, OrderError.NOT_FOUND, text, count)
        return _superseded("none of the orders shows what became of it: see how each of them stands")

    def _status(self, one: Named) -> OrderStatus | None:
        """None: it ended so long ago that it was forgotten."""
        if isinstance(one, OwnOrder):
            return one.update.order_status
        order = self._table.orders.get(one)
        return None if order is None else order.update.order_status

    # --- Chore --------------------------------------------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """When REST is to be asked; None: nothing is in doubt."""
        return self._wake_ns if self._asks else None

    def on_timer(self, now_ns: int) -> None:
        """Something is due that only a comparison with REST can end."""
        if not self._asks or self._wake_ns is None or now_ns < self._wake_ns:
            return
        wall_ns = self._wall_ns()
        waits = [ask.due_ns - wall_ns for ask in self._asks]
        if min(waits) <= 0:
            self._want_check(now_ns)
        later = [wait for wait in waits if wait > 0]
        self._wake_ns = now_ns + min([int(AGAIN_S * NANOSECONDS), *later])


def _superseded(text: str) -> Verdict:
    return Verdict(Fate.UNKNOWN, OrderError.SUPERSEDED, text)


def _is_meant(update: OrderUpdate, request: CancelAllOrders, whose: str) -> bool:
    return (
        (whose == "*" or (update.user == whose and not update.external))
        and request.symbol in (None, update.symbol)
        and request.side in (None, update.side)
        and request.strategy in (None, update.strategy)
    )
