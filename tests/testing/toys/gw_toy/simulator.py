"""The toy venue's other side: three markets that move on their own, each message with its checksum."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from gwcore import API_VERSION
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal, SimFrame, SimulatorSpec

NAMES = ("AAA-USD", "BBB-USD", "CCC-USD")
DEPTH = 5
STEP_NS = 50_000_000
HEARTBEAT_NS = 1_000_000_000


class ToySimSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The market."""

    seed: int = 1  # all chance comes from it


class ToyMarket:
    def __init__(self, settings: ToySimSettings) -> None:
        self._random = Random(settings.seed)
        self._books = {
            name: ({9990 - n: 1000 + n for n in range(DEPTH)}, {10010 + n: 1000 + n for n in range(DEPTH)})
            for name in NAMES
        }
        self._topics: dict[int, set[str]] = {}
        self._opened = 0
        self._next_ns: int | None = None
        self._beat_ns = 0
        self._out: list[SimFrame] = []

    def http(self, request: HttpRequest, now_ns: int) -> HttpResponse:
        if not request.url.endswith("/instruments"):
            return HttpResponse(status=404)
        rows = [{"name": name, "alias": name.replace("-", "")} for name in NAMES]
        return HttpResponse(status=200, body=msgspec.json.encode({"instruments": rows}))

    def open(self, path: str, now_ns: int) -> int | Refusal:
        if path != "/ws":
            return Refusal(404)
        self._opened += 1
        self._topics[self._opened] = set()
        if self._next_ns is None:
            self._next_ns, self._beat_ns = now_ns + STEP_NS, now_ns + HEARTBEAT_NS
        return self._opened

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        request = msgspec.json.decode(frame)
        for topic in request["topics"]:
            channel, _, name = topic.partition(":")
            answer: dict[str, Any] = {"id": request["id"], "topic": topic}
            if channel != "instrument" and name not in self._books:
                self._send(connection, {"t": "nak", "why": "no such market", **answer})
            elif request["op"] == "unsub":
                self._topics[connection].discard(topic)
                self._send(connection, {"t": "bye", **answer})
            else:
                self._topics[connection].add(topic)
                self._send(connection, {"t": "ack", **answer})
                if channel == "instrument":
                    self._send(connection, {"t": "list"})
                elif channel == "book":
                    bids, asks = self._books[name]
                    self._send(connection, {"t": "snap", **self._book(name, sorted(bids), sorted(asks))})

    def close(self, connection: int, now_ns: int) -> None:
        self._topics.pop(connection, None)

    def advance(self, now_ns: int) -> Sequence[SimFrame]:
        while self._next_ns is not None and self._next_ns <= now_ns:
            self._step()
            self._next_ns += STEP_NS
            if self._beat_ns <= self._next_ns:
                self._beat_ns += HEARTBEAT_NS
                for connection in self._topics:
                    self._send(connection, {"t": "hb"})
        out, self._out = self._out, []
        return out

    def next_ns(self) -> int | None:
        return 0 if self._out else self._next_ns

    def fault(self, name: str, **options: Any) -> str:
        raise ValueError(f"no fault {name!r}")

    def _step(self) -> None:
        """One level of one market gets another quantity; now and then there is a trade."""
        name = NAMES[self._random.randrange(len(NAMES))]
        side = self._random.randrange(2)
        price = self._random.choice(sorted(self._books[name][side]))
        self._books[name][side][price] = self._random.randrange(1, 9_999)
        changed = ([price], []) if side == 0 else ([], [price])
        self._tell(f"book:{name}", {"t": "upd", **self._book(name, *changed)})
        if self._random.random() < 0.3:
            row = {"s": name, "p": f"{price // 100}.{price % 100:02}", "q": "0.500", "side": "BUY"}
            self._tell(f"trade:{name}", {"t": "trade", **row})

    def _book(self, name: str, bids: list[int], asks: list[int]) -> dict[str, Any]:
        book = self._books[name]
        texts = [
            "".join(f"{price}:{quantity};" for price, quantity in sorted(levels.items(), reverse=side == 0))
            for side, levels in enumerate(book)
        ]
        return {
            "s": name,
            "b": [_level(price, book[0][price]) for price in bids],
            "a": [_level(price, book[1][price]) for price in asks],
            "c": crc32("|".join(texts).encode()),
        }

    def _tell(self, topic: str, row: dict[str, Any]) -> None:
        for connection, topics in self._topics.items():
            if topic in topics:
                self._send(connection, row)

    def _send(self, connection: int, row: dict[str, Any]) -> None:
        self._out.append(SimFrame(connection, msgspec.json.encode(row)))


def _level(price: int, quantity: int) -> list[str]:
    return [f"{price // 100}.{price % 100:02}", f"{quantity // 1000}.{quantity % 1000:03}"]


SPEC = SimulatorSpec(
    name="toy",
    api_version=API_VERSION,
    settings=ToySimSettings,
    create=ToyMarket,
    paths=("/ws",),
    summary="a toy",
)
