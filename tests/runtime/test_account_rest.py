"""Private REST calls of one account: in the order they were made, within the counter, and none overtakes one that left."""

from __future__ import annotations

import asyncio
import multiprocessing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gwcore.errors import AuthenticationError, ConfigError, GatewayError, VenueError, VenueUnavailable
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.runtime.accounts.keys import DirectoryKeys
from gwcore.runtime.accounts.rest import WAITING_MAX, AccountRest
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.clock import VirtualClock
from gwcore.testing.loop import Budget, SimLoop, run
from gwcore.venue import AccountLimits


class Venue:
    """Answers after `delay_s`; remembers what came when."""

    def __init__(self, loop: SimLoop, delay_s: float = 0.1) -> None:
        self.loop = loop
        self.delay_s = delay_s
        self.came: list[tuple[str, float]] = []

    async def connect(self, endpoint: Any, listener: Any) -> Any:
        raise AssertionError

    async def request(self, request: HttpRequest) -> HttpResponse:
        self.came.append((request.url, self.loop.time()))
        await asyncio.sleep(self.delay_s)
        if request.url == "bad":
            raise VenueUnavailable("bad")
        return HttpResponse(status=200)


def play(act: Any, **limits: float) -> None:
    async def main(loop: SimLoop) -> None:
        venue = Venue(loop)
        rest = AccountRest(venue, VirtualClock(loop))
        rest.limit(AccountLimits(**limits))
        await act(rest, venue)
        rest.close()

    run(main, seed=1, budget=Budget(time_s=1_000.0))


def call(url: str, cost: int = 1) -> HttpRequest:
    return HttpRequest(method="POST", url=url, cost=cost)


async def in_order(rest: AccountRest, *urls: str) -> list[asyncio.Task[HttpResponse]]:
    """The simulated loop runs tasks in any order: these are made one after the other."""
    tasks = []
    for url in urls:
        tasks.append(asyncio.create_task(rest.request(call(url))))
        await asyncio.sleep(0.001)
    return tasks


def test_one_after_the_other_and_public_ones_beside_them() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        tasks = await in_order(rest, "0", "1", "2", "3", "4")
        await asyncio.gather(*tasks, rest.request(call("public", 0)))
        private = [(url, at_s) for url, at_s in venue.came if url != "public"]
        assert [url for url, _ in private] == ["0", "1", "2", "3", "4"]
        assert all(b - a >= 0.0999 for (_, a), (_, b) in pairwise(private))
        assert dict(venue.came)["public"] < private[1][1]

    play(act)


def test_the_counter_is_kept_below_its_maximum() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        for number in range(30):
            await rest.request(call(str(number), 2))
        model = last_s = 0.0
        for _, at_s in venue.came:  # as the venue counts
            model = max(0.0, model - (at_s - last_s) * 0.5) + 2
            last_s = at_s
            assert model <= 10.0 + 1e-6

    play(act, rest_cost_max=10.0, rest_decay_per_s=0.5)


def test_a_call_that_left_is_waited_for_and_one_that_did_not_is_dropped() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        tasks = await in_order(rest, "0", "1", "2")
        await asyncio.sleep(0.05)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [url for url, _ in venue.came] == ["0", "2"]
        assert venue.came[1][1] >= 0.1

    play(act)


def test_a_failure_is_its_callers_alone() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        bad, good = await asyncio.gather(rest.request(call("bad")), rest.request(call("good")), return_exceptions=True)
        assert isinstance(bad, VenueUnavailable)
        assert isinstance(good, HttpResponse)

    play(act)


def test_too_many_that_wait_are_refused() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        tasks = [asyncio.create_task(rest.request(call(str(n)))) for n in range(WAITING_MAX + 1)]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(each, VenueUnavailable) for each in results) == 1

    play(act, rest_cost_max=1_000.0)


def test_at_the_end_nobody_waits_for_ever() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        tasks = await in_order(rest, "under way", "next")
        rest.close()
        await asyncio.wait(tasks, timeout=60.0)
        assert [task.cancelled() for task in tasks] == [True, True]

    play(act)


def _hold(folder: str, taken: Any, done: Any) -> None:
    keys = DirectoryKeys(DirectoryStorage(Path(folder)), SystemClock())
    keys.take("the-api-key", "main")
    taken.set()
    done.wait(30)


def test_a_second_process_on_a_key_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(str(tmp_path), taken, done))
    process.start()
    try:
        assert taken.wait(30)
        keys = DirectoryKeys(DirectoryStorage(tmp_path), SystemClock())
        with pytest.raises(
            ConfigError, match=r"account\.main\.key: the API key is in use by another process"
        ) as caught:
            keys.take("the-api-key", "main")
        assert "the-api-key" not in str(caught.value)
        keys.take("another-key", "other")
        keys.close()
    finally:
        done.set()
        process.join()


def test_a_call_about_an_order_overtakes_those_that_wait_and_they_are_told() -> None:
    async def act(rest: AccountRest, venue: Venue) -> None:
        calls = await in_order(rest, "a", "b", "c")  # a leaves; b waits for room; c waits for b
        await asyncio.sleep(0.5)
        assert [url for url, _ in venue.came] == ["a"]
        urgent = [HttpRequest(method="POST", url=url, urgent=True) for url in ("x", "y")]
        answers = await asyncio.gather(*(rest.request(one) for one in urgent))
        assert [answer.status for answer in answers] == [200, 200]
        assert sorted(url for url, _ in venue.came) == ["a", "x", "y"]
        assert venue.came[2][1] - venue.came[1][1] > 0.09  # one after the other, for their nonces
        for waiting in calls[1:]:
            with pytest.raises(VenueUnavailable, match="overtaken"):
                await waiting
        await rest.request(call("d"))
        assert venue.came[-1][0] == "d"

    play(act, rest_cost_max=1.0, rest_decay_per_s=0.1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KeyError("its own error"), VenueError),
        (GatewayError("an error of ours"), VenueUnavailable),
        (ConfigError("no key"), AuthenticationError),
    ],
    ids=lambda one: getattr(one, "__name__", type(one).__name__),
)
def test_whatever_a_plugins_flow_raises_is_told_to_who_waits_for_it(error: Exception, kind: type[VenueError]) -> None:
    def flow() -> HttpFlow[None]:
        yield call("a")
        raise error

    async def act(rest: AccountRest, venue: Venue) -> None:
        with pytest.raises(VenueError) as caught:
            await rest.run(flow())
        assert type(caught.value) is kind

    play(act)
