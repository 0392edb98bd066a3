"""The news of the status page: told again and again, to a limited number, and never a danger to the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from gwcore.runtime.observability.health import STREAMS_MAX, HealthServer
from gwcore.runtime.observability.metrics import Metrics

Dial = Callable[[str], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def serve(scenario: Callable[[Dial], Awaitable[None]], news: Callable[[], bytes], *, request_s: float = 5.0) -> None:
    async def main() -> None:
        server = HealthServer(
            Metrics(),
            not_ready=lambda: [],
            status=lambda: {},
            request_s=request_s,
            page=b"<!doctype html>",
            news=news,
            news_s=0.001,
        )
        address = await server.start("127.0.0.1", 0)
        writers: list[asyncio.StreamWriter] = []

        async def dial(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection(*address)
            writers.append(writer)
            writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            return reader, writer

        try:
            await scenario(dial)
        finally:
            await server.close()
            for writer in writers:
                writer.close()

    asyncio.run(main())


def test_news_are_told_again_and_again_and_each_is_of_now() -> None:
    told = iter(range(1000))

    async def scenario(dial: Dial) -> None:
        reader, _ = await dial("/events")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"text/event-stream" in head
        assert [await reader.readuntil(b"\n\n") for _ in range(3)] == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]

    serve(scenario, lambda: str(next(told)).encode())


def test_one_more_than_the_limit_is_told_so_and_room_comes_back() -> None:
    async def scenario(dial: Dial) -> None:
        held = [await dial("/events") for _ in range(STREAMS_MAX)]
        for reader, _ in held:
            await reader.readuntil(b"data: 1\n\n")
        reader, _ = await dial("/events")
        assert b"503 Service Unavailable" in await reader.readuntil(b"\r\n\r\n")
        reader, _ = await dial("/healthz")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        held[0][1].close()
        while True:
            reader, _ = await dial("/events")
            if b"200 OK" in await reader.readuntil(b"\r\n\r\n"):
                break

    serve(scenario, lambda: b"1")


def test_news_that_can_not_be_made_end_that_browser_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bytes:
        raise KeyError("no such book")

    async def scenario(dial: Dial) -> None:
        faults: list[object] = []  # what would end the process
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        reader, _ = await dial("/events")
        assert (await reader.read()).endswith(b"\r\n\r\n")
        reader, _ = await dial("/")
        assert b"<!doctype html>" in await reader.read()
        assert faults == []

    with caplog.at_level(logging.CRITICAL, "gwcore"):
        serve(scenario, fail)


def test_browsers_that_do_not_read_are_let_go() -> None:
    async def scenario(dial: Dial) -> None:
        for reader, writer in [await dial("/events") for _ in range(STREAMS_MAX)]:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's transport reads too
        while True:
            reader, writer = await dial("/events")
            if b"200 OK" in await reader.readuntil(b"\r\n\r\n"):
                break
            writer.close()

    serve(scenario, lambda: b"x" * 2**22, request_s=0.1)
