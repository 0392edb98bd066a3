"""What users may not, in seeds of trading: their limits, and halts that come and go; and what an oracle knows of both.

The limits are chosen so that each request shows by itself whether it breaks one. A halt is in force between two places of the
journal: no create or change of its scope may leave there, and nothing is refused for it elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from gwcore.model import CreateOrder, ModifyOrder, OrderAck, OrderRequest, OrderStatus, OrderUpdate, Record
from gwcore.settings import UserSettings
from gwcore.wire import decode_envelope

VERBS = ("md", "read", "create", "modify", "cancel")
#: Ann's prices, Bob's open orders of an account, Cy's quantities in one market.
BAND_PERCENT, OPEN_MAX, QUANTITY_MAX, LIMITED = Decimal(2), 6, Decimal("0.15"), "BTC/*"
USERS = {
    "ann": UserSettings(uids=(1,), accounts=("*",), verbs=VERBS, price_band_percent=str(BAND_PERCENT)),
    "bob": UserSettings(uids=(2,), accounts=("*",), verbs=VERBS, open_orders_max=OPEN_MAX),
    "cy": UserSettings(
        uids=(3,), accounts=("*",), verbs=VERBS, drop_copy=True, order_quantity_max=(f"{LIMITED} {QUANTITY_MAX}",)
    ),
}
#: So far through the market is a price that breaks a band, with room for what the market does meanwhile.
FAR_PERCENT = 5
#: What stands before the limits: a request that breaks one may be refused for these as well.
_EARLIER = frozenset(
    {"NOT_READY", "JOURNAL", "TOO_MANY_REQUESTS", "UNKNOWN_SYMBOL", "MARKET_CLOSED", "HALTED", "BOOK_NOT_LIVE"}
    | {"UNKNOWN_ORDER", "ORDER_DONE", "DUPLICATE_ORDER_ID"}
)
_VERBS = ("create_order", "modify_order")


@dataclass(slots=True)
class Halted:
    """One halt, by positions of the execution records: asked for behind `asked`, in force behind `begun`, and so on."""

    user: str | None
    account: str | None
    symbol: str | None
    asked: int
    begun: int = 0
    resumed: int | None = None  # asked for; None: not yet
    ended: int | None = None

    def arguments(self) -> dict[str, str]:
        """Its scope."""
        parts = {"user": self.user, "account": self.account, "symbol": self.symbol}
        return {name: value for name, value in parts.items() if value is not None}

    def stops(self, user: str | None, account: str, symbol: str | None) -> bool:
        """Whether this is for a request."""
        pairs = ((self.user, user), (self.account, account), (self.symbol, symbol))
        return all(wanted is None or fnmatchcase(found or "", wanted) for wanted, found in pairs)

    def clip(self, last: int) -> None:
        """A crash: records behind `last` never were, and others take their places."""
        self.asked, self.begun = min(self.asked, last), min(self.begun, last)
        self.resumed = None if self.resumed is None else min(self.resumed, last)
        self.ended = None if self.ended is None else min(self.ended, last)


@dataclass(slots=True)
class Rules:
    """What was asked for that may not be, and the halts there were."""

    broken: dict[str, str] = field(
        default_factory=dict
    )  # order id, or the number of a change -> the code it has to end in
    halts: list[Halted] = field(default_factory=list)
    symbols: dict[str, str] = field(default_factory=dict)  # by order id: the refusal of a change does not name it

    def note(self, user: str, request: OrderRequest, symbol: str, *, is_far: bool) -> None:
        """A request that a user makes; `is_far`: its price is FAR_PERCENT through the market."""
        if not isinstance(request, CreateOrder | ModifyOrder):
            return
        self.symbols[request.order_id] = symbol
        quantity = Decimal(request.quantity or 0)
        if user == "ann" and is_far and request.price is not None:
            self.broken[_name(request)] = "PRICE_BAND"
        elif user == "cy" and quantity > QUANTITY_MAX and fnmatchcase(symbol, LIMITED):
            self.broken[_name(request)] = "USER_LIMIT"

    def judge(self, records: Iterable[Record]) -> list[str]:
        """What was done that may not be, or refused that may."""
        found: list[str] = []
        open_orders: dict[tuple[str, str], set[str]] = {}
        for record in records:
            event = decode_envelope(record.payload).event
            if isinstance(event, OrderUpdate) and event.user == "bob" and event.order_id is not None:
                found += _count_open(open_orders.setdefault((event.account, "bob"), set()), event)
            if isinstance(event, OrderAck) and event.request in _VERBS:
                found += self._limits(event)
                found += self._halts(event, record.position)
        return found

    def _limits(self, ack: OrderAck) -> Iterator[str]:
        is_change = ack.request == "modify_order"
        due = self.broken.get(f"change {ack.client_request_id}" if is_change else ack.order_id or "")
        is_limit = ack.error in ("USER_LIMIT", "PRICE_BAND")
        if due is None:
            if is_limit and not (ack.user == "bob" and ack.error == "USER_LIMIT"):
                yield f"{ack.order_id} of {ack.user} is within his limits, and {ack.error}: {ack.text}"
        elif ack.status.value == "FORWARDED":
            yield f"{ack.request} {ack.order_id} of {ack.user} left, and should be {due}"
        elif ack.error != due and ack.error not in _EARLIER:
            yield f"{ack.request} {ack.order_id} of {ack.user} is {ack.status.value} {ack.error}, and should be {due}"

    def _halts(self, ack: OrderAck, position: int) -> Iterator[str]:
        mine = [halt for halt in self.halts if halt.stops(ack.user, ack.account, self.symbols.get(ack.order_id or ""))]
        if ack.error == "HALTED":
            if not any(halt.asked < position <= (halt.ended or position) for halt in mine):
                yield f"{ack.order_id} of {ack.user} is HALTED at {position}, and nothing of it was: {self.halts}"
        elif ack.status.value == "FORWARDED":
            for halt in mine:
                if halt.begun < position <= (position if halt.resumed is None else halt.resumed):
                    yield f"{ack.request} {ack.order_id} of {ack.user} left at {position} while halted: {halt}"


def _name(request: CreateOrder | ModifyOrder) -> str:
    return request.order_id if isinstance(request, CreateOrder) else f"change {request.request_id}"


def _count_open(mine: set[str], update: OrderUpdate) -> Iterator[str]:
    assert update.order_id is not None
    if update.order_status in (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED):
        mine.discard(update.order_id)
        return
    mine.add(update.order_id)
    if len(mine) > OPEN_MAX:
        yield f"{len(mine)} orders of {update.user} are open on {update.account}, and {OPEN_MAX} may be"
