"""DemoExchange: three markets and one account, moved by a seed. Written from the venue's documents, not from the plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from gw_sim_demo.desk import Desk
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal, SimFrame

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-EUR")
LEVELS = 12
PING_NS = 5_000_000_000
#: A client that does not answer a ping is cut after this.
DEAF_NS = 12_000_000_000
FAULTS = {
    "lose_change": "the next change of a book (product, else the first) reaches nobody",
    "old_snapshot": "the next snapshot by REST is one of a while ago",
}


class DemoSimSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `gw sim demo` takes."""

    seed: int = 1  # all chance comes from it
    rate: float = 40.0  # changes a second over all markets


class Market:
    """One book: price in cents -> quantity in ten-thousandths, a side; and its numbers."""

    def __init__(self, middle: int) -> None:
        self.sides = ({middle - 5 - n: 5_000 for n in range(LEVELS)}, {middle + 5 + n: 5_000 for n in range(LEVELS)})
        self.last = 1_000
        self.trades = 0
        self.past: list[dict[str, Any]] = [self.whole()]

    def whole(self) -> dict[str, Any]:
        """All of it, as REST tells it."""
        bids, asks = (
            [level(price, side[price]) for price in sorted(side, reverse=number == 0)]
            for number, side in enumerate(self.sides)
        )
        return {"last": self.last, "bids": bids, "asks": asks}

    def change(self, random: Random) -> dict[str, Any]:
        """One or two levels get another quantity; each takes a number."""
        first, changed = self.last + 1, ([], [])  # type: tuple[int, tuple[list[list[str]], list[list[str]]]]
        for _ in range(random.randint(1, 2)):
            number = random.randrange(2)
            price = random.choice(sorted(self.sides[number]))
            self.sides[number][price] = random.randrange(1, 90_000)
            changed[number].append(level(price, self.sides[number][price]))
            self.last += 1
        self.past = [*self.past[-40:], self.whole()]
        return {"feed": "book", "first": first, "last": self.last, "bids": changed[0], "asks": changed[1]}

    def trade(self, random: Random, time_ms: int) -> dict[str, Any]:
        """Somebody takes from the best ask."""
        self.trades += 1
        price, quantity = level(min(self.sides[1]), random.randrange(1, 1_000))
        row = {"feed": "trade", "trade": self.trades, "price": price, "quantity": quantity}
        return row | {"side": random.choice(("buy", "sell")), "time_ms": time_ms}


def level(price: int, quantity: int) -> list[str]:
    """Price and quantity as the venue writes them."""
    return [f"{price // 100}.{price % 100:02}", f"{quantity // 10_000}.{quantity % 10_000:04}"]


