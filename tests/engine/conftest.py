"""A small venue spoken in JSON, and an outbox that remembers: what the machines are tested against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gwcore.book import BookRule, Continuity
from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.shards import plan_shards
from gwcore.errors import DecodeError
from gwcore.model import (
    Channel,
    Event,
    Instrument,
    MarketByPriceUpdate,
    PriceLevel,
    Side,
    Trade,
    TradeSummary,
    UpdateType,
)
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import (
    Acknowledged,
    GroupLimits,
    Pong,
    Refused,
    Request,
    Shard,
    Throttled,
    Topic,
    VenueLimits,
)

SECOND = 1_000_000_000
#: When the bench's machine is told that every frame came.
HEARD_NS = 77


def make_instrument(symbol: str, **changes: Any) -> Instrument:
    """An instrument with 1 and 2 decimals."""
    base, quote = symbol.split("/")
    fields: dict[str, Any] = {
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "price_decimals": 1,
        "quantity_decimals": 2,
        "tick_size": "0.1",
        "lot_size": "0.01",
    }
    return Instrument(**(fields | changes))


def total(bids: Sequence[bytes], asks: Sequence[bytes]) -> int:
    """A checksum that is easy to give by hand: the number of levels."""
    return len(bids) * 100 + len(asks)


def text(price: int, quantity: int) -> bytes:
    """Checksum text of one level."""
    return b"%d:%d" % (price, quantity)


class ToyCodec:
    """Speaks JSON: {"ack": topic}, {"book": symbol, ...}, ..."""

    def __init__(self) -> None:
        self.request_id = 0

    def endpoint(self) -> HttpFlow[Endpoint]:
        return Endpoint(url="ws://toy")
        yield

    def open(self) -> Sequence[bytes]:
        return (b"hello",)

    def subscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        return self._ask("subscribe", topics)

    def unsubscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        return self._ask("unsubscribe", topics)

    def _ask(self, verb: str, topics: Sequence[Topic]) -> Sequence[Request]:
        self.request_id += 1
        symbols = ",".join(topic.symbol or "*" for topic in topics)
        frame = f"{verb} {topics[0].channel.value} {symbols}".encode()
        return (Request(frame, self.request_id, tuple(topics)),)

    def decode(self, frame: bytes, received_ns: int) -> Sequence[Any]:
        try:
            says = json.loads(frame)
        except ValueError as error:
            raise DecodeError(str(error)) from error
        if "crash" in says:
            raise KeyError("a plugin with a bug")
        return [self._message(says)]

    def _message(self, says: dict[str, Any]) -> Any:
        if "ack" in says:
            return Acknowledged((make_topic(*says["ack"]),), unsubscribed=says.get("left", False))
        if "refuse" in says:
            flags = {name: True for name in ("retryable", "duplicate", "missing") if says.get(name)}
            return Refused(says.get("text", "no"), (make_topic(*says["refuse"]),), **flags)
        if "refuse_request" in says:
            return Refused("no", request_id=says["refuse_request"])
        if "slow_down" in says:
            return Throttled("slow down")
        if "pong" in says:
            return Pong(says["pong"], int(says["time_s"] * SECOND) if "time_s" in says else None)
        if "trades" in says:
            return TradeSummary(
                symbol=says["symbol"],
                update_type=UpdateType[says.get("type", "INCREMENTAL")],
                trades=tuple(
                    Trade(price=says.get("price", "1.0"), quantity="1.00", side=Side.BUY, trade_id=str(number))
                    for number in says["trades"]
                ),
            )
        return MarketByPriceUpdate(
            symbol=says["book"],
            update_type=UpdateType[says.get("type", "INCREMENTAL")],
            bids=tuple(PriceLevel(*level) for level in says.get("bids", ())),
            asks=tuple(PriceLevel(*level) for level in says.get("asks", ())),
            checksum=says.get("checksum"),
            venue_sequence=says.get("sequence"),
            venue_time_ns=int(says["time_s"] * SECOND) if "time_s" in says else None,
        )


def make_topic(channel: str, symbol: str) -> Topic:
    """A topic as the toy venue names it."""
    return Topic(Channel(channel), symbol, 10 if channel == "book" else 0)


@dataclass
class ToyStreams:
    """The venue's connections; `limits` may be changed before a machine is made."""

    group: GroupLimits = field(
        default_factory=lambda: GroupLimits(
            channels=frozenset({Channel.BOOK, Channel.TRADE}), symbols_per_connection=100, requests_per_s=1000.0
        )
    )
    continuity: Continuity = Continuity.NONE

    @property
    def limits(self) -> VenueLimits:
        return VenueLimits(groups={"public": self.group}, depths=(10,), trade_ids_contiguous=True)

    def book_rule(self, instrument: Instrument, depth: int) -> BookRule:
        return BookRule(
            price_decimals=instrument.price_decimals,
            quantity_decimals=instrument.quantity_decimals,
            depth=depth,
            level_text=text,
            checksum=total,
            continuity=self.continuity,
        )

    def market_data(self, shard: Shard) -> ToyCodec:
        return ToyCodec()

    def account(self, account: Any) -> Any:
        raise NotImplementedError


