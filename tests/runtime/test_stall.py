"""Who holds up the loop is named while he does."""

from __future__ import annotations

import asyncio
import threading

from gwcore.runtime.observability.stall import StallWatch, where


def test_the_one_who_holds_up_the_loop_is_named_once() -> None:
    told: list[str] = []
    seen = threading.Event()

    def on_stall(seconds: float, place: str) -> None:
        told.append(place)
        seen.set()

    async def main() -> StallWatch:
        watch = StallWatch(on_stall, limit_s=0.02)

        def a_plugin_that_sleeps() -> None:
            watch.start()
            assert seen.wait(30.0)  # until the watch has said so

        asyncio.get_running_loop().call_soon(a_plugin_that_sleeps)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        watch.stop()
        return watch

    watch = asyncio.run(main())
    assert "test_stall" in told[0]
    assert "a_plugin_that_sleeps" in told[0]
    assert watch.stalls == len(told) == 1  # nobody beats: it is one stall
    assert watch.last == told[0]


def test_a_loop_that_beats_is_left_alone() -> None:
    told: list[str] = []
    watch = StallWatch(lambda seconds, place: told.append(place), limit_s=1000.0)
    watch.start()
    watch.beat()
    watch.stop()
    assert told == []
    assert where(None) == ""
