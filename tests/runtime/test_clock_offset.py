"""The venue's clock from whole seconds: the true offset is always inside, and the bounds become narrow."""

from __future__ import annotations

import random

from gwcore.runtime.venue.clock_offset import ClockSample, OffsetBounds, offset_bounds
from gwcore.runtime.venue.live_check import OFFSET_NS_MAX, clock_faults, glob_of
from gwcore.venue import ServerTime

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


def ask(at_ns: int, offset_ns: int, there_ns: int, back_ns: int) -> ClockSample:
    shown = (at_ns + there_ns + offset_ns) // SECOND * SECOND
    return ClockSample(at_ns, at_ns + there_ns + back_ns, ServerTime(shown, SECOND))


def test_the_truth_is_always_inside() -> None:
    chance = random.Random(4)
    for _ in range(300):
        offset_ns = chance.randrange(-5 * SECOND, 5 * SECOND)
        begin_ns = chance.randrange(10**18, 2 * 10**18)
        samples = [
            ask(begin_ns + number * 1_130 * MILLISECOND, offset_ns, chance.randrange(10**8), chance.randrange(10**8))
            for number in range(8)
        ]
        bounds = offset_bounds(samples)
        assert bounds is not None
        assert bounds.low_ns <= offset_ns <= bounds.high_ns
        assert bounds.high_ns - bounds.low_ns < 600 * MILLISECOND


def test_without_samples_nothing_is_known() -> None:
    assert offset_bounds([]) is None


def test_an_offset_is_a_fault_only_where_it_is_sure() -> None:
    assert clock_faults(OffsetBounds(-OFFSET_NS_MAX, 10 * SECOND)) == []
    assert clock_faults(OffsetBounds(0, SECOND)) == []
    assert clock_faults(OffsetBounds(OFFSET_NS_MAX - 1, SECOND)) == []
    (late,) = clock_faults(OffsetBounds(2 * SECOND, 3 * SECOND))
    assert "+2000 ms" in late
    (early,) = clock_faults(OffsetBounds(-3 * SECOND, -2 * SECOND))
    assert "-2000 ms" in early
    (moved,) = clock_faults(OffsetBounds(SECOND, 0))
    assert "contradict" in moved


def test_a_glob_of_a_symbol_matches_it_alone() -> None:
    from fnmatch import fnmatchcase

    for symbol in ("BTC/USD", "A*B", "A?B", "A[B]C"):
        assert fnmatchcase(symbol, glob_of(symbol))
    assert not fnmatchcase("AxB", glob_of("A*B"))
