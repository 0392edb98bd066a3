"""DeskOutbox: what the desk of an account's orders asks the runtime (or a test) to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gwcore.errors import VenueError
from gwcore.model import Event
from gwcore.rest import HttpFlow
from gwcore.venue import Frame

T = TypeVar("T")


class DeskOutbox(Protocol):
    """Called by a desk while it handles something; order is kept."""

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """Publish on the account's own partition. Clients get it when it is durable."""
        ...

    def send(self, frame: Frame) -> None:
        """Send a frame on the account's connection."""
        ...

    def run_request(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run an HTTP flow whether or not there is a connection; `done(result, monotonic ns)` is called once, later."""
        ...

    def barrier(self, callback: Callable[[int], None]) -> None:
        """Call back with the monotonic time once all that was published so far is durable; never, if that can't be."""
        ...

    def journal_failed(self) -> str:
        """Why nothing is being made durable at present; empty: all is well."""
        ...

    def wall_ns(self) -> int:
        """The wall clock."""
        ...
