"""Budgets and pace: never more than is allowed, in any window, whatever the moments of asking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gwcore.engine.reconnect import NANOSECONDS, Pacer, RollingBudget


def busiest(times_ns: list[int], window_ns: int) -> int:
    """The most that fell into any window of this length."""
    return max(sum(1 for other in times_ns if at <= other < at + window_ns) for at in times_ns)


def send_all(pacer: Pacer, pauses_ns: list[int]) -> list[int]:
    """Send as soon as allowed after each pause; returns when the requests left."""
    now_ns, sent = 10**12, []
    for pause_ns in pauses_ns:
        now_ns = max(now_ns + pause_ns, pacer.ready_ns())
        pacer.spend(now_ns)
        sent.append(now_ns)
    return sent


@given(
    st.sampled_from([0.4, 1.0, 2.5, 5.0, 20.0]),
    st.lists(st.sampled_from([0, 1, 10_000_000, 150_000_000, 990_000_000, 3 * NANOSECONDS]), min_size=1, max_size=80),
)
def test_no_second_holds_more_than_the_pace(per_s: float, pauses_ns: list[int]) -> None:
    sent = send_all(Pacer(per_s), pauses_ns)
    # A slow pace is one request in several seconds.
    window_ns = int(max(1.0, 1 / per_s) * NANOSECONDS)
    assert busiest(sent, window_ns) <= max(1, int(per_s * window_ns / NANOSECONDS))


def test_a_few_may_leave_at_once_and_the_pace_is_reached() -> None:
    sent = send_all(Pacer(20.0), [0] * 100)
    assert sent[3] == sent[0]
    assert sent[-1] - sent[0] < 5.5 * NANOSECONDS


def test_what_could_not_wait_makes_the_others_wait() -> None:
    pacer, now_ns = Pacer(20.0), 10**12
    for _ in range(20):
        pacer.spend(now_ns)
    assert pacer.ready_ns() > now_ns + NANOSECONDS


def test_a_complaint_of_the_venue_halves_the_pace_for_a_while() -> None:
    pacer = Pacer(20.0)
    pacer.punish(10**12)
    sent = send_all(pacer, [0] * 100)
    assert sent[0] >= 10**12 + NANOSECONDS
    assert busiest(sent[10:], NANOSECONDS) <= 10


@given(st.lists(st.integers(0, 4 * NANOSECONDS), min_size=1, max_size=60))
def test_a_rolling_budget_holds_in_every_window(pauses_ns: list[int]) -> None:
    budget, now_ns, made = RollingBudget(5, 10.0), 10**12, []
    for pause_ns in pauses_ns:
        now_ns = max(now_ns + pause_ns, budget.ready_ns())
        assert budget.wait_s(now_ns) == 0
        budget.spend(now_ns)
        made.append(now_ns)
    assert busiest(made, 10 * NANOSECONDS) <= 5
    assert budget.used(made[-1]) <= 5
