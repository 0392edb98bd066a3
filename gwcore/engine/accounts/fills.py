"""FillMemory: which fills of one account were told already, and from when on they are told at all.

Filled from the journal at start, so it is exactly what clients and sinks have. Bounded: the oldest ids go, and with them goes
the right to tell fills of that age.
"""

from __future__ import annotations

from gwcore.model import Fill

#: Ids remembered; far more than fall into the time that is ever asked for again.
FILLS_MAX = 200_000


class FillMemory:
    """Ids of fills, with the time below which every fill counts as told."""

    def __init__(self, *, fills_max: int = FILLS_MAX) -> None:
        self._fills_max = fills_max
        self._times: dict[str, int] = {}  # id -> venue time, in the order they were told
        self.floor_ns: int | None = None  # fills before this are not told; None: the account never started
        self.last_ns: int | None = None  # venue time of the newest
        self.last_id: str | None = None
        self.duplicates = 0

    def __len__(self) -> int:
        return len(self._times)

    def had(self, fill: Fill, *, is_live: bool) -> bool:
        """Whether a fill was told, or is too old to be. One that is told live is not too old, whatever our clock said."""
        if fill.trade_id in self._times:
            self.duplicates += 1
            return True
        at_ns = fill.venue_time_ns
        return not is_live and at_ns is not None and self.floor_ns is not None and at_ns < self.floor_ns

    def add(self, fill: Fill) -> None:
        """A fill was told."""
        at_ns = fill.venue_time_ns or 0
        self._times[fill.trade_id] = at_ns
        if self.last_ns is None or at_ns >= self.last_ns:
            self.last_ns, self.last_id = at_ns, fill.trade_id
        while len(self._times) > self._fills_max:
            oldest = next(iter(self._times))
            # What is forgotten can't be told from what is new: from now on nothing of its age is new.
            self.floor_ns = max(self.floor_ns or 0, self._times.pop(oldest) + 1)
