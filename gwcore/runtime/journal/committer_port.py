"""CommitterPort: what a gateway needs of whatever has the journal committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gwcore.histogram import LatencyHistogram
from gwcore.runtime.beat import Beat


class CommitterPort(Protocol):
    """What drives `Journal.commit` (a thread, or virtual time)."""

    @property
    def commits(self) -> int:
        """Commits that worked."""
        ...

    @property
    def failures(self) -> int:
        """Commits that failed."""
        ...

    @property
    def latency(self) -> LatencyHistogram:
        """How long commits that worked took."""
        ...

    @property
    def beat(self) -> Beat:
        """Late while a commit does not come back."""
        ...

    def start(self, on_synced: Callable[[], None], on_failed: Callable[[str], None]) -> None:
        """Begin; the callbacks come on the loop."""
        ...

    def wake(self) -> None:
        """Something was appended."""
        ...

    async def drain(self) -> None:
        """Return when all that was appended is synced, or can't be."""
        ...

    async def stop(self) -> None:
        """End; a last commit was tried."""
        ...
