"""Page: what the status page in a browser is told, once a second, while somebody looks: states, spreads, latencies, rates.

It is made at most once a second, however many look, and not at all while nobody does. It shows no client and no account.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from importlib.resources import files
from typing import Any

import orjson

from gwcore.engine.market.subscription import Subscription
from gwcore.histogram import LatencyHistogram
from gwcore.model import StreamState
from gwcore.runtime.app import Gateway
from gwcore.runtime.observability.status import Status

#: Books shown: those that are not LIVE first. A venue has more, and a browser's page is no place for all of them.
BOOKS_MAX = 200
#: How often the page is told something.
TELL_S = 1.0


def page_html() -> bytes:
    """The page itself: one file without anything from elsewhere."""
    return files("gwcore.runtime.observability").joinpath("page.html").read_bytes()


class Page:
    """Makes the page's data. `monotonic_ns` is the gateway's clock."""

    def __init__(self, gateway: Gateway, status: Status, monotonic_ns: Callable[[], int]) -> None:
        self._gateway = gateway
        self._status = status
        self._monotonic_ns = monotonic_ns
        self._made_ns: int | None = None
        self._data = b""

    def data(self) -> bytes:
        """What there is to tell now, as JSON."""
        now_ns = self._monotonic_ns()
        if self._made_ns is None or now_ns - self._made_ns >= TELL_S * 0.9 * 1e9:
            self._made_ns = now_ns
            self._data = orjson.dumps(self._make(now_ns), default=str)
        return self._data

    def _make(self, now_ns: int) -> dict[str, Any]:
        publisher = self._gateway.publisher
        books = self._books(now_ns)
        return {
            "status": self._status.report(),
            "books": books[:BOOKS_MAX],
            "more": max(0, len(books) - BOOKS_MAX),
            "frames": sum(connection.machine.frames for connection in self._gateway.hub.connections),
            "latency": _buckets(publisher.latency),
            "venue_latency": _buckets(publisher.venue_latency),
        }

    def _books(self, now_ns: int) -> list[dict[str, Any]]:
        """One row a book, those that are not LIVE first, then by symbol. Prices only where they are for everybody."""
        shows_prices = self._gateway.fanout.settings.open_market_data
        rows = []
        for machine in self._gateway.machine.machines:
            for symbol, book in machine.books.of_symbol.items():
                age_ns = machine.watch.quiet.age_ns(book.topic, now_ns)
                rows.append(
                    {
                        "symbol": symbol,
                        "state": book.state.value,
                        "reason": "" if book.state is StreamState.LIVE or book.reason is None else book.reason.value,
                        "for_s": (now_ns - book.since_ns) / 1e9,
                        "age_s": None if age_ns is None else age_ns / 1e9,
                        **(_prices(book) if shows_prices else {}),
                    }
                )
        rows.sort(key=lambda row: (row["state"] == StreamState.LIVE.value, row["symbol"]))
        return rows


def _prices(subscription: Subscription) -> dict[str, str]:
    """Best bid and ask and their distance as text; nothing of a book that may not be used."""
    book = subscription.book
    if subscription.state is not StreamState.LIVE or book is None:
        return {}
    bid, ask = book.best_bid, book.best_ask
    found = {name: level.price for name, level in (("bid", bid), ("ask", ask)) if level is not None}
    if bid is not None and ask is not None:
        found["spread"] = format(Decimal(ask.price) - Decimal(bid.price), "f")
    return found


def _buckets(histogram: LatencyHistogram) -> list[tuple[float, int]]:
    """(upper bound in seconds, count in this bucket) of the buckets, the empty ones too."""
    rows, before = [], 0
    for bound, count in histogram.cumulative():
        rows.append((bound, count - before))
        before = count
    return rows
