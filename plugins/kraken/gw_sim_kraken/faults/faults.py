"""State of the faults that are switched on, and what they do to frames, handshakes and HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gw_sim_kraken.board import Board
from gw_sim_kraken.faults import damage
from gw_sim_kraken.feed import Emission, Feed, Topic
from gw_sim_kraken.market.checksum import LEVELS
from gwcore.rest import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from gw_sim_kraken.faults.request_faults import RateLimit, Unfed

CORRUPT, CHECKSUM, DROP, DUPLICATE = "corrupt_level", "wrong_checksum", "drop_update", "duplicate_update"
OLD_TIME = "old_time"
ANY = "*"
#: What downtime does not withhold.
_ALWAYS = ("status", "instrument")
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1>cloudflare</body></html>"


@dataclass(slots=True)
class BookFault:
    """Armed for the next `count` book updates of a symbol; a negative count: until restored."""

    kind: str
    symbol: str
    count: int
    snapshots: bool = False  # snapshots of subscriptions too
    depth: int = 0  # only events that a book of this depth is told of; 0: all


@dataclass(slots=True)
class HttpFault:
    """What REST answers instead, `count` times; a negative count: until restored."""

    status: int
    body: str
    error: str
    path: str
    count: int
    after: bool = False  # the request is carried out first


class Faults:
    """All off at the start. `fault_switch` sets the fields."""

    def __init__(self) -> None:
        self.books: list[BookFault] = []
        self.silenced: set[tuple[str, str]] = set()  # channel, symbol; "*" stands for all
        self.rejected: dict[str, str] = {}  # symbol, error text
        self.starved: set[str] = set()  # acked, never fed
        self.refusals: list[int] = []  # status of the next handshakes
        self.http_fault: HttpFault | None = None
        self.no_heartbeats = False
        self.withheld = False  # no market data at all; what is subscribed meanwhile is fed when this ends
        self.down_status = 0  # status of every handshake while the exchange is down; 0: taken
        self.unfed: Unfed | None = None
        self.subscriptions_max: tuple[int, str] | None = None  # of a connection, and the error for more
        self.rate_limit: RateLimit | None = None

    @property
    def touches_data(self) -> bool:
        """Whether frames have to be looked at."""
        return bool(self.books or self.silenced or self.starved or self.withheld)

    def refusal(self) -> int:
        """The status with which the next handshake is refused; 0: it is not."""
        return self.refusals.pop(0) if self.refusals else self.down_status

    def rejection(self, symbol: str) -> str | None:
        """The error for subscriptions of a symbol."""
        return self.rejected.get(symbol)

    def starves(self, topic: Topic) -> bool:
        """Whether a topic is acked but not fed."""
        return topic.symbol in self.starved or (self.withheld and topic.channel not in _ALWAYS)

    def silences(self, topic: Topic) -> bool:
        """Whether nothing of a topic is sent."""
        channel, symbol = topic.channel, topic.symbol
        silenced = self.silenced
        return bool(silenced) and not silenced.isdisjoint(
            ((channel, symbol), (channel, ANY), (ANY, symbol), (ANY, ANY))
        )

    def filter(self, emissions: Sequence[Emission], board: Board, feed: Feed) -> list[Emission]:
        """What is left of the frames of one event. One event counts once, whatever depths it is sent at."""
        out: list[Emission] = []
        used: dict[str, BookFault] = {}
        for topic, frame in emissions:
            if self.silences(topic) or self.starves(topic):
                continue
            fault = self._armed(topic.symbol) if topic.channel == "book" else None
            if fault is None or not any(board.listeners(topic)) or not _is_meant(fault, topic.symbol, emissions):
                out.append((topic, frame))
                continue
            changed = self._apply(fault, topic, frame, feed)
            if changed is None:
                out.append((topic, frame))
            else:
                used[topic.symbol] = fault
                out += [(topic, one) for one in changed]
        for fault in used.values():
            self._use_up(fault)
        return out

    def snapshot(self, topic: Topic, frame: bytes, feed: Feed) -> bytes:
        """A snapshot frame, with the fault that also meant snapshots."""
        fault = self._armed(topic.symbol) if topic.channel == "book" and self.books else None
        if fault is None or not fault.snapshots or fault.kind not in (CORRUPT, CHECKSUM, OLD_TIME):
            return frame
        changed = self._apply(fault, topic, frame, feed)
        if changed is None:
            return frame
        self._use_up(fault)
        return changed[0]

    def meets(self, request: HttpRequest) -> bool:
        """Whether the answer to a request is replaced."""
        return self.http_fault is not None and self.http_fault.path in request.url

    def http_response(self, request: HttpRequest, answer: Callable[[], HttpResponse]) -> HttpResponse:
        """`answer`, or what replaces it."""
        fault = self.http_fault
        if fault is None or not self.meets(request):
            return answer()
        if fault.after:
            answer()
        fault.count -= 1
        if fault.count == 0:
            self.http_fault = None
        if fault.error:
            return HttpResponse(
                status=200,
                headers={"content-type": "application/json"},
                body=msgspec.json.encode({"error": [fault.error]}),
            )
        if fault.body == "html":
            return HttpResponse(status=fault.status, headers={"content-type": "text/html"}, body=_HTML)
        return HttpResponse(status=fault.status, body=b'{"error":[' if fault.body == "torn" else b"")

    def _armed(self, symbol: str) -> BookFault | None:
        for fault in self.books:
            if fault.symbol in (ANY, symbol):
                return fault
        return None

    def _use_up(self, fault: BookFault) -> None:
        fault.count -= 1
        if fault.count == 0 and fault in self.books:
            self.books.remove(fault)

    def _apply(self, fault: BookFault, topic: Topic, frame: bytes, feed: Feed) -> list[bytes] | None:
        if fault.kind == DROP:
            return []
        if fault.kind == DUPLICATE:
            return [frame, frame]
        if fault.kind == OLD_TIME:
            changed = damage.old_time(frame)
        elif fault.kind == CHECKSUM:
            changed = damage.wrong_checksum(frame)
        else:
            book = feed.book(topic.symbol, LEVELS)
            changed = damage.wrong_quantity(frame, {price for price, _ in (*book.bids, *book.asks)})
        return None if changed is None else [changed]


def _is_meant(fault: BookFault, symbol: str, emissions: Sequence[Emission]) -> bool:
    return not fault.depth or any(topic == Topic("book", symbol, fault.depth) for topic, _ in emissions)
