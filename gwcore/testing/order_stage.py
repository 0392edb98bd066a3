"""OrderStage: one account's machine and its orders on a clock of its own, with a venue whose words are written by hand.

The stage is outbox, disk and clock. What was published is durable when `sync` says so; `restart` begins anew with what was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from gwcore.engine.accounts.account import AccountMachine
from gwcore.engine.accounts.fills import FillMemory
from gwcore.engine.clients.access import Grant
from gwcore.engine.orders.defaults import OpenGuard
from gwcore.engine.orders.owners import OrderIds
from gwcore.engine.orders.ports import OrderGuard, OrderPace, Requester
from gwcore.engine.orders.recall import OrderRecall
from gwcore.engine.orders.requests import OrderRequests
from gwcore.model import (
    CreateOrder,
    Event,
    Instrument,
    ModifyOrder,
    OrderAck,
    OrderRequest,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
    TradeUpdate,
)
from gwcore.settings import AccountSettings
from gwcore.testing.seeds import SeededRandom
from gwcore.venue import (
    AccountLimits,
    AccountMessage,
    AccountSnapshot,
    Known,
    OrderAbilities,
    OrderFeature,
    OrderKey,
    OrderLimits,
)

SECOND_NS: Final = 1_000_000_000
START_NS: Final = 1_800_000_000 * SECOND_NS
ACCOUNT: Final = "main"
SYMBOL: Final = "BTC/USD"
INSTRUMENT: Final = Instrument(
    symbol=SYMBOL,
    base="BTC",
    quote="USD",
    price_decimals=1,
    quantity_decimals=8,
    tick_size="0.1",
    lot_size="0.00000001",
    min_quantity="0.0001",
    min_cost="0.5",
)
OTHER: Final = msgspec.structs.replace(INSTRUMENT, symbol="ETH/USD", base="ETH")
INSTRUMENTS: Final = {SYMBOL: INSTRUMENT, OTHER.symbol: OTHER}
ABILITIES: Final = OrderAbilities(
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    features=frozenset(OrderFeature),
    deadline_s=(0.5, 60.0),
    batch_max=3,
    cancel_batch_max=3,
    cancel_timer_max_s=86_399,
)


@dataclasses.dataclass(slots=True)
class Sent:
    """One request as it left."""

    verb: str
    wire_id: int
    what: Any  # the request, or the key of the order
    client_id: str | None = None
    by_rest: bool = False


class WrittenOrders:
    """Orders whose frames are numbers of what was written, and whose flows are what is asked."""

    def __init__(self, stage: OrderStage, *, by_rest: bool) -> None:
        self._stage = stage
        self._by_rest = by_rest
        self.abilities = ABILITIES
        self.limits = OrderLimits()

    def client_id(self, number: int) -> str:
        """A name that is seen to be ours."""
        return f"gw{number}"

    def _out(self, sent: Sent) -> Any:
        sent.by_rest = self._by_rest
        self._stage.made.append(sent)
        return ("request", sent) if self._by_rest else str(len(self._stage.made) - 1).encode()

    def create_order(self, request_id: int, request: CreateOrder, client_id: str) -> Any:
        """See `Orders`."""
        return self._out(Sent("create", request_id, request, client_id))

    def modify_order(self, request_id: int, request: ModifyOrder, key: OrderKey) -> Any:
        """See `Orders`."""
        return self._out(Sent("modify", request_id, request, key.venue_client_id))

    def cancel_order(self, request_id: int, key: OrderKey) -> Any:
        """See `Orders`."""
        return self._out(Sent("cancel", request_id, key, key.venue_client_id))

    def create_orders(self, request_id: int, requests: Sequence[CreateOrder], client_ids: Sequence[str]) -> Any:
        """See `BatchOrders`."""
        return self._out(Sent("create_several", request_id, list(zip(requests, client_ids, strict=True))))

    def cancel_orders(self, request_id: int, keys: Sequence[OrderKey]) -> Any:
        """See `BatchOrders`."""
        return self._out(Sent("cancel_several", request_id, list(keys)))

    def cancel_all_orders(self, request_id: int) -> Any:
        """See `Orders`."""
        return self._out(Sent("cancel_all", request_id, None))

    def cancel_all_after(self, request_id: int, timeout_s: int) -> Any:
        """See `CancelTimer`."""
        return self._out(Sent("cancel_all_after", request_id, timeout_s))

    def find_order(self, key: OrderKey) -> Any:
        """See `Orders`."""
        return ("find", key)


class WrittenAccount:
    """An AccountCodec whose frames are numbers of what was written."""

    def __init__(self, stage: OrderStage) -> None:
        self._stage = stage
        self.limits = AccountLimits(silence_s=1_000_000.0, ping_s=None)

    def open(self) -> Sequence[bytes]:
        """Nothing has to be said."""
        return ()

    def decode(self, frame: bytes, received_ns: int) -> Sequence[AccountMessage]:
        """What was written."""
        return self._stage.written[int(frame)]

    def download(self, known: Known) -> Any:
        """See `AccountCodec`."""
        return ("download", known)

    def funds(self) -> Any:
        """See `AccountCodec`."""
        return ("funds", None)


class OrderStage:
    """Implements AccountOutbox. `auto_sync`: what is published is durable at once."""

    def __init__(
        self,
        journal: Sequence[tuple[Event, int]] = (),
        *,
        now_ns: int = 0,
        auto_sync: bool = True,
        trading: str = "live",
        guard: OrderGuard | None = None,
        pace: OrderPace | None = None,
    ) -> None:
        self.now_ns = now_ns
        self.auto_sync = auto_sync
        self.failed = ""
        self.written: list[Sequence[AccountMessage]] = []
        self.made: list[Sent] = []
        self.sent: list[Sent] = []
        self.replies: list[tuple[str, str]] = []
        self.replied: list[int | None] = []  # to which requests
        self.closed: list[str] = []
        self.flows: list[tuple[str, Any, Callable[[Any, int], None]]] = []
        self.journal: list[tuple[Event, int]] = list(journal)
        self.synced = len(self.journal)
        self._first_event = len(self.journal)
        self._barriers: list[tuple[int, Callable[[int], None]]] = []
        self.ids = OrderIds()
        self.machine = AccountMachine(ACCOUNT, AccountSettings(), self, SeededRandom(1, "account"), FillMemory(), pace)
        self.desk = self.machine.desk
        self.desk.sender.rest = WrittenOrders(self, by_rest=True)
        self.requests = OrderRequests(
            self.desk,
            self,
            self.ids,
            guard or OpenGuard(),
            lambda: INSTRUMENTS,
            trading=trading,
        )
        recall = OrderRecall(self.desk, self.ids)
        for event, published_ns in journal:
            self.machine.recall(event)
            recall.recall(event, published_ns)
        recall.finish(self.now_ns)

    # --- AccountOutbox ------------------------------------------------------------------------------------------------

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """Keep it, and make it durable where that goes by itself."""
        self.journal.append((event, self.wall_ns()))
        if self.auto_sync:
            self.synced = len(self.journal)

    def publish_status(self, event: Event) -> None:
        """Of no account: not kept."""

    def send(self, frame: bytes) -> None:
        """It left."""
        self.sent.append(self.made[int(frame)])

    def run_flow(self, flow: Any, done: Callable[[Any, int], None]) -> None:
        """It waits for `answer`; with the connection it is gone."""
        self.flows.append((*flow, done))

    def run_request(self, flow: Any, done: Callable[[Any, int], None]) -> None:
        """It waits for `answer`."""
        if flow[0] == "request":
            self.sent.append(flow[1])
        self.flows.append((*flow, done))

    def barrier(self, callback: Callable[[int], None]) -> None:
        """At once, or with `sync`."""
        if self.auto_sync and not self._barriers:
            callback(self.now_ns)
        else:
            self._barriers.append((len(self.journal), callback))

    def journal_failed(self) -> str:
        """What the test says."""
        return self.failed

    def close(self, reason: str) -> None:
        """Keep why."""
        self.closed.append(reason)

    def halt(self, cause: str) -> None:
        """Keep why."""
        self.closed.append(cause)

    def wall_ns(self) -> int:
        """The wall clock."""
        return START_NS + self.now_ns

    # --- the hand -----------------------------------------------------------------------------------------------------

    def sync(self, limit: int | None = None) -> None:
        """All that was published is durable, or only so many events of it: the disk dies there."""
        self.synced = len(self.journal) if limit is None else min(limit, len(self.journal))
        while self._barriers and self._barriers[0][0] <= self.synced:
            self._barriers.pop(0)[1](self.now_ns)

    def submit(self, request: OrderRequest, user: str = "ann", *verbs: str) -> None:
        """A client asks."""
        grant = Grant(
            user=user, accounts=("*",), verbs=frozenset({"read", "create", "modify", "cancel", *verbs}), drop_copy=True
        )

        def reply(code: str, text: str, request_id: int | None = None) -> None:
            self.replies.append((code, text))
            self.replied.append(request_id)

        self.requests.submit(request, Requester(user, 1, grant), reply, self.now_ns)

    def connect(self) -> None:
        """A connection comes up."""
        self.machine.on_open(WrittenAccount(self), self.now_ns, WrittenOrders(self, by_rest=False))  # type: ignore[arg-type]

    def tell(self, *messages: AccountMessage) -> None:
        """The venue says this in one frame."""
        self.written.append(messages)
        self.machine.on_frame(str(len(self.written) - 1).encode(), 0, self.now_ns)

    def answer(self, result: Any) -> Any:
        """Answer the oldest flow; what was asked."""
        _, asked, done = self.flows.pop(0)
        done(result, self.now_ns)
        return asked

    def ready(self, stream: AccountSnapshot | None = None, rest: AccountSnapshot | None = None) -> None:
        """Connect, give the snapshots, answer the download."""
        self.connect()
        self.tell(stream or AccountSnapshot(orders=()), AccountSnapshot(funds=()))
        for number, (kind, _, done) in enumerate(self.flows):
            if kind == "download":
                del self.flows[number]
                done(rest or AccountSnapshot(orders=()), self.now_ns)
                break

    def lose(self) -> None:
        """The connection is gone, and what was asked on it."""
        self.flows = [flow for flow in self.flows if flow[0] in ("find", "request")]
        self.machine.on_close("gone", self.now_ns)

    def wait(self, seconds: float, listed: AccountSnapshot | None = None) -> None:
        """Let time pass, timer by timer. `listed`: the answer to every question meanwhile; None: they wait."""
        end_ns = self.now_ns + int(seconds * SECOND_NS)
        while (due_ns := self.machine.next_ns()) is not None and due_ns <= end_ns:
            before = due_ns, len(self.flows), len(self.journal)
            self.now_ns = max(self.now_ns, due_ns)
            self.machine.on_timer(self.now_ns)
            while listed is not None and self.flows:
                self.answer([] if self.flows[0][0] == "funds" else listed)
            if (self.machine.next_ns(), len(self.flows), len(self.journal)) == before:
                break
        self.now_ns = end_ns
        self.machine.on_timer(self.now_ns)
        while listed is not None and self.flows:
            self.answer([] if self.flows[0][0] == "funds" else listed)

    def restart(self, events: int | None = None, **options: Any) -> OrderStage:
        """The process died when so many events were durable (None: as many as are) and begins anew."""
        return OrderStage(self.journal[: self.synced if events is None else events], now_ns=self.now_ns, **options)

    # --- what was published -------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """Of this life."""
        return [event for event, _ in self.journal[self._first_event :]]

    def acks(self, request: str | None = None) -> list[OrderAck]:
        """Acks of this life, of one verb where it is given."""
        return [one for one in self.events if isinstance(one, OrderAck) and request in (None, one.request)]

    def updates(self, order_id: str = "a1") -> list[OrderUpdate]:
        """What was told of one order in this life."""
        return [one for one in self.events if isinstance(one, OrderUpdate) and one.order_id == order_id]

    def fills(self) -> list[TradeUpdate]:
        """Fills of this life."""
        return [one for one in self.events if isinstance(one, TradeUpdate)]


def create(order_id: str = "a1", **fields: Any) -> CreateOrder:
    """A limit order to buy 1 at 100."""
    chosen: dict[str, Any] = {
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": "1",
        "price": "100.0",
        "request_id": 7,
        **fields,
    }
    return CreateOrder(account=ACCOUNT, order_id=order_id, **{"symbol": SYMBOL, **chosen})
