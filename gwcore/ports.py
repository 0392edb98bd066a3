"""What is handed in instead of being reached for: clock, random, ids, files, network (law 5).

Real ones live in `gwcore.runtime`, virtual ones in `gwcore.testing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gwcore.rest import HttpRequest, HttpResponse


class Clock(Protocol):
    """Time. Durations come from the monotonic clock, time stamps from the wall clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some fixed point; never goes back."""
        ...


class Random(Protocol):
    """Chance, for jitter."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


class Ids(Protocol):
    """Names that were never used before."""

    def session_id(self) -> str:
        """An id for one tenure of one partition: letters and digits, sorts by time."""
        ...


class AppendFile(Protocol):
    """A file open for appending."""

    def write(self, data: bytes) -> None:
        """Append all of `data`. Raises StorageError (the cause is the OSError)."""
        ...

    def sync(self) -> None:
        """Return when all that was written is durable. Raises StorageError; after that nothing is known."""
        ...

    def size(self) -> int:
        """Bytes in the file, written ones included."""
        ...

    def close(self) -> None:
        """Close without syncing."""
        ...


class Storage(Protocol):
    """One directory. Names are relative, with `/` for folders; parents are made as needed."""

    def append(self, name: str, *, mode: int = 0o640) -> AppendFile:
        """Open for appending, made with `mode` where absent."""
        ...

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Bytes from `offset`, at most `size` (all for -1). Raises FileNotFoundError."""
        ...

    def size(self, name: str) -> int:
        """Bytes in a file. Raises FileNotFoundError."""
        ...

    def exists(self, name: str) -> bool:
        """Whether the file is there."""
        ...

    def list(self, folder: str = "") -> Sequence[str]:
        """All files below `folder`, as names relative to this directory, sorted."""
        ...

    def replace(self, name: str, data: bytes, *, mode: int = 0o640) -> None:
        """Make the file hold exactly `data`, durably, or leave it as it was (write, sync, rename, sync)."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file its final name, atomically and durably."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to `size` bytes, durably."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file; no error where it is absent."""
        ...

    def free_bytes(self) -> int:
        """Space left on the volume."""
        ...

    def child(self, folder: str) -> Storage:
        """The directory `folder` below this one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one WebSocket connection goes and how it is kept."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    frame_bytes_max: int = 16 * 1024 * 1024
    protocol_ping_s: float | None = 20.0
    connect_timeout_s: float = 10.0
    max_age_s: float | None = None  # the venue closes older connections; None: never
    binary: bool = False  # outgoing frames are binary instead of text


class Connection(Protocol):
    """One open WebSocket connection."""

    def send(self, frame: bytes) -> None:
        """Queue a frame to be sent in order. After closing it does nothing."""
        ...

    def close(self, reason: str) -> None:
        """Close. `on_close` of the listener follows."""
        ...


class ConnectionListener(Protocol):
    """What a connection calls, always from the loop's thread."""

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        """One whole message."""
        ...

    def on_burst_end(self) -> None:
        """No further frame is at hand: a good moment to flush."""
        ...

    def on_close(self, cause: str) -> None:
        """The connection is gone; called exactly once."""
        ...


class Network(Protocol):
    """All that leaves or enters the process towards a venue."""

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket. Raises VenueUnavailable with the cause, AuthenticationError on 401."""
        ...

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One HTTP exchange. Raises VenueUnavailable where there is no whole answer."""
        ...
