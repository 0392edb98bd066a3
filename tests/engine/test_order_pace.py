"""The pace of requests, against a venue's counter written down as plainly as can be."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwcore.engine.orders.lanes import age_s as age_of
from gwcore.engine.orders.order import Ask, OwnOrder, pending_update
from gwcore.engine.orders.pace import OrderPacer
from gwcore.model import CancelAllAfter, CancelOrder, Fate, ModifyOrder, OrderError, RateLimit, RateLimitsUpdate
from gwcore.testing.order_stage import ACCOUNT, SYMBOL, OrderStage, create
from gwcore.venue import Cost, CounterRule, OrderAnswer, OrderLimits, RequestKind

SECOND = 1_000_000_000
CREATE, MODIFY, CANCEL = RequestKind.CREATE, RequestKind.MODIFY, RequestKind.CANCEL
BATCH = RequestKind.CANCEL_BATCH
AGES = ((5.0, 8.0), (10.0, 6.0), (15.0, 5.0), (45.0, 4.0))
COSTS = {CREATE: Cost(fixed=1.0), MODIFY: Cost(fixed=1.0, by_age=((5.0, 3.0),)), CANCEL: Cost(by_age=AGES)}


def rule(maximum: float = 60.0, decay: float = 1.0, **options: Any) -> CounterRule:
    chosen = {"name": "orders", "per_symbol": True, "costs": {**COSTS, BATCH: COSTS[CANCEL]}, **options}
    return CounterRule(maximum=maximum, decay_per_s=decay, always_taken=frozenset({BATCH}), **chosen)


def pacer(*rules: CounterRule) -> OrderPacer:
    made = OrderPacer(lambda at_ns: at_ns + 1000 * SECOND)
    made.configure(OrderLimits(counters=rules or (rule(),)))
    return made


class Venue:
    """Exact, and told of requests when they arrive."""

    def __init__(self, of: CounterRule) -> None:
        self.rule, self.level, self.at_ns = of, Fraction(0), 0

    def takes(self, kind: RequestKind, age_s: float, at_ns: int) -> bool:
        passed = Fraction(at_ns - self.at_ns, SECOND) * Fraction(str(self.rule.decay_per_s))
        self.level, self.at_ns = max(Fraction(0), self.level - passed), at_ns
        cost = self.rule.costs[kind]
        points = cost.fixed + next((points for below, points in cost.by_age if age_s < below), 0.0)
        fits = self.level + Fraction(points) <= self.rule.maximum or kind in self.rule.always_taken
        self.level += Fraction(points) if fits else 0
        return fits


STEPS = st.lists(
    st.tuples(
        st.sampled_from((CREATE, CREATE, CREATE, MODIFY, CANCEL, BATCH)),
        st.floats(0.0, 50.0),  # age
        st.sampled_from(("ann", "bob", "eve")),
        st.integers(0, 3 * SECOND),  # pause before it
        st.integers(0, SECOND),  # way to the venue
    ),
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(((60.0, 1.0), (125.0, 2.34), (180.0, 3.75), (20.0, 0.33))), st.booleans())
def test_what_leaves_by_the_pace_is_never_refused(steps: Any, numbers: Any, burst: bool) -> None:
    chosen = rule(*numbers)
    pace, now_ns = pacer(chosen), 0
    arrivals: list[tuple[int, RequestKind, float]] = []
    for kind, age_s, user, pause_ns, way_ns in steps:
        now_ns += 0 if burst else pause_ns
        wait_ns = pace.wait_ns(kind, "A", age_s, 1, user, now_ns)
        if wait_ns > 0 and burst:
            continue
        now_ns += wait_ns
        age_s += wait_ns / SECOND
        while (more_ns := pace.wait_ns(kind, "A", age_s, 1, user, now_ns)) > 0:
            assert more_ns <= 300 * SECOND
            now_ns, age_s = now_ns + more_ns, age_s + more_ns / SECOND
        pace.spent(kind, "A", age_s, 1, user, now_ns)
        came_ns = max(now_ns + way_ns, arrivals[-1][0] if arrivals else 0)  # in the order they left
        arrivals.append((came_ns, kind, age_s))
    venue = Venue(chosen)
    for at_ns, kind, age_s in arrivals:
        assert venue.takes(kind, age_s, at_ns)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((CREATE, MODIFY)), st.floats(0, 9), st.sampled_from("abc"), st.integers(0, SECOND)),
        max_size=120,
    )
)
def test_creates_and_changes_never_take_the_room_of_cancels(steps: Any) -> None:
    pace, now_ns = pacer(), 0
    for kind, age_s, user, pause_ns in steps:
        now_ns += pause_ns
        if not pace.wait_ns(kind, "A", age_s, 1, user, now_ns):
            pace.spent(kind, "A", age_s, 1, user, now_ns)
        assert pace.wait_ns(CANCEL, "A", 0.0, 3, user, now_ns) == 0


def test_one_user_does_not_starve_another() -> None:
    pace, now_ns, left = pacer(), 0, {"ann": 0, "bob": 0}
    while not pace.wait_ns(CREATE, "A", 0.0, 1, "ann", now_ns):
        pace.spent(CREATE, "A", 0.0, 1, "ann", now_ns)
    for _ in range(2000):  # ann asks first each time
        now_ns += SECOND // 10
        for user in left:
            if not pace.wait_ns(CREATE, "A", 0.0, 1, user, now_ns):
                pace.spent(CREATE, "A", 0.0, 1, user, now_ns)
                left[user] += 1
        if now_ns == 10 * SECOND:
            assert left["bob"] >= 8  # what decays is his until he has as much
    assert 180 <= sum(left.values()) <= 201
    assert min(left.values()) >= 85


def test_who_is_alone_has_it_all_and_symbols_do_not_share() -> None:
    pace, count = pacer(), 0
    while not pace.wait_ns(CREATE, "A", 0.0, 1, "ann", 0):
        pace.spent(CREATE, "A", 0.0, 1, "ann", 0)
        count += 1
    assert count == 60 - 24 - 1
    assert pace.wait_ns(CREATE, "B", 0.0, 1, "ann", 0) == 0
    assert pace.wait_ns(CREATE, "A", 0.0, 1, "ann", 0) == SECOND
    assert pace.queue_ns(CREATE, "A", 4, "ann", 0) == 5 * SECOND


def test_a_cancel_waits_until_it_is_cheap_enough() -> None:
    pace = pacer(rule(decay=0.01))
    for _ in range(57):
        pace.spent(CREATE, "A", 0.0, 1, "ann", 0)
    assert pace.wait_ns(CANCEL, "A", 45.0, 1, "ann", 0) == 0
    assert pace.wait_ns(CANCEL, "A", 12.0, 1, "ann", 0) == 33 * SECOND  # what decays till then is not enough
    assert pace.wait_ns(BATCH, "A", 0.0, 2, "ann", 0) == 0


def test_what_the_venue_says_counts_and_never_more_is_hoped_than_it_says() -> None:
    pace = pacer()
    pace.spent(CREATE, "A", 0.0, 10, "ann", 0)
    assert pace.corrected("orders", "A", 30.0, 0)
    assert [limit.value for limit in pace.forecast(0)] == ["30.00"]
    assert pace.corrected("orders", "A", 2.0, SECOND)  # ten may not be counted in that yet
    assert [limit.value for limit in pace.forecast(SECOND)] == ["12.00"]
    assert pace.corrected("orders", "A", 1.0, 7 * SECOND)
    assert [limit.value for limit in pace.forecast(7 * SECOND)] == ["1.00"]
    assert not pace.corrected("others", "A", 1.0, 7 * SECOND)


def test_a_refusal_means_that_the_model_was_low() -> None:
    pace = pacer()
    pace.refused("A", 0, None)
    [limit] = pace.forecast(0)
    assert (limit.name, limit.value, limit.limit, limit.ends_ns) == ("orders.A", "60.00", "60", 1026 * SECOND)
    assert pace.wait_ns(CREATE, "A", 0.0, 1, "ann", 0) == 26 * SECOND
    assert pace.wait_ns(CANCEL, "A", 600.0, 1, "ann", SECOND) == 0
    assert pace.wait_ns(CANCEL, "A", 0.0, 1, "ann", 0) > 0
    assert pace.wait_ns(BATCH, "A", 0.0, 2, "ann", 0) == 0


def test_a_lock_out_ends_when_it_is_said_to() -> None:
    pace = pacer(rule(locks_out_s=900.0))
    pace.refused("A", 0, None)
    assert pace.wait_ns(CANCEL, "A", 600.0, 1, "ann", 0) == 900 * SECOND
    assert pace.forecast(0)[0].ends_ns == 1900 * SECOND
    pace = pacer()
    pace.refused("A", 0, 100 * SECOND)
    assert pace.wait_ns(CREATE, "A", 0.0, 1, "ann", 0) == 100 * SECOND
    assert pace.wait_ns(CANCEL, "A", 600.0, 1, "ann", SECOND) == 0


def test_what_an_earlier_life_sent_is_assumed_to_be_as_much_as_it_may() -> None:
    pace = pacer()
    pace.assume(-10 * SECOND)
    assert pace.wait_ns(CREATE, "A", 0.0, 10, "ann", 0) == 0
    assert pace.wait_ns(CREATE, "A", 0.0, 11, "ann", 0) == SECOND
    assert pace.wait_ns(CANCEL, "A", 0.0, 3, "ann", 0) == 0


def test_a_cancel_of_all_may_have_cost_every_symbol_what_there_is() -> None:
    pace = pacer()
    pace.spent(RequestKind.CANCEL_ALL, "", 0.0, 1, "ann", 0)
    assert pace.wait_ns(CREATE, "A", 0.0, 1, "ann", 0) == SECOND


def test_a_counter_of_the_account_is_one_for_all_symbols() -> None:
    pace = pacer(rule(per_symbol=False))
    pace.spent(CREATE, "A", 0.0, 35, "ann", 0)
    assert pace.wait_ns(CREATE, "B", 0.0, 1, "ann", 0) == SECOND
    assert pace.forecast(0)[0].name == "orders"


def test_new_limits_leave_the_counters_where_they_stand() -> None:
    pace = pacer()
    pace.spent(CREATE, "A", 0.0, 35, "ann", 0)
    pace.configure(OrderLimits(counters=(rule(125.0, 2.0),)))
    assert pace.forecast(0)[0].limit == "125"
    assert pace.forecast(0)[0].value == "35.00"


# --- at the desk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def stage() -> OrderStage:
    made = OrderStage(pace=OrderPacer(lambda at_ns: at_ns + 1000 * SECOND))
    made.ready()
    made.desk.sender.pace.configure(OrderLimits(counters=(rule(),)))
    return made


def cancel(order_id: str) -> CancelOrder:
    return CancelOrder(account=ACCOUNT, order_id=order_id, request_id=8)


def test_an_order_that_would_wait_too_long_is_refused_with_the_time(stage: OrderStage) -> None:
    for number in range(40):
        stage.submit(create(f"a{number}", deadline_ns=None))
    refused = [ack for ack in stage.acks() if ack.error == OrderError.RATE_LIMIT.value]
    assert len(stage.sent) == 35  # two more wait
    assert [ack.order_id for ack in refused] == ["a37", "a38", "a39"]
    assert refused[0].retry_at_ns == stage.wall_ns() + 3 * SECOND
    stage.wait(2.0)
    assert len(stage.sent) == 37


def test_cancels_that_find_no_room_leave_together(stage: OrderStage) -> None:
    for number in range(3):
        stage.submit(create(f"a{number}"))
        stage.tell(OrderAnswer(request_id=stage.sent[-1].wire_id, fate=Fate.DONE, venue_order_id=f"V{number}"))
    stage.desk.sender.pace.refused(SYMBOL, stage.now_ns, None)
    stage.submit(cancel("a0"))
    assert [sent.verb for sent in stage.sent[3:]] == []
    stage.submit(cancel("a1"))
    assert [sent.verb for sent in stage.sent[3:]] == ["cancel_several"]
    stage.submit(cancel("a2"))
    stage.wait(60.0)
    assert [sent.verb for sent in stage.sent[3:]] == ["cancel_several", "cancel"]


def test_a_change_that_waits_is_not_overtaken_by_new_orders_of_its_user(stage: OrderStage) -> None:
    stage.submit(create("a0"))
    stage.tell(OrderAnswer(request_id=stage.sent[-1].wire_id, fate=Fate.DONE, venue_order_id="V0"))
    for number in range(1, 34):
        stage.submit(create(f"a{number}"))
    assert len(stage.sent) == 34
    stage.submit(ModifyOrder(account=ACCOUNT, order_id="a0", price="101.0", request_id=9))
    stage.submit(create("b1"))  # there is room for one, and not for a change
    assert len(stage.sent) == 34
    stage.wait(3.5)
    assert [sent.verb for sent in stage.sent[34:]] == ["modify"]
    stage.wait(2.0)
    assert [sent.verb for sent in stage.sent[34:]] == ["modify", "create"]


def test_no_more_orders_are_opened_than_the_venue_takes() -> None:
    made = OrderStage()
    made.ready()
    assert made.desk.sender.orders is not None
    made.desk.sender.orders.limits = OrderLimits(open_orders_per_symbol=2)  # type: ignore[misc]
    for number in range(3):
        made.submit(create(f"a{number}"))
    [refused] = [ack for ack in made.acks() if ack.error]
    assert (refused.order_id, refused.error) == ("a2", "OPEN_ORDERS_LIMIT")


def test_what_the_venue_says_is_told_by_the_forecast_at_a_bounded_rate(stage: OrderStage) -> None:
    for number in range(10):
        stage.submit(create(f"a{number}"))
        limit = RateLimit(name=f"orders.{SYMBOL}", value=f"{number + 1}.0", limit="60")
        stage.tell(RateLimitsUpdate(account=ACCOUNT, limits=(limit,)))
        stage.wait(1.0)
    told = [event.limits[0].value for event in stage.events if isinstance(event, RateLimitsUpdate)]
    assert len(told) == 3  # at once, and every 5 s
    limit = RateLimit(name="others", value="3", limit="9")
    stage.tell(RateLimitsUpdate(account=ACCOUNT, limits=(limit,)))
    assert [event.limits[0].name for event in stage.events if isinstance(event, RateLimitsUpdate)][-1] == "others"


def test_after_a_restart_the_counters_stand_where_they_may_have(stage: OrderStage) -> None:
    stage.submit(create("a1"))
    stage.wait(3.0)
    again = stage.restart(pace=OrderPacer(lambda at_ns: at_ns))
    again.ready()
    pace = again.desk.sender.pace
    pace.configure(OrderLimits(counters=(rule(),)))
    assert pace.wait_ns(CREATE, SYMBOL, 0.0, 3, "ann", again.now_ns) == 0
    assert pace.wait_ns(CREATE, SYMBOL, 0.0, 4, "ann", again.now_ns) == SECOND


def test_the_timer_costs_nothing() -> None:
    made = OrderStage(pace=OrderPacer(lambda at_ns: at_ns))
    made.ready()
    pace = made.desk.sender.pace
    pace.configure(OrderLimits(counters=(rule(),)))
    made.submit(CancelAllAfter(account=ACCOUNT, timeout_s=60), "ann", "admin")
    assert [sent.verb for sent in made.sent] == ["cancel_all_after"]
    assert pace.wait_ns(CREATE, SYMBOL, 0.0, 35, "ann", made.now_ns) == 0


def test_an_order_of_unknown_age_is_as_dear_as_a_new_one() -> None:
    update = pending_update(create("a1"), "ann", "gw1")
    request = Ask(CANCEL, cancel("a1"), OwnOrder(update), "ann", 1)
    assert age_of(request, 1000 * SECOND) == 0.0
    assert request.order is not None
    request.order.taken_ns = 990 * SECOND
    assert age_of(request, 1000 * SECOND) == 10.0


def test_what_is_late_on_its_way_is_allowed_for() -> None:
    venue, pace = Venue(rule(decay=10.0)), pacer(rule(decay=10.0))
    for at_ns in (0, SECOND):
        while not pace.wait_ns(CANCEL, "A", 0.0, 1, "ann", at_ns):
            pace.spent(CANCEL, "A", 0.0, 1, "ann", at_ns)
            assert venue.takes(CANCEL, 0.0, SECOND)  # the first of them took a second
