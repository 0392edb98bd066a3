"""Pacing and measuring of REST, on virtual time."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from gwcore.errors import VenueUnavailable
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.runtime.venue.rest import KEPT_MAX, PacedNetwork
from gwcore.testing.clock import VirtualClock
from gwcore.testing.loop import Budget, SimLoop, run
from gwcore.venue import RestLimits


class SlowNetwork:
    """Answers after a time; remembers when it was asked and answered, and by how many at once."""

    def __init__(self, loop: SimLoop, takes_s: float = 0.1) -> None:
        self.loop = loop
        self.takes_s = takes_s
        self.asked: list[tuple[str, float]] = []
        self.answered: list[float] = []
        self.open = self.open_max = 0
        self.fails = False

    async def request(self, request: HttpRequest) -> HttpResponse:
        self.asked.append((request.url, self.loop.time()))
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        await asyncio.sleep(self.takes_s)
        self.open -= 1
        self.answered.append(self.loop.time())
        if self.fails:
            raise VenueUnavailable("down")
        return HttpResponse(status=200)

    async def connect(self, endpoint: Any, listener: Any) -> Any:
        raise NotImplementedError


def on_virtual_time(limits: RestLimits, work: Any, takes_s: float = 0.1) -> tuple[SlowNetwork, list[tuple[str, int]]]:
    told: list[tuple[str, int]] = []

    async def main(loop: SimLoop) -> SlowNetwork:
        network = SlowNetwork(loop, takes_s)
        paced = PacedNetwork(network, limits, VirtualClock(loop), lambda *what: told.append(what))
        await work(paced, network)
        assert paced.waiting == 0
        assert paced._turns == {}
        return network

    return run(main, seed=1, budget=Budget(time_s=3_600.0)), told


def ask(url: str, pace: str = "") -> HttpRequest:
    return HttpRequest(method="GET", url=f"http://venue/{url}", pace=pace)


def test_requests_of_one_pace_keep_their_distance_from_the_answer_on() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        await asyncio.gather(*(paced.request(ask(f"{n}", "BTC")) for n in range(3)), paced.request(ask("other", "ETH")))

    network, _ = on_virtual_time(RestLimits(interval_s=1.0), work)
    times = [at_s for url, at_s in network.asked if not url.endswith("other")]
    assert {at_s for url, at_s in network.asked if url.endswith("other")} == {times[0]}
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == pytest.approx([1.1, 1.1])


def test_all_together_keep_the_rate_and_the_number_under_way() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        await asyncio.gather(*(paced.request(ask(f"{n}", f"pair {n}")) for n in range(20)))

    network, _ = on_virtual_time(RestLimits(interval_s=1.0, per_s=10.0, concurrent_max=3), work, takes_s=0.5)
    times = sorted(at_s for _, at_s in network.asked)
    assert all(later - earlier >= 0.0999 for earlier, later in itertools.pairwise(times))
    assert network.open_max == 3


def test_more_than_may_wait_are_refused_at_once() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        results = await asyncio.gather(*(paced.request(ask("x", "BTC")) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(result, VenueUnavailable) for result in results) == 2
        assert paced.refused == 2

    on_virtual_time(RestLimits(interval_s=1.0, waiting_max=3), work)


def test_what_has_no_pace_does_not_wait() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        await asyncio.gather(*(paced.request(ask(f"{n}")) for n in range(9)))
        assert network.open_max == 9

    on_virtual_time(RestLimits(interval_s=1.0, per_s=1.0, concurrent_max=1), work)


def test_a_failure_and_a_cancelled_wait_leave_the_turn_to_the_next() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        network.fails = True
        first = asyncio.create_task(paced.request(ask("1", "BTC")))
        await asyncio.sleep(0.01)  # the loop runs what is ready in any order
        waiting = asyncio.create_task(paced.request(ask("2", "BTC")))
        third = asyncio.create_task(paced.request(ask("3", "BTC")))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(VenueUnavailable):
            await first
        with pytest.raises(VenueUnavailable):
            await third

    network, _ = on_virtual_time(RestLimits(interval_s=1.0), work)
    assert [url.rsplit("/", 1)[1] for url, _ in network.asked] == ["1", "3"]
    assert network.asked[1][1] - network.answered[0] == pytest.approx(1.0)


def test_an_endpoints_latency_is_told_now_and_then() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        for _ in range(100):
            await paced.request(ask("Trades?pair=BTC/USD"))
            await asyncio.sleep(0.9)

    _, told = on_virtual_time(RestLimits(), work)
    assert len(told) == 4
    assert told[0][0] == "rest./Trades"
    assert told[0][1] == pytest.approx(100_000_000)


def test_endpoints_that_never_end_are_not_told_apart() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        for number in range(70):
            await paced.request(ask(f"order/{number}"))
        assert len(paced.round_trip_ns) == 65
        assert "other" in paced.round_trip_ns

    on_virtual_time(RestLimits(), work)


def lists(url: str = "lists", *, takes_kept: bool = True) -> HttpRequest:
    return HttpRequest(method="GET", url=f"http://venue/{url}", pace="public", keep_s=30.0, takes_kept=takes_kept)


def test_what_many_ask_alike_is_asked_once_while_it_is_kept() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        asked = asyncio.create_task(paced.request(lists(takes_kept=False)))
        await asyncio.sleep(0.01)
        answers = await asyncio.gather(*(paced.request(lists()) for _ in range(3)))
        first = await asked
        assert [answer is first for answer in answers] == [True] * 3
        await asyncio.sleep(29.0)
        assert await paced.request(lists()) is first
        assert len(network.asked) == 1
        assert await paced.request(lists(takes_kept=False)) is not first
        await asyncio.sleep(31.0)
        await paced.request(lists())
        assert len(network.asked) == 3
        await asyncio.sleep(31.0)
        assert paced._kept == {}

    on_virtual_time(RestLimits(interval_s=1.0), work)


def test_who_waits_for_a_kept_answer_that_does_not_come_asks_himself() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        network.fails = True
        failing = asyncio.create_task(paced.request(lists()))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(paced.request(lists()))
        impatient = asyncio.create_task(paced.request(lists()))
        await asyncio.sleep(0.01)
        impatient.cancel()
        with pytest.raises(VenueUnavailable):
            await failing
        network.fails = False
        assert (await waiting).status == 200

        leaver = asyncio.create_task(paced.request(lists("other")))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(paced.request(lists("other")))
        await asyncio.sleep(0.01)
        leaver.cancel()
        assert (await waiting).status == 200
        assert [url.rsplit("/", 1)[1] for url, _ in network.asked] == ["lists", "lists", "other"]

    on_virtual_time(RestLimits(interval_s=1.0), work)


def test_no_more_answers_are_kept_than_may_be() -> None:
    async def work(paced: PacedNetwork, network: SlowNetwork) -> None:
        for number in range(KEPT_MAX + 1):
            await paced.request(lists(f"{number}"))
        for number in range(KEPT_MAX + 1):
            await paced.request(lists(f"{number}"))
        assert len(network.asked) == KEPT_MAX + 2

    on_virtual_time(RestLimits(), work)
