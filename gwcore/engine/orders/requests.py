"""OrderRequests: what clients ask about the orders of one account: judged, given ids, and handed to the desk. Pure.

Every request ends in acks, or, where it is refused and there is no room for one, in a word to the client alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from gwcore.engine.clients.access import Grant
from gwcore.engine.orders.cancel_timer import CancelTimer
from gwcore.engine.orders.checks import NANOSECONDS, check_create, check_modify, check_names, unknown_symbol
from gwcore.engine.orders.desk import OrderDesk
from gwcore.engine.orders.order import Ask, Group, OwnOrder, Reply, kind_of, pending_update
from gwcore.engine.orders.outbox import DeskOutbox
from gwcore.engine.orders.owners import OrderIds, OwnOrders
from gwcore.engine.orders.ports import OrderGuard, OrderView, Refusal, Requester
from gwcore.model import (
    AckStatus,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CancelOrders,
    CreateOrder,
    CreateOrders,
    Fate,
    Instrument,
    ModifyOrder,
    OrderError,
    OrderRequest,
)
from gwcore.venue import OrderFeature, RequestKind

#: Orders in one request of a client.
BATCH_MAX: Final = 100
#: What leaves also where the account's stream is down, or the journal.
#: An order that would wait longer than this for the venue's counters is refused, and told when it may be asked for again.
CREATE_WAIT_MAX_S: Final = 2.0
EXITS: Final = (CancelOrder, CancelOrders, CancelAllOrders, CancelAllAfter)
#: The verb of a user that may cancel what others placed.
ADMIN: Final = "admin"
#: The gateway itself.
GATEWAY: Final = Requester("", 0, Grant())


class OrderRequests:
    """Of one account. `instruments`: a live view of what the gateway knows to be traded. The timer is the venue's.

    `view`: the orders that limits of users are about, those of all accounts; None: of this one.
    """

    def __init__(
        self,
        desk: OrderDesk,
        outbox: DeskOutbox,
        ids: OrderIds,
        guard: OrderGuard,
        instruments: Callable[[], Mapping[str, Instrument]],
        *,
        view: OrderView | None = None,
        trading: str,
        cancel_after_s: int | None = None,
        tell_timer: Callable[[bool, str], None] = lambda is_armed, cause: None,
    ) -> None:
        self._desk = desk
        self._own: OwnOrders = desk.own
        self._outbox = outbox
        self._ids = ids
        self._guard = guard
        self._instruments = instruments
        self._view = view or desk.own
        self._trading = trading
        self.timer = CancelTimer(cancel_after_s, self._arm_timer, tell_timer, self._can_arm)
        desk.acks.heed_timer = self.timer.on_ack
        desk.chores.append(self.timer)
        desk.sender.check_turn = guard.check_turn
        self._verbs: dict[type, Callable[[Any, Requester, Reply | None], Refusal | None]] = {
            CreateOrder: self._create,
            ModifyOrder: self._modify,
            CancelOrder: self._cancel,
            CancelAllOrders: self._cancel_all,
            CreateOrders: self._create_several,
            CancelOrders: self._cancel_several,
            CancelAllAfter: self._cancel_all_after,
        }

    def submit(self, request: OrderRequest, requester: Requester, reply: Reply | None, now_ns: int) -> None:
        """A request of a client, or of the gateway itself."""
        self._desk.now_ns = now_ns
        refusal = self._closed(request) or self._guard.check_request(self._desk.account, request, requester, now_ns)
        if refusal is None:
            refusal = self._verbs[type(request)](request, requester, reply)
        if refusal is not None:
            self._refuse(request, requester, refusal, reply, now_ns)
        self._desk.sender.pump(now_ns)

    def _refuse(
        self, request: OrderRequest, requester: Requester, refusal: Refusal, reply: Reply | None, now_ns: int
    ) -> None:
        # All of them, however many: one that nobody speaks of would be UNKNOWN to its client. A request's bytes are bounded.
        several = request.orders if isinstance(request, CreateOrders) else ()
        for each in several or (request,):
            one = msgspec.structs.replace(each, request_id=each.request_id or request.request_id)
            self._desk.acks.refuse(one, requester.user, refusal, reply, now_ns, getattr(each, "order_id", None))

    def _closed(self, request: OrderRequest) -> Refusal | None:
        desk, is_exit = self._desk, isinstance(request, EXITS)
        if self._trading != "live":
            text = f'trading of this account is off: set trading = "live" in [account.{desk.account}]'
            return Refusal(OrderError.NOT_LIVE, text)
        if not desk.was_ready or desk.sender.way is None:
            return Refusal(OrderError.NOT_READY, "the account's state is not known yet: wait for its Ready")
        if not desk.is_ready and not is_exit:
            text = "the account's stream is down: only cancels leave until its next Ready"
            return Refusal(OrderError.NOT_READY, text)
        cause = self._outbox.journal_failed()
        if cause and not is_exit:
            return Refusal(OrderError.JOURNAL, f"what is not durable does not leave: {cause}")
        if desk.sender.is_full(is_exit=is_exit):
            return Refusal(OrderError.TOO_MANY_REQUESTS, "too many requests of this account wait already: send fewer")
        return None

    # --- one order ----------------------------------------------------------------------------------------------------

    def _create(
        self, request: CreateOrder, requester: Requester, reply: Reply | None, batch: object = None
    ) -> Refusal | None:
        way = self._desk.sender.way
        assert way is not None
        wall_ns = self._outbox.wall_ns()
        refusal = (
            check_names(request.order_id, request.strategy)
            or self._duplicate(request, requester.user)
            or check_create(request, self._instruments(), way.abilities, wall_ns)
            or self._guard.check_create(request, requester, self._view)
            or self._room(request.symbol, requester.user, way.limits.open_orders_per_symbol)
        )
        if refusal is not None:
            return refusal
        if request.deadline_ns is None:
            request = msgspec.structs.replace(request, deadline_ns=self._deadline_ns())
        number = self._desk.acks.number()
        order = OwnOrder(pending_update(request, requester.user, way.client_id(number)))
        if not request.validate_only:
            self._ids.use(requester.user, request.order_id)
            self._own.add(order)
        ask = Ask(RequestKind.CREATE, request, order, requester.user, number)
        ask.reply, ask.batch = reply, batch
        return self._desk.sender.take(ask)

    def _room(self, symbol: str, user: str, open_max: int | None) -> Refusal | None:
        """What the venue would refuse, or what would wait so long that nobody wants it any more."""
        if open_max is not None and self._desk.open_in(symbol, open_max) >= open_max:
            text = f"{open_max} orders are open in {symbol}, and the venue takes no more: cancel some"
            return Refusal(OrderError.OPEN_ORDERS_LIMIT, text)
        wait_ns = self._desk.sender.queue_ns(symbol, user, self._desk.now_ns)
        if wait_ns <= CREATE_WAIT_MAX_S * NANOSECONDS:
            return None
        text = f"the venue's counter for {symbol} has room in {wait_ns / NANOSECONDS:.1f} s: ask again then"
        return Refusal(OrderError.RATE_LIMIT, text, self._outbox.wall_ns() + wait_ns)

    def _duplicate(self, request: CreateOrder, user: str) -> Refusal | None:
        if not self._ids.is_used(user, request.order_id):
            return None
        text = f"order_id {request.order_id} was used before: ids are for one order each"
        return Refusal(OrderError.DUPLICATE_ORDER_ID, text)

    def _deadline_ns(self) -> int | None:
        """After the time for its answer the venue must not take a request any more, where it can be told so."""
        way = self._desk.sender.way
        assert way is not None
        bounds = way.abilities.deadline_s
        if bounds is None or OrderFeature.DEADLINE not in way.abilities.features:
            return None
        deadline_s = min(max(way.limits.answer_timeout_s, bounds[0]), bounds[1])
        return self._outbox.wall_ns() + int(deadline_s * NANOSECONDS)

    def _modify(self, request: ModifyOrder, requester: Requester, reply: Reply | None) -> Refusal | None:
        way = self._desk.sender.way
        assert way is not None
        order = self._own.find(requester.user, request.order_id)
        if order is None:
            return _unknown_order(request.order_id)
        refusal = (
            _not_granted(order, requester, "modify")
            or _ended(order)
            or check_modify(request, order.update, self._instruments(), way.abilities, self._outbox.wall_ns())
            or self._guard.check_modify(request, order.at_most(), requester, self._view)
        )
        if refusal is not None:
            return refusal
        if request.deadline_ns is None:
            request = msgspec.structs.replace(request, deadline_ns=self._deadline_ns())
        ask = Ask(RequestKind.MODIFY, request, order, requester.user, self._desk.acks.number())
        ask.reply = reply
        return self._desk.sender.take(ask)

    def _cancel(
        self, request: CancelOrder, requester: Requester, reply: Reply | None, batch: object = None
    ) -> Refusal | None:
        order = self._named(request, requester)
        if isinstance(order, Refusal):
            return order
        refusal = _not_granted(order, requester, "cancel") or _ended(order)
        if refusal is not None:
            return refusal
        ask = Ask(RequestKind.CANCEL, request, order, requester.user, self._desk.acks.number())
        ask.batch = batch
        return self._desk.sender.take(ask)

    def _named(self, request: CancelOrder, requester: Requester) -> OwnOrder | Refusal:
        if request.order_id:
            return self._own.find(requester.user, request.order_id) or _unknown_order(request.order_id)
        if request.venue_order_id is None:
            return Refusal(
                OrderError.BAD_REQUEST, "name the order: order_id, or venue_order_id of one placed elsewhere"
            )
        own = self._own.of_venue(request.venue_order_id)
        if own is not None and own.user == requester.user:
            return own
        if not _is_admin(requester):
            return Refusal(OrderError.DENIED, f"the verb {ADMIN} is not granted: it is for orders of others")
        return own or self._foreign(request.venue_order_id) or _unknown_order(request.venue_order_id)

    def _foreign(self, venue_order_id: str) -> OwnOrder | None:
        update = self._desk.listed(venue_order_id)
        return None if update is None else self._own.foreign(update)

    # --- several ------------------------------------------------------------------------------------------------------

    def _create_several(self, request: CreateOrders, requester: Requester, reply: Reply | None) -> Refusal | None:
        if not 1 <= len(request.orders) <= BATCH_MAX:
            return Refusal(OrderError.BAD_REQUEST, f"1 to {BATCH_MAX} orders in one request, not {len(request.orders)}")
        if any(order.account != request.account for order in request.orders):
            return Refusal(OrderError.BAD_REQUEST, "all orders of one request are of its account")
        for order in request.orders:
            one = msgspec.structs.replace(order, request_id=order.request_id or request.request_id)
            text = requester.grant.may("create", one.account, one.symbol) if requester.user else ""
            refusal = Refusal(OrderError.DENIED, text) if text else self._create(one, requester, reply, request)
            if refusal is not None:
                self._desk.acks.refuse(one, requester.user, refusal, reply, self._desk.sender.now_ns, one.order_id)
        return None

    def _cancel_several(self, request: CancelOrders, requester: Requester, reply: Reply | None) -> Refusal | None:
        if not 1 <= len(request.order_ids) <= BATCH_MAX:
            return Refusal(
                OrderError.BAD_REQUEST, f"1 to {BATCH_MAX} orders in one request, not {len(request.order_ids)}"
            )
        for order_id in request.order_ids:
            one = CancelOrder(account=request.account, order_id=order_id, request_id=request.request_id)
            refusal = self._cancel(one, requester, reply, request)
            if refusal is not None:
                self._desk.acks.refuse(one, requester.user, refusal, reply, self._desk.sender.now_ns, order_id)
        return None

    def _cancel_all(self, request: CancelAllOrders, requester: Requester, reply: Reply | None) -> Refusal | None:
        user = request.user if request.user is not None else requester.user
        if user != requester.user and not _is_admin(requester):
            return Refusal(OrderError.DENIED, f"the verb {ADMIN} is not granted: it is for orders of others")
        number = self._desk.acks.number()
        whole = Ask(RequestKind.CANCEL_ALL, request, None, requester.user, number)
        narrowed = request.symbol or request.side or request.strategy or user != "*"
        if not narrowed and (not requester.user or "*" in requester.grant.symbols):
            return self._desk.sender.take(whole)
        chosen = [order for order in self._candidates(user) if _matches(order, request, requester)]
        if not chosen and request.symbol is not None and request.symbol not in self._instruments():
            text = unknown_symbol(request.symbol, self._instruments())
            return Refusal(
                OrderError.UNKNOWN_SYMBOL, f"{text}; a cancel of all names one symbol as it is written there"
            )
        if not chosen:
            if reply is not None and not self._desk.acks.take_room(self._desk.now_ns):
                return Refusal(OrderError.TOO_MANY_REQUESTS, "no order matches, and you ask very often: ask less")
            self._desk.acks.tell(whole, AckStatus.ACCEPTED, fate=Fate.DONE, count=0)
            return None
        self._desk.acks.tell(whole, AckStatus.FORWARDED, count=len(chosen), asked=request)
        group = Group(whole, len(chosen))
        for order in chosen:
            one = CancelOrder(
                account=request.account,
                order_id=order.order_id,
                venue_order_id=None if order.order_id else order.venue_order_id,
            )
            ask = Ask(RequestKind.CANCEL, one, order, requester.user, self._desk.acks.number())
            ask.client_request_id, ask.group, ask.batch = None, group, group
            if self._desk.sender.take(ask) is not None:
                text = "too many requests of this order wait already"
                self._desk.end(ask, Fate.NOT_DONE, error=OrderError.TOO_MANY_REQUESTS, text=text)
        return None

    def _candidates(self, user: str) -> Iterable[OwnOrder]:
        yield from (order for order in self._own.live() if user in ("*", order.user))
        if user == "*":
            for update in self._desk.external():
                yield self._own.foreign(update)

    def _cancel_all_after(self, request: CancelAllAfter, requester: Requester, reply: Reply | None) -> Refusal | None:
        way = self._desk.sender.way
        longest_s = way.abilities.cancel_timer_max_s if way is not None else None
        if longest_s is None or not hasattr(way, "cancel_all_after"):
            return Refusal(OrderError.UNSUPPORTED, "this venue has no timer that cancels: see on_disconnect")
        if not 0 <= request.timeout_s <= longest_s:
            return Refusal(OrderError.BAD_REQUEST, f"timeout_s is 0 (off) to {longest_s}, not {request.timeout_s}")
        if not _is_admin(requester):
            return Refusal(OrderError.DENIED, f"the verb {ADMIN} is not granted: the timer cancels everybody's orders")
        if request.timeout_s and self.timer.hold:
            return Refusal(OrderError.MARKET_CLOSED, f"the timer is not armed now: {self.timer.hold}")
        return self._desk.sender.take(Ask(kind_of(request), request, None, requester.user, self._desk.acks.number()))

    def _can_arm(self) -> bool:
        return self._trading == "live" and self._desk.was_ready and self._desk.sender.way is not None

    def _arm_timer(self, timeout_s: int, now_ns: int) -> str:
        """The gateway's own request; why it could not be made."""
        request = CancelAllAfter(account=self._desk.account, timeout_s=timeout_s)
        refusal = self._closed(request) or self._cancel_all_after(request, GATEWAY, None)
        self._desk.sender.pump(now_ns)
        return "" if refusal is None else refusal.text


def _is_admin(requester: Requester) -> bool:
    return not requester.user or ADMIN in requester.grant.verbs


def _matches(order: OwnOrder, request: CancelAllOrders, requester: Requester) -> bool:
    update = order.update
    return (
        request.symbol in (None, update.symbol)
        and request.side in (None, update.side)
        and request.strategy in (None, update.strategy)
        and _not_granted(order, requester, "cancel") is None
    )


def _not_granted(order: OwnOrder, requester: Requester, verb: str) -> Refusal | None:
    """An order names its symbol, which the request did not."""
    if not requester.user:
        return None
    text = requester.grant.may(verb, order.update.account, order.update.symbol)
    return Refusal(OrderError.DENIED, text) if text else None


def _unknown_order(name: str) -> Refusal:
    return Refusal(OrderError.UNKNOWN_ORDER, f"there is no order {name} of yours")


def _ended(order: OwnOrder) -> Refusal | None:
    if not order.is_done:
        return None
    return Refusal(OrderError.ORDER_DONE, f"the order is {order.update.order_status.value} already")
