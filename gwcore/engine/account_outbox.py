"""AccountOutbox: what the machine of one account asks the runtime (or a test) to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gwcore.errors import VenueError
from gwcore.model import Event
from gwcore.rest import HttpFlow
from gwcore.venue import Frame

T = TypeVar("T")


class AccountOutbox(Protocol):
    """Called by a machine while it handles something; order is kept."""

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """Publish on the account's own partition. Clients get it when it is durable."""
        ...

    def publish_status(self, event: Event) -> None:
        """Publish an event about the gateway itself (partition `st`)."""
        ...

    def send(self, frame: Frame) -> None:
        """Send a frame on the account's connection."""
        ...

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run an HTTP flow; `done(result, monotonic ns)` is called once, later, unless the connection is gone by then."""
        ...

    def close(self, reason: str) -> None:
        """Close this connection; `on_close` follows, then a new one."""
        ...

    def halt(self, cause: str) -> None:
        """End this account: no new connection until the operator acts."""
        ...

    def wall_ns(self) -> int:
        """The wall clock."""
        ...
