"""CONTRACT of a simulated exchange. Pure: no socket, no clock read, no random but the seed it was given.

`gwcore.testing.serve` puts any of them on loopback; the simulation loop drives it on virtual time. A simulator is
written from the venue's documentation and imports nothing of the venue's plugin: they meet only on the wire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gwcore.rest import HttpRequest, HttpResponse


class SimFrame(NamedTuple):
    """Something for one connection: a frame to send, or (frame None) the order to close it.

    `abort` closes without a closing handshake, as a broken line does.
    """

    connection: int
    frame: bytes | None
    abort: bool = False


class Refusal(NamedTuple):
    """The answer to a connection attempt that is not accepted."""

    status: int
    body: bytes = b""


class Simulator(Protocol):
    """One venue. The driver calls `advance` with non-decreasing times, at the latest at `next_ns`."""

    def http(self, request: HttpRequest, now_ns: int) -> HttpResponse:
        """Answer one REST request. `request.url` may be relative (path and query). Status 0: the answer is lost."""
        ...

    def open(self, path: str, now_ns: int) -> int | Refusal:
        """Accept a WebSocket on `path`: returns a new connection number, or refuses."""
        ...

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """A frame of a client. What it causes comes from `advance`."""
        ...

    def close(self, connection: int, now_ns: int) -> None:
        """The client is gone."""
        ...

    def advance(self, now_ns: int) -> Sequence[SimFrame]:
        """All that is to be sent up to `now_ns`, in order."""
        ...

    def next_ns(self) -> int | None:
        """When there will be something to send next; None: nothing is planned."""
        ...

    def fault(self, name: str, **options: Any) -> str:
        """Switch a fault on or off while running; returns one sentence on what it did.

        Raises ValueError naming the faults it knows. Which ones: the simulator's documentation.
        """
        ...


class SimulatedAccounts(Protocol):
    """What a simulator with accounts can do besides; the control paths and `gw sim` use it where it is there."""

    def run_to(self, now_ns: int) -> None:
        """Let time pass, so that what the control side does next happens at `now_ns`."""
        ...

    def act(self, name: str, **options: Any) -> Any:
        """Have something done to an account, as if by its owner elsewhere; what it returns can be encoded as JSON.

        Raises ValueError naming the actions it knows.
        """
        ...

    def account(self, name: str = "") -> Any:
        """The truth about an account (empty: the first): orders, fills, balances, positions as exact decimal text.

        Raises ValueError naming the accounts there are.
        """
        ...

    def credentials(self) -> Mapping[str, tuple[str, str]]:
        """Key and secret of each account."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSpec:
    """One simulated venue, as a plugin registers it. `settings` is a msgspec Struct type with a default for each field."""

    name: str
    api_version: int
    settings: type
    create: Callable[[Any], Simulator]
    paths: Iterable[str]  # WebSocket paths it serves, for the banner: ("/v2", ...)
    summary: str
    # What can be switched and done while it runs: name, and what it does with its options.
    faults: Mapping[str, str] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
