"""Latencies in buckets: never below the truth, at most a quarter above it, and nothing is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gwcore.histogram import LatencyHistogram

LATENCIES = st.lists(st.integers(0, 10**13), min_size=1, max_size=60)


@given(LATENCIES, st.floats(0, 1))
def test_a_quantile_bounds_the_true_one_closely(latencies: list[int], share: float) -> None:
    histogram = LatencyHistogram()
    for latency in latencies:
        histogram.observe(latency)
    rank = max(1, min(len(latencies), int(share * len(latencies) + 0.999999)))
    true = sorted(latencies)[rank - 1]
    bound = histogram.quantile_ns(share)
    assert bound is not None
    assert true < bound
    assert bound <= max(8, true * 1.25 + 1)


@given(LATENCIES)
def test_exported_buckets_count_what_is_below_their_bound(latencies: list[int]) -> None:
    histogram = LatencyHistogram()
    for latency in latencies:
        histogram.observe(latency)
    for bound_s, count in histogram.cumulative():
        assert count == sum(latency < bound_s * 1e9 for latency in latencies)
    assert histogram.count == len(latencies)
    assert histogram.sum_ns == sum(latencies)


def test_odd_latencies_are_counted_too() -> None:
    histogram = LatencyHistogram()
    for latency in (-5, 0, 1 << 80):
        histogram.observe(latency)
    assert histogram.count == 3
    histogram.clear()
    assert (histogram.count, histogram.sum_ns, histogram.quantile_ns(0.5)) == (0, 0, None)
