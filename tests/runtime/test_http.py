"""REST holds on to nothing: what an exchange needed is free when it ends, without the collector, which looks rarely."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

import pytest

from gwcore.errors import GatewayError, VenueError, VenueUnavailable
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.venue.http import IDLE_MAX, outcome_of
from gwcore.runtime.venue.network import RealNetwork

EXCHANGES = 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@contextlib.asynccontextmanager
async def stage() -> AsyncIterator[tuple[RealNetwork, str]]:
    """A network, and the address of a server that answers."""
    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
                await writer.drain()
        writer.close()
        await writer.wait_closed()

    network = RealNetwork(SystemClock(), "test")
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield network, f"http://{host}:{port}/"
    finally:
        await network.close()
        server.close()
        await asyncio.gather(*served)


def _get(url: str) -> HttpFlow[HttpResponse]:
    response = yield HttpRequest(method="GET", url=url)
    return response


def _broken(url: str) -> HttpFlow[HttpResponse]:
    yield HttpRequest(method="GET", url=url)
    raise GatewayError("a plugin's mistake")


async def _left_behind(network: RealNetwork, url: str, outcome: type) -> int:
    """Objects that only the collector could free after so many exchanges."""
    assert isinstance(await outcome_of(network, _get(url)), outcome)
    gc.collect()
    for _ in range(EXCHANGES):
        assert isinstance(await outcome_of(network, _get(url)), outcome)
    return gc.collect()


def test_an_exchange_leaves_nothing_for_the_collector(no_collector: None) -> None:
    async def run() -> int:
        async with stage() as (network, url):
            return await _left_behind(network, url, HttpResponse)

    # Once it was 36 objects an exchange, and a body with them.
    assert asyncio.run(run()) < EXCHANGES


def test_a_failed_exchange_leaves_nothing_for_the_collector(no_collector: None) -> None:
    async def run() -> int:
        async with stage() as (network, _):
            return await _left_behind(network, "http://127.0.0.1:1/", VenueUnavailable)

    # Once it was 151 objects an exchange: the error held the frame that kept it.
    assert asyncio.run(run()) < EXCHANGES


def test_an_outcome_is_the_result_or_the_failure() -> None:
    async def run() -> tuple[object, ...]:
        async with stage() as (network, url):
            return await outcome_of(network, _get(url)), await outcome_of(network, _broken(url))

    result, failure = asyncio.run(run())
    assert isinstance(result, HttpResponse)
    assert (result.status, result.body) == (200, b"hello")
    assert isinstance(failure, VenueError)
    assert str(failure) == "a plugin's mistake"


def test_a_burst_leaves_few_connections_open() -> None:
    count, here, closed = 3 * IDLE_MAX, 0, 0

    async def run() -> None:
        nonlocal here
        all_here, news = asyncio.Event(), asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal here, closed
            await reader.readuntil(b"\r\n\r\n")
            here += 1
            if here == count:
                all_here.set()
            await all_here.wait()  # so that no connection is used twice
            writer.write(ANSWER)
            await reader.read()
            closed += 1
            news.set()
            writer.close()
            await writer.wait_closed()

        network = RealNetwork(SystemClock(), "test")
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            await asyncio.gather(*(outcome_of(network, _get(f"http://{host}:{port}/")) for _ in range(count)))
            async with asyncio.timeout(10.0):
                while closed < count - IDLE_MAX:
                    news.clear()
                    await news.wait()
        finally:
            await network.close()
            async with asyncio.timeout(10.0):
                while closed < count:
                    news.clear()
                    await news.wait()
            server.close()
            await server.wait_closed()

    asyncio.run(run())
    assert closed == count
