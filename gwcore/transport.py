"""CONTRACT of a client transport: it moves frames between clients and the core and knows nothing of markets.

The transport accepts clients, checks who they are, decodes requests with `gwcore.wire` and submits them. The core decides
what a client gets and pushes it in batches, once a loop turn; a writer that can't take more says so and the core buffers
within its limit, then follows the client's own choice (conflate or cut).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gwcore.model import Record
from gwcore.ports import Clock
from gwcore.wire import ClientRequest, ServerMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientInfo:
    """Who a client is. `identity` is what the transport has proof of (`uid:1000`), never what the client says."""

    transport: str
    identity: str
    name: str = ""  # what the client calls itself
    attributes: dict[str, str] = field(default_factory=dict)


class ClientWriter(Protocol):
    """The way to one client. Implemented by the transport, called by the core from the loop's thread."""

    def write_events(self, records: Sequence[Record]) -> None:
        """Send encoded envelopes, in order, in one system call where possible. Never blocks, never raises."""
        ...

    def write_message(self, message: ServerMessage) -> None:
        """Send a control message (welcome, answer, goodbye), in order with the events."""
        ...

    def close(self, reason: str) -> None:
        """Say goodbye with the reason and close."""
        ...


class ClientSession(Protocol):
    """The core's side of one client. Called by the transport from the loop's thread."""

    def submit(self, request: ClientRequest) -> None:
        """A request of the client. Answers come through the writer. Never raises."""
        ...

    def pause(self) -> None:
        """The writer's buffer is full: write nothing until `resume`."""
        ...

    def resume(self) -> None:
        """The writer can take more."""
        ...

    def closed(self) -> None:
        """The client is gone; the writer will not be called again."""
        ...


class ClientPort(Protocol):
    """What the core gives a transport."""

    def open(self, client: ClientInfo, writer: ClientWriter) -> ClientSession:
        """A client came."""
        ...


class Transport(Protocol):
    """One way in for clients."""

    async def run(self, port: ClientPort) -> None:
        """Serve clients until cancelled. Calls `TransportContext.ready` once it does."""
        ...


class TransportCounters(NamedTuple):
    """What a transport has counted since it began; `clients` is how many it has now."""

    clients: int
    bytes: int  # handed to the system, framing included
    dropped: int  # what it turned away by itself: connections refused or cut, requests that nobody could answer


def _count_nothing(read: Callable[[], TransportCounters]) -> None:
    """Where nobody counts."""


def _tell_nobody(cause: str, detail: str) -> None:
    """Where nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportContext:
    """What a transport is given."""

    venue: str
    environment: str
    source: str
    state_dir: Path
    clock: Clock
    ready: Callable[[str], None]  # called with the address once clients can come
    # For a transport that stands on somebody else's server: called with one word and a sentence when that is lost, with
    # empty ones when it is back. Published as the status of `transport.<name>`.
    status: Callable[[str, str], None] = _tell_nobody
    # A transport that counts calls it once, with a function that is then called at every scrape of the metrics.
    counters: Callable[[Callable[[], TransportCounters]], None] = _count_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSpec:
    """One transport, as a plugin registers it. `settings` is a msgspec Struct type with a default for each field."""

    name: str
    api_version: int
    settings: type
    create: Callable[[Any, TransportContext], Transport]
    summary: str
