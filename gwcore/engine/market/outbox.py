"""Outbox: what a machine of one connection asks the runtime (or a test) to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from gwcore.engine.market.recovery import Recovered
from gwcore.errors import VenueError
from gwcore.model import Event, MarketStatus
from gwcore.rest import HttpFlow
from gwcore.venue import Frame, InstrumentUpdate, MarketDataMessage, Topic

T = TypeVar("T")


class Outbox(Protocol):
    """Called by a machine while it handles something; order is kept."""

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """Publish an event on the connection's own partition."""
        ...

    def publish_status(self, event: Event) -> None:
        """Publish an event about the gateway itself (partition `st`)."""
        ...

    def send(self, frame: Frame) -> None:
        """Send a frame on this connection."""
        ...

    def fetch(self, topic: Topic | None, flow: HttpFlow[Sequence[MarketDataMessage]]) -> None:
        """Run an HTTP flow; its messages (or its failure) come back through `on_fetched`."""
        ...

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run an HTTP flow whatever becomes of the connection; `done(result, monotonic ns)` is called once, later."""
        ...

    def close(self, reason: str) -> None:
        """Close this connection; `on_close` follows, then a new one."""
        ...

    def on_instruments(self, update: InstrumentUpdate, received_ns: int) -> None:
        """The venue said what is traded: for the whole gateway, not only this connection."""
        ...

    def on_recovered(self, recovered: Recovered) -> None:
        """All is settled after an outage of this connection."""
        ...

    def on_venue_status(self, status: MarketStatus, received_ns: int) -> None:
        """The venue said how it stands: for the whole gateway."""
        ...
