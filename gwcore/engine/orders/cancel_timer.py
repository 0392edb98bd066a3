"""CancelTimer: the venue's dead-man timer of one account: armed, renewed, disarmed in time, and what is known of it. Pure.

It cancels every order of the account unless it is renewed: when the gateway dies, or can't reach the venue any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gwcore.model import AckStatus

NANOSECONDS: Final = 1_000_000_000
#: Renewed so many times in its period.
RENEWALS: Final = 4
#: A disarm that did not work is tried again after this, as long as the timer may be armed.
RETRY_NS: Final = NANOSECONDS
#: Off this long before maintenance that is announced for a time begins.
LEAD_NS: Final = 60 * NANOSECONDS
#: A venue that is ONLINE this long after that time has put it off: armed again.
LATE_NS: Final = 900 * NANOSECONDS
ANNOUNCED: Final = "the venue announced maintenance for about now"
EXPIRED: Final = "it was not renewed in time: the venue cancels every order of the account"


class CancelTimer:
    """Of one account. Times are monotonic ns.

    `period_s`: what the operator set, None: clients alone arm it. `ask(timeout_s, now)` sends it and returns why that could
    not be, or nothing. `tell(is_armed, cause)` says what changed.
    """

    def __init__(
        self,
        period_s: int | None,
        ask: Callable[[int, int], str],
        tell: Callable[[bool, str], None],
        is_up: Callable[[], bool],
    ) -> None:
        self.is_armed = False
        self.expired = 0
        self._period_s = period_s
        self._ask = ask
        self._tell = tell
        self._is_up = is_up
        self._told: tuple[bool, str] = (False, "")
        self._held = ""  # why it may not be armed now
        self._begins_ns: int | None = None  # announced maintenance
        self._is_near = False  # it begins, or should have begun
        self._is_stopping = False
        self._until_ns = 0  # at the venue it may be armed until then; 0: it is not
        self._proved_ns = 0  # as far as the venue's answers go
        self._doubted_ns = 0  # as far as requests go whose fate is not known
        self._client_ns = 0  # until then it is a client's
        self._armed_ns = 0  # when the last request that arms it was written
        self._due_ns = 0

    @property
    def hold(self) -> str:
        """Why it may not be armed now; empty: it may."""
        if self._is_stopping:
            return "the gateway stops"
        return self._held or (ANNOUNCED if self._is_near else "")

    @property
    def is_of_use(self) -> bool:
        """Whether it is armed, may be, or is to be."""
        return self._until_ns > 0 or self._period_s is not None

    @property
    def may_be_armed(self) -> bool:
        """Whether the venue may cancel by it, as far as is known."""
        return self._until_ns > 0

    def on_venue(self, cause: str) -> None:
        """The venue does not trade as ever (`cause`), during which it must not be armed; empty: that is over."""
        if cause != self._held:
            self._held, self._due_ns = cause, 0

    def on_announced(self, begins_ns: int | None) -> None:
        """Maintenance is announced for this time; None: none, or for a time that nobody can read. `on_timer` judges it."""
        if begins_ns == self._begins_ns:
            return
        self._begins_ns, self._is_near, self._due_ns = begins_ns, False, 0

    def _look_ahead(self, now_ns: int) -> None:
        if self._begins_ns is not None and now_ns >= self._begins_ns + LATE_NS:
            self._begins_ns = None
        is_near = self._begins_ns is not None and now_ns >= self._begins_ns - LEAD_NS
        if is_near != self._is_near:
            self._is_near, self._due_ns = is_near, 0

    def stop(self) -> None:
        """The gateway stops."""
        self._is_stopping, self._due_ns = True, 0

    def on_ack(self, user: str, timeout_s: int, status: AckStatus, written_ns: int) -> None:
        """What became of a request for it, the gateway's own (no user) or a client's."""
        until_ns = written_ns + timeout_s * NANOSECONDS
        if status is AckStatus.FORWARDED and timeout_s:
            self._armed_ns, self._until_ns = written_ns, max(self._until_ns, until_ns)
        elif status is AckStatus.ACCEPTED and timeout_s:
            self._until_ns = until_ns if self._armed_ns <= written_ns else max(self._until_ns, until_ns)
            self._proved_ns, self._doubted_ns = until_ns, 0
            self._client_ns = until_ns if user else 0
            self._say(True, f"for {timeout_s} s" + (f", by {user}" if user else ", renewed by the gateway"))
        elif status is AckStatus.ACCEPTED and self._armed_ns <= written_ns:
            self._clear()
            self._say(False, self.hold or (f"by {user}" if user else "by the gateway"))
        elif status is AckStatus.UNKNOWN and timeout_s:
            self._doubted_ns = max(self._doubted_ns, until_ns)
        elif status is AckStatus.REJECTED and timeout_s and self._armed_ns <= written_ns:
            self._until_ns = max(self._proved_ns, self._doubted_ns)
            if not self.is_armed:
                self._say(False, "it was refused")

    def _clear(self) -> None:
        self._until_ns = self._proved_ns = self._doubted_ns = self._client_ns = self._due_ns = 0

    def _say(self, is_armed: bool, cause: str) -> None:
        self.is_armed = is_armed
        if self._told != (is_armed, cause):
            self._told = (is_armed, cause)
            self._tell(is_armed, cause)

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do."""
        times = [self._until_ns] if self._until_ns else []
        if self._begins_ns is not None:
            times.append(self._begins_ns + LATE_NS if self._is_near else self._begins_ns - LEAD_NS)
        if self._is_up() and (self._until_ns if self.hold else self._period_s is not None):
            times.append(max(self._due_ns, self._client_ns if not self.hold else 0))
        return min(times, default=None)

    def on_timer(self, now_ns: int) -> None:
        """Arm, renew, disarm, or note that it ended."""
        self._look_ahead(now_ns)
        if self._until_ns and now_ns >= self._until_ns:
            self._clear()
            self.expired += 1
            self._say(False, EXPIRED)
        if not self._is_up() or now_ns < self._due_ns:
            return
        if self.hold:
            if self._until_ns:
                self._due_ns = now_ns + RETRY_NS
                self._ask(0, now_ns)
        elif self._period_s is not None and now_ns >= self._client_ns:
            self._due_ns = now_ns + self._period_s * NANOSECONDS // RENEWALS
            cause = self._ask(self._period_s, now_ns)
            if cause and not self.is_armed:
                self._say(False, cause)
