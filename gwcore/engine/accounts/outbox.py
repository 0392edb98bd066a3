"""AccountOutbox: what the machine of one account asks the runtime (or a test) to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gwcore.engine.orders.outbox import DeskOutbox
from gwcore.errors import VenueError
from gwcore.model import Event
from gwcore.rest import HttpFlow

T = TypeVar("T")


class AccountOutbox(DeskOutbox, Protocol):
    """Called by a machine while it handles something; order is kept."""

    def publish_status(self, event: Event) -> None:
        """Publish an event about the gateway itself (partition `st`)."""
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
