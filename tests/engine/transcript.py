"""What a bench's machine is to have said, whole: each event with all its fields, and what was done around it."""

from __future__ import annotations

from typing import Any

from gwcore.model import (
    Bar,
    MarketByPriceUpdate,
    Origin,
    PriceLevel,
    StaleReason,
    StreamState,
    StreamStatus,
    TopOfBook,
    UpdateType,
)

BTC, ETH = "BTC/USD", "ETH/USD"
SECOND = 1_000_000_000
HEARD_NS = 77
GOOD = {"bids": [["9.9", "1.00"]], "asks": [["10.0", "2.00"]], "checksum": 101}


def levels(*pairs: tuple[str, str]) -> tuple[PriceLevel, ...]:
    return tuple(PriceLevel(*pair) for pair in pairs)


def snapshot(time_s: int | None = None, **changes: Any) -> tuple[Any, ...]:
    fields: dict[str, Any] = {
        "symbol": BTC,
        "update_type": UpdateType.SNAPSHOT,
        "bids": levels(("9.9", "1.00")),
        "asks": levels(("10.0", "2.00")),
        "checksum": 101,
        "depth": 10,
        "price_decimals": 1,
        "quantity_decimals": 2,
        "venue_time_ns": time_s * SECOND if time_s is not None else None,
    }
    return ("publish", MarketByPriceUpdate(**(fields | changes)), changes.pop("heard_ns", HEARD_NS))


def update(time_s: int | None = None, **changes: Any) -> tuple[Any, ...]:
    time_ns = time_s * SECOND if time_s is not None else None
    event = MarketByPriceUpdate(symbol=BTC, update_type=UpdateType.INCREMENTAL, venue_time_ns=time_ns, **changes)
    return ("publish", event, HEARD_NS)


def top(
    bid: tuple[str | None, str | None] = ("9.9", "1.00"),
    ask: tuple[str | None, str | None] = ("10.0", "2.00"),
    time_s: int | None = None,
) -> tuple[Any, ...]:
    event = TopOfBook(
        symbol=BTC,
        update_type=UpdateType.SNAPSHOT,
        bid_price=bid[0],
        bid_quantity=bid[1],
        ask_price=ask[0],
        ask_quantity=ask[1],
        venue_time_ns=time_s * SECOND if time_s is not None else None,
    )
    return ("publish", event, HEARD_NS)


def stale(reason: StaleReason, detail: str) -> list[tuple[Any, ...]]:
    common: dict[str, Any] = {
        "symbol": BTC,
        "update_type": UpdateType.STALE,
        "reason": reason,
        "origin": Origin.GATEWAY,
    }
    return [
        ("publish", MarketByPriceUpdate(detail=detail, **common), None),
        ("publish", TopOfBook(**common), None),
    ]


def status(
    state: StreamState, reason: StaleReason | None = None, detail: str | None = None, **more: Any
) -> tuple[Any, ...]:
    fields = {"resubscribes": 0} | more
    return (
        "status",
        StreamStatus(channel="book", symbol=BTC, shard=3, state=state, reason=reason, detail=detail, **fields),
    )


def lost(reason: StaleReason, detail: str, **more: Any) -> list[tuple[Any, ...]]:
    """A live book goes bad and is subscribed again at once."""
    return [
        *stale(reason, detail),
        status(StreamState.STALE, reason, detail, **more),
        status(StreamState.RESYNC, reason, detail, **({"resubscribes": 1} | more)),
        ("send", b"unsubscribe book BTC/USD"),
    ]


def news(b: Any) -> list[tuple[Any, ...]]:
    """What was said since the last time."""
    log = list(b.book.log)
    b.book.log.clear()
    return log


def subscription(b: Any, symbol: str = BTC) -> Any:
    return b.machine.books.of_symbol[symbol]


def going(bench: Any, *, time_s: int | None = None, **more: Any) -> Any:
    """A live book, its first words forgotten."""
    b = bench(BTC, silence_s=10_000.0, ping_s=None, **more).connect().hear(ack=["book", BTC])
    b.hear(book=BTC, type="SNAPSHOT", **GOOD, **({"time_s": time_s} if time_s is not None else {}))
    news(b)
    return b


def again(b: Any, **changes: Any) -> Any:
    """The venue takes the repair and sends this snapshot."""
    b.hear(ack=["book", BTC], left=True).hear(ack=["book", BTC])
    news(b)
    return b.hear(book=BTC, type="SNAPSHOT", **(GOOD | changes))


class Frank:
    """The toy codec, but its frames are whatever a test puts into `says`."""

    def __init__(self, codec: Any) -> None:
        self._codec = codec
        self.says: Any = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def decode(self, frame: bytes, received_ns: int) -> Any:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def say(b: Any, *messages: Any) -> list[tuple[Any, ...]]:
    """One frame with these messages; what it made the machine do."""
    codec = b.machine._codec
    if not isinstance(codec, Frank):
        codec = b.machine._codec = Frank(codec)
    codec.says = messages[0] if isinstance(messages[0], Exception) else messages
    news(b)
    b.machine.on_frame(b"frame", HEARD_NS, b.now_ns)
    return news(b)


def bar(minute: int) -> Bar:
    return Bar(begin_time_ns=minute * 60 * SECOND, open="1", high="1", low="1", close="1", volume="1")


def best(symbol: str = BTC) -> TopOfBook:
    return TopOfBook(symbol=symbol, update_type=UpdateType.SNAPSHOT, bid_price="1.0")


def no_more(symbol: str, reason: StaleReason) -> tuple[Any, ...]:
    event = TopOfBook(symbol=symbol, update_type=UpdateType.STALE, reason=reason, origin=Origin.GATEWAY)
    return ("publish", event, None)
