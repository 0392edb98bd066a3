"""Free memory is given back at its times, and never where the C library can't."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gwcore.runtime.memory import TRIM_EVERY_S, find_trim, give_back
from gwcore.testing.loop import SimLoop, run

TIMES = 3


def test_free_memory_is_given_back_again_and_again() -> None:
    trimmed_s: list[float] = []

    async def main(loop: SimLoop) -> None:
        def trim(keep_bytes: int) -> int:
            trimmed_s.append(loop.time() - begin_s)
            return keep_bytes

        async def offload(function: Callable[[int], int], keep_bytes: int) -> None:
            function(keep_bytes)

        begin_s = loop.time()
        task = asyncio.create_task(give_back(offload, trim))
        await asyncio.sleep(TRIM_EVERY_S * (TIMES + 0.5))
        task.cancel()

    run(main)
    assert trimmed_s == pytest.approx([TRIM_EVERY_S * number for number in range(1, TIMES + 1)])


def test_without_a_trim_there_is_nothing_to_do() -> None:
    async def offload(function: Callable[[int], int], keep_bytes: int) -> None:
        raise AssertionError("nothing to call")

    async def main(loop: SimLoop) -> None:
        await give_back(offload, None)

    run(main)


def test_the_c_library_is_asked_in_its_own_words() -> None:
    trim = find_trim()
    if trim is None:
        pytest.skip("this C library has no malloc_trim")
    assert trim(0) in (0, 1)
