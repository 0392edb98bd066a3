"""Schedule: when an account pings, renews its token, compares and asks for holds. Times are monotonic nanoseconds."""

from __future__ import annotations

from typing import Final

from gwcore.engine.reconnect import NANOSECONDS, Backoff
from gwcore.ports import Random
from gwcore.settings import AccountSettings
from gwcore.venue import AccountCodec

#: After each connection REST is compared at these times besides: what lagged during the download is there by the last one.
FOLLOW_UP_S: Final = (15.0, 45.0, 100.0)
#: A comparison that is wanted because something is missing comes this soon, and doubles up to the largest while it stays so.
SOON_S: Final = 1.0
SOON_MAX_S: Final = 20.0
#: Holds are asked for this long after the change: several come together.
HOLDS_AFTER_S: Final = 1.0
#: A token that could not be renewed is tried again this often.
REFRESH_AGAIN_S: Final = 15.0


class Schedule:
    """The timers of one account."""

    def __init__(self, settings: AccountSettings, random: Random) -> None:
        self._settings = settings
        self._retry = Backoff(random, first_s=2.0, max_s=60.0, held_s=1.0)
        self._ping_s: float | None = None
        self._ping_ns = 0
        self._ping_id = 0
        self._pinged: int | None = None
        self._deadline_ns: int | None = None  # of the snapshots
        self._refresh_ns: int | None = None
        self._retry_ns: int | None = None
        self._checks: list[int] = []
        self._is_asking = False  # a download or comparison is under way
        self._soon_s = SOON_S
        self._holds_ns = 0  # when holds were asked for
        self._asks_holds = False
        self._asked_wall_ns: int | None = None
        #: Wall clock: fills from this time on may have been missing when REST was asked; None: all is proven.
        self.unproven_ns: int | None = None

    def on_open(self, codec: AccountCodec, now_ns: int) -> None:
        """A new connection."""
        limits = codec.limits
        self._ping_s, self._ping_ns, self._pinged = limits.ping_s, now_ns, None
        self._deadline_ns = now_ns + int(limits.snapshot_timeout_s * NANOSECONDS)
        self._retry_ns, self._checks, self._is_asking, self._asks_holds = None, [], False, False
        self.on_refreshed(now_ns, codec)

    def on_snapshots(self) -> None:
        """The snapshots of the stream are there."""
        self._deadline_ns = None

    def snapshots_are_late(self, now_ns: int) -> bool:
        """Whether they should have been there by now."""
        return self._deadline_ns is not None and now_ns >= self._deadline_ns

    # --- asking -------------------------------------------------------------------------------------------------------

    def on_asked(self, now_ns: int, wall_ns: int) -> None:
        """REST is being asked."""
        self._is_asking = True
        self._retry_ns = None
        self._asked_wall_ns = wall_ns

    def on_failure(self, now_ns: int, retry_after_s: float | None) -> None:
        """It could not answer."""
        self._is_asking = False
        delay_s = max(retry_after_s or 0.0, SOON_S + self._retry.on_failure(now_ns))
        self._retry_ns = now_ns + int(delay_s * NANOSECONDS)
        self._checks.append(self._retry_ns)

    def on_ready(self, now_ns: int) -> None:
        """Downloaded: compare a few times soon, since REST lags."""
        self._is_asking = False
        self._retry_ns = None
        if self.unproven_ns is None:
            self.unproven_ns = self._asked_wall_ns
        follow_up_s = [at_s for at_s in FOLLOW_UP_S if at_s < self._settings.check_s]
        self._checks += [now_ns + int(at_s * NANOSECONDS) for at_s in (*follow_up_s, self._settings.check_s)]
        self._checks.sort()

    def on_checked(self, now_ns: int, *, lacking: bool) -> None:
        """Compared. `lacking`: something is still missing."""
        self._is_asking = False
        if lacking:
            self._soon_s = min(SOON_MAX_S, self._soon_s * 2)
            self.check_soon(now_ns)
        else:
            self._soon_s = SOON_S
        if len(self._checks) <= 1:
            self.unproven_ns = None  # the follow-ups are over
        if not any(at_ns > now_ns for at_ns in self._checks):
            self._checks.append(now_ns + int(self._settings.check_s * NANOSECONDS))

    def check_soon(self, now_ns: int) -> None:
        """Something may be missing."""
        due_ns = now_ns + int(self._soon_s * NANOSECONDS)
        if not self._checks or self._checks[0] > due_ns:
            self._checks.insert(0, due_ns)

    def take_retry(self, now_ns: int) -> bool:
        """Whether a failed download is to be tried again."""
        if self._is_asking or self._retry_ns is None or now_ns < self._retry_ns:
            return False
        self._checks = []
        return True

    def take_check(self, now_ns: int) -> bool:
        """Whether a comparison is due."""
        if self._is_asking or not self._checks or now_ns < self._checks[0]:
            return False
        self._checks = [at_ns for at_ns in self._checks if at_ns > now_ns]
        return True

    def on_holds_asked(self, now_ns: int) -> None:
        """Holds are being asked for."""
        self._holds_ns, self._asks_holds = now_ns, True

    def on_holds(self) -> None:
        """They were told, or could not be."""
        self._asks_holds = False

    def _holds_due_ns(self) -> int:
        return self._holds_ns + int(max(HOLDS_AFTER_S, self._settings.funds_s) * NANOSECONDS)

    def holds_are_due(self, now_ns: int, *, wanted: bool) -> bool:
        """Whether to ask for holds."""
        return wanted and not self._asks_holds and not self._is_asking and now_ns >= self._holds_due_ns()

    # --- ping and token -----------------------------------------------------------------------------------------------

    def take_ping(self, now_ns: int) -> int | None:
        """The id of a ping that is due."""
        if self._ping_s is None or now_ns - self._ping_ns < self._ping_s * NANOSECONDS:
            return None
        self._ping_ns = now_ns
        self._ping_id += 1
        self._pinged = self._ping_id
        return self._ping_id

    def on_pong(self, request_id: int | None, now_ns: int) -> int | None:
        """The round trip, where this answers the last ping."""
        if self._pinged is None or request_id != self._pinged:
            return None
        self._pinged = None
        return now_ns - self._ping_ns

    def on_refreshed(self, now_ns: int, codec: AccountCodec | None) -> None:
        """The token is new."""
        refresh_s = getattr(codec, "refresh_s", None)
        self._refresh_ns = None if refresh_s is None else now_ns + int(refresh_s * NANOSECONDS)

    def refresh_again(self, now_ns: int) -> None:
        """It could not be renewed."""
        self._refresh_ns = now_ns + int(REFRESH_AGAIN_S * NANOSECONDS)

    def take_refresh(self, now_ns: int) -> bool:
        """Whether the token is to be renewed."""
        if self._refresh_ns is None or now_ns < self._refresh_ns:
            return False
        self._refresh_ns = None
        return True

    def times(self, *, ready: bool, holds: bool) -> list[int]:
        """When something is due, on an open connection."""
        times = [at_ns for at_ns in (self._deadline_ns, self._refresh_ns) if at_ns is not None]
        if self._ping_s is not None:
            times.append(self._ping_ns + int(self._ping_s * NANOSECONDS))
        if not self._is_asking:
            if ready:
                times += self._checks[:1]
                if holds and not self._asks_holds:
                    times.append(self._holds_due_ns())
            elif self._retry_ns is not None:
                times.append(self._retry_ns)
        return times
