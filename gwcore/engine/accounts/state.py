"""AccountState: where one account stands on its way to Ready."""

from __future__ import annotations

from enum import Enum


class AccountState(str, Enum):
    """Where an account stands."""

    CLOSED = "CLOSED"
    SNAPSHOTS = "SNAPSHOTS"  # subscribed; the stream's snapshots are awaited
    DOWNLOADING = "DOWNLOADING"
    READY = "READY"
    HALTED = "HALTED"