class DemoExchange:
    """A `gwcore.simulator.Simulator`, with one account."""

    def __init__(self, settings: DemoSimSettings) -> None:
        self._random = Random(settings.seed)
        self._step_ns = int(1_000_000_000 / settings.rate)
        self._markets = {product: Market(1_000_000 * (number + 1)) for number, product in enumerate(PRODUCTS)}
        self._feeds: dict[int, set[str]] = {}  # of public connections
        self._pinged: dict[int, int] = {}  # connection -> when the ping it has not answered left; 0: none
        self._opened = 0
        self._next_ns: int | None = None
        self._ping_ns = 0
        self._out: list[SimFrame] = []
        self._lose = ""
        self._old = False
        self.desk = Desk(self._send)

    def http(self, request: HttpRequest, now_ns: int) -> HttpResponse:
        """`/products`, `/book`, `/account`."""
        parts = urlsplit(request.url)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/products":
            rows = [{"id": product, "tick": "0.01", "lot": "0.0001", "state": "open"} for product in PRODUCTS]
            return answer({"products": rows})
        if parts.path == "/book" and query.get("product") in self._markets:
            market = self._markets[query["product"]]
            old, self._old = self._old, False
            return answer(market.past[0] if old else market.whole())
        if parts.path == "/account":
            headers = {key.lower(): value for key, value in request.headers.items()}
            return self.desk.http(headers, f"{parts.path}?{parts.query}", query, now_ns)
        return HttpResponse(status=404, body=b"no such thing")

    def open(self, path: str, now_ns: int) -> int | Refusal:
        """Two paths."""
        if path not in ("/public", "/private"):
            return Refusal(404)
        self._opened += 1
        self._pinged[self._opened] = 0
        if path == "/public":
            self._feeds[self._opened] = set()
        else:
            self.desk.open(self._opened)
        if self._next_ns is None:
            self._next_ns, self._ping_ns = now_ns + self._step_ns, now_ns + PING_NS
        return self._opened

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """A subscription, a pong, or something of an account."""
        if frame == b"pong":
            self._pinged[connection] = 0
            return
        try:
            request = msgspec.json.decode(frame, type=dict[str, Any])
        except msgspec.MsgspecError:
            self._out.append(SimFrame(connection, None))
            return
        if connection not in self._feeds:
            self.desk.receive(connection, request)
            return
        for feed in request.get("feeds", ()):
            kind, _, product = feed.partition(".")
            if kind not in ("book", "trade") or product not in self._markets:
                self._send(connection, {"op": "no", "id": request["id"], "feed": feed, "why": "no such product"})
                continue
            self._feeds[connection].add(feed)
            self._send(connection, {"op": "ok", "id": request["id"], "feed": feed})

    def close(self, connection: int, now_ns: int) -> None:
        """Forget it."""
        self._feeds.pop(connection, None)
        self._pinged.pop(connection, None)
        self.desk.close(connection)

    def advance(self, now_ns: int) -> Sequence[SimFrame]:
        """What happened until now."""
        while self._next_ns is not None and self._next_ns <= now_ns:
            self._step(self._next_ns)
            self._next_ns += self._step_ns
        out, self._out = self._out, []
        return out

    def next_ns(self) -> int | None:
        """At once where something waits, else the next change."""
        return 0 if self._out else self._next_ns

    def fault(self, name: str, **options: Any) -> str:
        """See FAULTS."""
        if name == "lose_change":
            self._lose = str(options.get("product", PRODUCTS[0]))
            return f"the next change of {self._lose} is lost"
        if name == "old_snapshot":
            self._old = True
            return "the next snapshot is an old one"
        raise ValueError(f"no fault {name!r}; there are: {', '.join(FAULTS)}")

    def credentials(self) -> Mapping[str, tuple[str, str]]:
        """Key and secret of the one account."""
        return {"account1": (self.desk.key, self.desk.secret)}

    def _step(self, at_ns: int) -> None:
        product = self._random.choice(PRODUCTS)
        market = self._markets[product]
        row = market.change(self._random)
        if self._lose == product:
            self._lose = ""
        else:
            self._tell(f"book.{product}", {**row, "product": product})
        if self._random.random() < 0.2:
            self._tell(f"trade.{product}", {**market.trade(self._random, at_ns // 1_000_000), "product": product})
        if at_ns >= self._ping_ns:
            self._ping_ns = at_ns + PING_NS
            for connection, since_ns in self._pinged.items():
                is_deaf = since_ns and at_ns - since_ns > DEAF_NS
                self._out.append(SimFrame(connection, None if is_deaf else b"ping"))
                self._pinged[connection] = since_ns or at_ns

    def _tell(self, feed: str, row: dict[str, Any]) -> None:
        for connection, feeds in self._feeds.items():
            if feed in feeds:
                self._send(connection, row)

    def _send(self, connection: int, row: dict[str, Any] | None) -> None:
        self._out.append(SimFrame(connection, None if row is None else msgspec.json.encode(row)))


def answer(body: object, status: int = 200) -> HttpResponse:
    """An answer of REST."""
    return HttpResponse(status=status, headers={"content-type": "application/json"}, body=msgspec.json.encode(body))
