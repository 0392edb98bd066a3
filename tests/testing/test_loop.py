"""The simulation loop: virtual time, seeded order, and errors that name what is wrong."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from gwcore.testing.loop import (
    Budget,
    BudgetError,
    DeadlockError,
    LeakError,
    RealIoError,
    SimLoop,
    UnhandledError,
    run,
)


def order_of(seed: int, *, shuffle: bool = True) -> list[int]:
    async def main(loop: SimLoop) -> list[int]:
        seen: list[int] = []
        for number in range(20):
            loop.call_soon(seen.append, number)
        await asyncio.sleep(1)
        return seen

    return run(main, seed=seed, shuffle=shuffle)


def test_a_virtual_hour_takes_no_time() -> None:
    async def main(loop: SimLoop) -> tuple[float, int]:
        for _ in range(3600):
            await asyncio.sleep(1)
        return loop.time(), loop.now_ns()

    started = time.monotonic()
    assert run(main) == (3600.0, 3_600_000_000_000)
    # A bound a thousand times above what it takes: it tells virtual time from real time, not fast from slow.
    assert time.monotonic() - started < 60


def test_a_seed_is_an_order() -> None:
    assert sorted(order_of(1)) == list(range(20))
    assert order_of(1) == order_of(1)
    assert len({tuple(order_of(seed)) for seed in range(5)}) == 5


def test_without_shuffle_the_order_is_that_of_asyncio() -> None:
    assert order_of(1, shuffle=False) == list(range(20))


def test_timers_fire_in_time_order_and_cancelled_ones_never() -> None:
    async def main(loop: SimLoop) -> list[float]:
        fired: list[float] = []
        timers = [loop.call_later(when, fired.append, when) for when in (3.0, 1.0, 2.0, *(9.0,) * 300)]
        for timer in timers[3:]:
            timer.cancel()
        await asyncio.sleep(10)
        return fired

    assert run(main) == [1.0, 2.0, 3.0]


def test_call_at_ns_is_exact() -> None:
    async def main(loop: SimLoop) -> list[int]:
        seen: list[int] = []
        for when_ns in (1, 1_000_000_007, 86_399_999_999_999):
            loop.call_at_ns(when_ns, lambda: seen.append(loop.now_ns()))
        await asyncio.sleep(86_400)
        return seen

    assert run(main, budget=Budget(time_s=100_000)) == [1, 1_000_000_007, 86_399_999_999_999]


def test_asyncio_works_as_ever() -> None:
    async def main(loop: SimLoop) -> str:
        queue: asyncio.Queue[int] = asyncio.Queue(2)
        seen: list[int] = []

        async def produce() -> None:
            for number in range(10):
                await queue.put(number)

        async def consume() -> None:
            while len(seen) < 10:
                seen.append(await queue.get())

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        assert seen == list(range(10))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        assert loop.time() == 5.0
        return "done"

    for seed in range(20):
        assert run(main, seed=seed) == "done"


def cancel_order(litter: int) -> list[int]:
    """In which order a task group, which keeps its tasks in a set, cancels them. `litter` moves them about in memory."""

    async def main(loop: SimLoop) -> list[int]:
        ended: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        async def group_of_fifty() -> None:
            kept = []
            async with asyncio.TaskGroup() as group:
                for number in range(50):
                    kept.append([asyncio.Future() for _ in range(number * litter % 17)])
                    group.create_task(wait(number))
                await asyncio.sleep(1)
                raise RuntimeError

        with pytest.raises(ExceptionGroup):
            await group_of_fifty()
        return ended

    return run(main, seed=3)


def test_where_tasks_lie_in_memory_changes_nothing() -> None:
    assert cancel_order(0) == cancel_order(7) == cancel_order(11)


def test_deadlock_names_who_waits() -> None:
    async def wait_for_nothing() -> None:
        await asyncio.Event().wait()

    async def main(loop: SimLoop) -> None:
        await asyncio.create_task(wait_for_nothing(), name="the waiter")

    with pytest.raises(DeadlockError, match=r"the waiter at .*wait_for_nothing"):
        run(main)


def test_step_budget() -> None:
    async def main(loop: SimLoop) -> None:
        for _ in range(10**9):
            await asyncio.sleep(0)

    with pytest.raises(BudgetError, match="more than 1000 steps"):
        run(main, budget=Budget(steps=1000))


def test_time_budget() -> None:
    async def main(loop: SimLoop) -> None:
        for _ in range(10**9):
            await asyncio.sleep(7)

    with pytest.raises(BudgetError, match="more than 60 virtual seconds: the next timer is at 63"):
        run(main, budget=Budget(time_s=60))


def test_finally_blocks_run_after_a_failure() -> None:
    ended: list[str] = []

    async def main(loop: SimLoop) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            ended.append("main")

    with pytest.raises(BudgetError):
        run(main, budget=Budget(time_s=60))
    assert ended == ["main"]


def test_leaked_tasks_are_named() -> None:
    async def main(loop: SimLoop) -> None:
        loop.keep = asyncio.create_task(asyncio.sleep(100), name="left behind")  # type: ignore[attr-defined]

    with pytest.raises(LeakError, match=r"1 tasks .*left behind"):
        run(main)


def test_what_nobody_handled_fails_the_run() -> None:
    def fail() -> None:
        raise ValueError("in a callback")

    async def main(loop: SimLoop) -> None:
        loop.call_soon(fail)
        await asyncio.sleep(1)

    with pytest.raises(UnhandledError, match="in a callback"):
        run(main)


def test_a_task_that_died_unseen_fails_the_run() -> None:
    async def fail() -> None:
        raise ValueError("in a task")

    async def main(loop: SimLoop) -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        assert task.done()

    with pytest.raises(UnhandledError, match="in a task"):
        run(main)


async def _connect(loop: SimLoop) -> Any:
    return await asyncio.open_connection("127.0.0.1", 1)


async def _resolve(loop: SimLoop) -> Any:
    return await loop.getaddrinfo("localhost", 80)


async def _serve(loop: SimLoop) -> Any:
    return await asyncio.start_unix_server(lambda reader, writer: None, "/nowhere")


async def _process(loop: SimLoop) -> Any:
    return await asyncio.create_subprocess_exec(sys.executable)


async def _thread(loop: SimLoop) -> Any:
    return await asyncio.to_thread(time.time)


async def _reader(loop: SimLoop) -> Any:
    with socket.socket() as sock:
        loop.add_reader(sock, lambda: None)


async def _signal(loop: SimLoop) -> Any:
    loop.add_signal_handler(15, lambda: None)


async def _from_outside(loop: SimLoop) -> Any:
    errors: list[Exception] = []

    def call() -> None:
        try:
            loop.call_soon_threadsafe(lambda: None)
        except RealIoError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    raise errors[0]


@pytest.mark.parametrize("main", [_connect, _resolve, _serve, _process, _thread, _reader, _signal, _from_outside])
def test_real_io_is_refused(main: Callable[[SimLoop], Any]) -> None:
    with pytest.raises(RealIoError, match="simulation"):
        run(main)


def test_real_io_fails_the_run_even_when_swallowed() -> None:
    async def main(loop: SimLoop) -> None:
        try:
            await asyncio.open_connection("127.0.0.1", 1)
        except Exception:
            return

    with pytest.raises(UnhandledError, match=r"create_connection|getaddrinfo"):
        run(main)


def test_inline_executor_runs_on_this_thread() -> None:
    def fail() -> None:
        raise KeyError("from work")

    async def main(loop: SimLoop) -> bool:
        with pytest.raises(KeyError):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(threading.get_ident) == threading.get_ident()

    assert run(main, inline_executor=True)
