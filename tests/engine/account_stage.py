"""One AccountMachine on a clock of its own, with a venue whose words are written by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gwcore.engine.accounts.account import AccountMachine
from gwcore.engine.accounts.fills import FillMemory
from gwcore.errors import DecodeError, VenueError
from gwcore.model import (
    Event,
    Fill,
    FundsUpdate,
    OrderStatus,
    OrderUpdate,
    Side,
    TradeUpdate,
)
from gwcore.settings import AccountSettings
from gwcore.testing.seeds import SeededRandom
from gwcore.venue import AccountLimits, AccountMessage, AccountSnapshot, Known

SECOND_NS = 1_000_000_000
START_NS = 1_800_000_000 * SECOND_NS
ACCOUNT = "main"


class WrittenCodec:
    """An AccountCodec whose frames are numbers of what was written."""

    def __init__(self, stage: AccountStage) -> None:
        self._stage = stage
        self.limits = AccountLimits(silence_s=1_000_000.0, ping_s=None)
        self.refresh_s = 540.0

    def open(self) -> Sequence[bytes]:
        return (b"subscribe",)

    def decode(self, frame: bytes, received_ns: int) -> Sequence[AccountMessage]:
        if frame == b"bad":
            raise DecodeError("bad")
        return self._stage.written[int(frame)]

    def download(self, known: Known) -> Any:
        return ("download", known)

    def funds(self) -> Any:
        return ("funds", None)

    def refresh(self) -> Any:
        return ("refresh", None)


class AccountStage:
    """The outbox of the machine, and the hand that moves time."""

    def __init__(self, memory: FillMemory | None = None, **settings: Any) -> None:
        self.now_ns = 0
        self.skew_ns = 0
        self.written: list[Sequence[AccountMessage]] = []
        self.events: list[Event] = []
        self.sent: list[bytes] = []
        self.closed: list[str] = []
        self.halted: list[str] = []
        self.flows: list[tuple[str, Any, Callable[[Any, int], None]]] = []
        self.memory = memory or FillMemory()
        self.machine = AccountMachine(
            ACCOUNT, AccountSettings(**settings), self, SeededRandom(1, "account"), self.memory
        )

    # --- AccountOutbox ------------------------------------------------------------------------------------------------

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        self.events.append(event)

    def publish_status(self, event: Event) -> None:
        self.events.append(event)

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)

    def run_flow(self, flow: Any, done: Callable[[Any, int], None]) -> None:
        self.flows.append((*flow, done))

    def close(self, reason: str) -> None:
        self.closed.append(reason)

    def halt(self, cause: str) -> None:
        self.halted.append(cause)

    def wall_ns(self) -> int:
        return START_NS + self.now_ns + self.skew_ns

    # --- the hand -----------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        self.machine.on_open(WrittenCodec(self), self.now_ns)

    def tell(self, *messages: AccountMessage) -> None:
        self.written.append(messages)
        self.machine.on_frame(str(len(self.written) - 1).encode(), 0, self.now_ns)

    def answer(self, result: Any) -> Any:
        """Answer the oldest request; what was asked."""
        kind, asked, done = self.flows.pop(0)
        done(result, self.now_ns)
        return kind if asked is None else asked

    def answer_all(self, rest: AccountSnapshot) -> None:
        """Answer every request: downloads with this, questions for holds with nothing."""
        while self.flows:
            self.answer(rest if self.flows[0][0] == "download" else [])

    def ready(self, stream: AccountSnapshot | None = None, rest: AccountSnapshot | None = None) -> Known:
        """Connect, give the snapshots, answer the download."""
        self.connect()
        self.tell(stream or AccountSnapshot(orders=()), AccountSnapshot(funds=()))
        return self.answer(rest or AccountSnapshot(orders=()))

    def lose(self) -> None:
        self.machine.on_close("gone", self.now_ns)
        self.flows.clear()

    def wait(self, seconds: float) -> None:
        """Let time pass, timer by timer."""
        end_ns = self.now_ns + int(seconds * SECOND_NS)
        while (due_ns := self.machine.next_ns()) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            self.machine.on_timer(self.now_ns)
            if self.flows and self.machine.next_ns() == due_ns:
                break
        self.now_ns = end_ns
        self.machine.on_timer(self.now_ns)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def fills(self) -> list[str]:
        return [fill.trade_id for update in self.of(TradeUpdate) for fill in update.fills]


def order(key: str = "O1", **fields: Any) -> OrderUpdate:
    chosen: dict[str, Any] = {"order_status": OrderStatus.WORKING, **fields}
    return OrderUpdate(account=ACCOUNT, venue_order_id=key, **chosen)


def new_order(key: str = "O1", **fields: Any) -> OrderUpdate:
    """All of it, as the venue tells an order first."""
    whole: dict[str, Any] = {
        "symbol": "BTC/USD",
        "side": Side.BUY,
        "quantity": "1.00000000",
        "price": "100.0",
        "opened_ns": START_NS,
        **fields,
    }
    return order(key, **whole)


def trade(number: int, key: str = "O1", quantity: str = "0.1", at_s: float = 0.0) -> TradeUpdate:
    fill = Fill(
        trade_id=f"T{number}",
        price="100.0",
        quantity=quantity,
        fees=(("USD", "0.0160"),),
        market_trade_id=str(number),
        venue_time_ns=START_NS + int(at_s * SECOND_NS) + number,
    )
    return TradeUpdate(account=ACCOUNT, venue_order_id=key, fills=(fill,))


def funds(asset: str = "USD", total: str = "100.00", **fields: Any) -> FundsUpdate:
    return FundsUpdate(account=ACCOUNT, asset=asset, total=total, wallet="spot/main", **fields)


def failure(text: str = "away") -> VenueError:
    return VenueError(text)
