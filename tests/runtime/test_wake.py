"""One timer for the next time that is named: never late, at most early, and none once it was taken back."""

from __future__ import annotations

import asyncio

import pytest

from gwcore.runtime.wake import Wake
from gwcore.testing.clock import VirtualClock
from gwcore.testing.loop import SimLoop, run

S = 10**9


@pytest.mark.parametrize(
    ("named", "fired"),
    [
        ([5], [5]),
        ([10, 5], [5]),  # an earlier time takes the later one's place
        ([5, 10], [5]),  # a later one keeps the timer there is
        ([0], [0]),
        ([-3], [0]),  # what is past is due now
        ([5, None], []),
        ([None], []),
        ([5, None, 7], [7]),
    ],
)
def test_it_calls_once_by_the_time_that_was_named(named: list[int | None], fired: list[int]) -> None:
    async def main(loop: SimLoop) -> None:
        clock, found = VirtualClock(loop), []
        wake = Wake(clock, lambda: found.append(clock.monotonic_ns() // S))
        for due in named:
            wake.at(None if due is None else due * S)
        await asyncio.sleep(20)
        assert found == fired

    run(main, seed=1)


def test_it_may_be_set_again_from_the_call_itself() -> None:
    async def main(loop: SimLoop) -> None:
        clock, found = VirtualClock(loop), []

        def call() -> None:
            found.append(clock.monotonic_ns() // S)
            wake.at((found[-1] + 4) * S)

        wake = Wake(clock, call)
        wake.at(2 * S)
        await asyncio.sleep(11)
        wake.cancel()
        await asyncio.sleep(11)
        assert found == [2, 6, 10]

    run(main, seed=1)
