"""State of the faults of the private side; `account_switch` sets the fields. All off at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class AccountFaults:
    """Counts go down by one for each frame they concern; negative ones last until restored."""

    token_error: str = ""  # what GetWebSocketsToken answers instead
    refuses_tokens: bool = False  # no token is good on a WebSocket, however fresh
    duplicates: int = 0  # frames of executions that are sent twice
    duplicate_kind: str = "trade"  # the exec_type of them; "*": any
    swaps: int = 0  # frames of executions that come behind the one that follows
    executions_delay_ns: int = 0
    duplicate_same_sequence: bool = False  # the copy has the number of the first
    drops: int = 0  # frames that are kept back
    drop_without_gap: bool = False  # they take no number: nothing shows that they are missing
    drop_channel: str = "executions"
    rest_lag_ns: int = 0  # how long REST knows nothing of what happened
    clock_skew_ns: int = 0  # of the venue's clock, as it shows in Time and in replies

    def copies(self, channel: str, kind: str, rows: Sequence[str]) -> int:
        """How often a frame goes out: 0, 1 or 2."""
        if kind != "update":
            return 1
        if self.drops and channel == self.drop_channel:
            self.drops -= 1
            return 0
        wanted = f'"exec_type":"{self.duplicate_kind}"'
        if self.duplicates and channel == "executions" and (self.duplicate_kind == "*" or wanted in rows[0]):
            self.duplicates -= 1
            return 2
        return 1
