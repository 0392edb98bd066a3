"""OrderCounter: one counter of a venue as it can be at most, whose share of it each user took, how long until there is room.

Integers: a billionth of a point is one, so that what decays in a nanosecond is one for a decay of a point a second. Pure.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Final

from gwcore.venue import Cost, CounterRule, RequestKind

NANOSECONDS: Final = 1_000_000_000
POINT: Final = 1_000_000_000
#: A request may be under way so long and the model is still not below the venue's counter, which begins to decay later.
LATENCY_S: Final = 1.0
#: Of the maximum, this part is for cancels alone, and no less than so many of the dearest cancels; never more than half.
CANCEL_PART: Final = 0.2
CANCELS_KEPT: Final = 3
#: Who asked this recently takes part in the sharing.
ACTIVE_NS: Final = 5 * NANOSECONDS
CANCELS: Final = frozenset({RequestKind.CANCEL, RequestKind.CANCEL_BATCH, RequestKind.CANCEL_ALL})
_FREE: Final = Cost()


class CounterPlan:
    """What follows from a rule. `top`: where cancels end; `budget`: where all else does; in parts of `POINT`."""

    __slots__ = ("answer_ns", "budget", "decay", "maximum", "rule", "top")

    def __init__(self, rule: CounterRule, answer_s: float) -> None:
        self.rule = rule
        self.answer_ns = int(answer_s * NANOSECONDS)  # what left earlier is in the venue's counter, or lost
        self.decay = max(1, int(rule.decay_per_s * POINT))  # a second; rounded down: never too fast
        self.maximum = int(rule.maximum * POINT)
        self.top = max(self.maximum // 2, self.maximum - int(self.decay * LATENCY_S))
        dearest = cost_of(rule, RequestKind.CANCEL, 0.0)
        kept = max(int(self.maximum * CANCEL_PART), CANCELS_KEPT * dearest)
        self.budget = max(self.maximum // 2, self.top - kept)

    def decay_ns(self, parts: int) -> int:
        """How long that takes to decay, rounded up."""
        return max(0, -(-parts * NANOSECONDS // self.decay))


def cost_of(rule: CounterRule, kind: RequestKind, age_s: float) -> int:
    """What one request takes, in parts of `POINT`."""
    cost = rule.costs.get(kind, _FREE)
    by_age = next((points for below_s, points in cost.by_age if age_s < below_s), 0.0)
    return ceil((cost.fixed + by_age) * POINT)


class OrderCounter:
    """Of one account, or of one symbol of it. Times are monotonic ns."""

    __slots__ = ("_asked_ns", "_at_ns", "_level", "_recent", "_used", "locked_ns", "plan")

    def __init__(self, plan: CounterPlan, now_ns: int) -> None:
        self.plan = plan
        self.locked_ns = 0  # until then the venue takes nothing but what it always takes
        self._level = 0
        self._at_ns = now_ns
        self._used: dict[str, int] = {}  # the part of the level that each user's requests made
        self._asked_ns: dict[str, int] = {}
        self._recent: deque[tuple[int, int]] = deque()  # (when, cost) of what the venue may not have counted yet

    def level(self, now_ns: int) -> int:
        """Where it stands at most."""
        passed_ns = now_ns - self._at_ns
        if passed_ns > 0:
            before = self._level
            # The remainder of a nanosecond's decay is lost: never too fast.
            self._level = max(0, before - passed_ns * self.plan.decay // NANOSECONDS)
            self._at_ns = now_ns
            if not self._level:
                self._used.clear()
            else:
                self._used = {user: used * self._level // before for user, used in self._used.items()}
        return self._level

    def is_idle(self, now_ns: int) -> bool:
        """Whether forgetting it forgets nothing."""
        self._trim(now_ns)
        return self.level(now_ns) == 0 and self.locked_ns <= now_ns and not self._recent

    def add(self, cost: int, user: str, now_ns: int) -> None:
        """A request of this cost left."""
        self._level = self.level(now_ns) + cost
        if cost:
            self._used[user] = self._used.get(user, 0) + cost
            self._recent.append((now_ns, cost))
            self._trim(now_ns)

    def _trim(self, now_ns: int) -> None:
        while self._recent and self._recent[0][0] < now_ns - self.plan.answer_ns:
            self._recent.popleft()

    def wait_ns(self, kind: RequestKind, age_s: float, orders: int, user: str, now_ns: int) -> int:
        """How long until so many requests of this kind may leave as one, if nobody else sends any."""
        rule = self.plan.rule
        if kind in rule.always_taken:
            return 0
        level, locked_ns = self.level(now_ns), max(0, self.locked_ns - now_ns)
        if kind in CANCELS:
            is_locked_out = rule.locks_out_s is not None
            return max(locked_ns if is_locked_out else 0, self._exit_ns(kind, age_s, orders, level))
        cost = orders * cost_of(rule, kind, age_s)
        if not cost:
            return locked_ns
        self._asked_ns[user] = now_ns
        room_ns = self.plan.decay_ns(level + cost - self.plan.budget)
        over = self._over_share(cost, cost // orders, user, now_ns)
        # All users' parts shrink alike: at the level that leaves this one `over` less.
        share_ns = self.plan.decay_ns(-(-level * over // self._used[user])) if over > 0 else 0
        return max(locked_ns, room_ns, share_ns)

    def queue_ns(self, kind: RequestKind, queued: int, user: str, now_ns: int) -> int:
        """How long until a new request leaves behind so many of the user's, all users that take part asking for as much."""
        one = cost_of(self.plan.rule, kind, 0.0)
        self._asked_ns[user] = now_ns
        over = self._over_share(one * (queued + 1), one, user, now_ns)
        users = len(self._asked_ns)
        room = self.level(now_ns) + one * (1 + queued * users) - self.plan.budget
        return max(0, self.locked_ns - now_ns, self.plan.decay_ns(room), self.plan.decay_ns(over * users))

    def _exit_ns(self, kind: RequestKind, age_s: float, orders: int, level: int) -> int:
        """The order ages meanwhile, and its cancel becomes cheaper."""
        rule = self.plan.rule
        rows = rule.costs.get(kind, _FREE).by_age
        steps = sorted({0, *(max(0, ceil((below_s - age_s) * NANOSECONDS)) for below_s, _ in rows)})
        for number, from_ns in enumerate(steps):
            cost = orders * cost_of(rule, kind, age_s + from_ns / NANOSECONDS)
            # What is dearer than all there is leaves when nothing else is counted.
            wait_ns = max(from_ns, self.plan.decay_ns(level + min(cost, self.plan.top) - self.plan.top))
            if number + 1 == len(steps) or wait_ns < steps[number + 1]:
                return wait_ns
        return 0

    def _over_share(self, cost: int, one: int, user: str, now_ns: int) -> int:
        """What a user would have beyond his share, which only counts while others want theirs."""
        old = [name for name, at_ns in self._asked_ns.items() if at_ns <= now_ns - ACTIVE_NS]
        for name in old:
            del self._asked_ns[name]
        users = len(self._asked_ns)
        used = self._used.get(user, 0)
        if users <= 1 or not used:
            return 0
        return max(0, used + cost - max(self.plan.budget // users, one))

    def assume(self, parts: int, now_ns: int) -> None:
        """It may stand as high as that."""
        self._level = max(self.level(now_ns), parts)

    def refused(self, now_ns: int, retry_ns: int | None) -> None:
        """The venue says that it is over its maximum: the model was low."""
        self.assume(self.plan.maximum, now_ns)
        lock_s = self.plan.rule.locks_out_s
        if lock_s is not None:
            self.locked_ns = max(self.locked_ns, now_ns + int(lock_s * NANOSECONDS))
        if retry_ns is not None:
            self.locked_ns = max(self.locked_ns, retry_ns)

    def corrected(self, parts: int, now_ns: int) -> None:
        """The venue says where it stands; what left lately may not be counted in that yet."""
        self._trim(now_ns)
        highest = parts + sum(cost for _, cost in self._recent)
        self._level = max(parts, min(self.level(now_ns), highest))
        self._used = {user: min(used, self._level) for user, used in self._used.items()}

    def ends_ns(self, now_ns: int) -> int:
        """How long until a request that is neither a cancel nor dearer than a point may leave."""
        return max(0, self.locked_ns - now_ns, self.plan.decay_ns(self.level(now_ns) + POINT - self.plan.budget))