class Notebook:
    """An outbox that remembers everything in order: in `log` with all that was said, and apart by kind."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.events: list[Event] = []
        self.statuses: list[Event] = []
        self.sent: list[bytes] = []
        self.closed: list[str] = []
        self.fetched: list[Any] = []
        self.asked: list[Any] = []
        self.recovered: list[Any] = []

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        self.events.append(event)
        self.log.append(("publish", event, received_ns))

    def publish_status(self, event: Event) -> None:
        self.statuses.append(event)
        self.log.append(("status", event))

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)
        self.log.append(("send", frame))

    def fetch(self, topic: Topic | None, flow: Any) -> None:
        self.fetched.append((topic, flow))
        self.log.append(("fetch", topic, flow))

    def run_flow(self, flow: Any, done: Any) -> None:
        self.asked.append((flow, done))

    def on_recovered(self, recovered: Any) -> None:
        self.recovered.append(recovered)

    def close(self, reason: str) -> None:
        self.closed.append(reason)
        self.log.append(("close", reason))

    def on_instruments(self, update: Any, received_ns: int) -> None:
        self.statuses.append(update)
        self.log.append(("instruments", update, received_ns))

    def on_venue_status(self, status: Any, received_ns: int) -> None:
        self.statuses.append(status)
        self.log.append(("venue", status, received_ns))


class Half:
    """Chance that is always one half."""

    def random(self) -> float:
        return 0.5


class Bench:
    """One machine on a bench: say what the venue says, look at what it did."""

    def __init__(
        self,
        *symbols: str,
        channels: tuple[str, ...] = ("book",),
        streams: ToyStreams | None = None,
        settings: tuple[HealingSettings, DetectionSettings | None] = (HealingSettings(), None),
        continuity: Continuity = Continuity.NONE,
        **group: Any,
    ) -> None:
        self.streams = streams if streams is not None else ToyStreams(continuity=continuity)
        if group:
            base = self.streams.group
            fields = {name: getattr(base, name) for name in base.__dataclass_fields__}
            self.streams.group = GroupLimits(**(fields | group))
        self.book = Notebook()
        self.now_ns = 1_000 * SECOND
        instruments = {symbol: make_instrument(symbol) for symbol in symbols}
        (shard,) = plan_shards(instruments, [Channel(name) for name in channels], self.streams.limits, depth=10)
        healing, detection = settings
        shard = replace(shard, index=3)
        self.machine = MarketDataMachine(shard, self.streams, self.book, healing, Half(), self.now_ns, detection)

    def connect(self) -> Bench:
        self.machine.on_open(ToyCodec(), self.now_ns)
        return self

    def hear(self, **says: Any) -> Bench:
        self.machine.on_frame(json.dumps(says).encode(), HEARD_NS, self.now_ns)
        self.machine.on_burst_end(self.now_ns)
        return self

    def live(self, symbol: str, **more: Any) -> Bench:
        return self.hear(ack=["book", symbol]).hear(
            book=symbol, type="SNAPSHOT", bids=[["9.9", "1.00"]], asks=[["10.0", "1.00"]], checksum=101, **more
        )

    def wait(self, seconds: float) -> Bench:
        """Let time pass, waking the machine whenever it asks for it."""
        until_ns = self.now_ns + int(seconds * SECOND)
        for _ in range(10_000):
            next_ns = self.machine.next_ns()
            if next_ns is None or next_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, next_ns)
            self.machine.on_timer(self.now_ns)
        self.now_ns = until_ns
        return self

    def types(self, symbol: str) -> list[str]:
        return [
            event.update_type.value
            for event in self.book.events
            if isinstance(event, MarketByPriceUpdate) and event.symbol == symbol
        ]


@pytest.fixture
def bench() -> type[Bench]:
    return Bench


@pytest.fixture
def instrument():
    return make_instrument


@pytest.fixture
def topic():
    return make_topic
