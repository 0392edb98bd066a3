"""Beat: one part of a gateway says until when it will have moved on. Whoever asks later finds that it is stuck.

It must not stop anything: `liveness` gathers the beats, and who stands behind the process decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

#: An attempt to connect to the venue (addresses, tokens, the handshake) that has not ended after this long never will: each
#: of its requests has a limit of its own, of some seconds.
ATTEMPT_S = 300.0
#: What was to happen at a certain time is late when it has not happened this much later, though the loop runs.
LATE_S = 60.0


class Beat:
    """The beat of one part. `time_s` is the clock of the loop that the part runs on."""

    __slots__ = ("_due_s", "_time_s")

    def __init__(self, time_s: Callable[[], float]) -> None:
        self._time_s = time_s
        self._due_s: float | None = None  # None: it rests

    def within(self, limit_s: float) -> None:
        """The part calls this again, or `rest`, within `limit_s` from now."""
        self._due_s = self._time_s() + limit_s

    def rest(self) -> None:
        """The part waits for what may never come, and that is well."""
        self._due_s = None

    async def sleep(self, delay_s: float) -> None:
        """Do nothing for so long, which is late only where it lasts much longer."""
        self.within(delay_s + LATE_S)
        await asyncio.sleep(delay_s)

    def late_s(self) -> float:
        """For how many seconds the part has been overdue; 0: it is not."""
        return 0.0 if self._due_s is None else max(0.0, self._time_s() - self._due_s)
