"""The endpoint for watchers: right answers, and limits for whoever asks badly."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gwcore.errors import ConfigError
from gwcore.runtime.observability.health import CONNECTIONS_MAX, HealthServer
from gwcore.runtime.observability.metrics import Metrics, Sample

Ask = Callable[[bytes], Awaitable[bytes]]


def serve(
    scenario: Callable[[Ask, tuple[str, int]], Awaitable[None]],
    *,
    reasons: list[str] | None = None,
    status: Callable[[], Mapping[str, Any]] = lambda: {"state": "READY"},
    request_s: float = 5.0,
    stuck: list[str] | None = None,
) -> None:
    async def main() -> None:
        metrics = Metrics()
        metrics.add(lambda: [Sample("gw_ready", (), 1)])
        waiting = reasons if reasons is not None else []
        server = HealthServer(
            metrics, not_ready=lambda: waiting, not_alive=lambda: stuck or [], status=status, request_s=request_s
        )
        address = await server.start("127.0.0.1", 0)

        async def ask(request: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(request)
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                await close(writer)

        try:
            await scenario(ask, address)
        finally:
            await server.close()
            await server.close()

    asyncio.run(main())


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def get(path: str, verb: str = "GET") -> bytes:
    return f"{verb} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def body(answer: bytes) -> bytes:
    head, _, content = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(content)}".encode() in head
    return content


def test_metrics_can_be_scraped() -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        answer = await ask(get("/metrics?x=1"))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n")
        families = {family.name for family in text_string_to_metric_families(body(answer).decode())}
        assert families == {"gw_ready", "gw_metrics_errors"}

    serve(scenario)


def test_readiness_follows_its_reasons() -> None:
    reasons = ["connection md.0 is down"]

    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        answer = await ask(get("/readyz"))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(body(answer)) == {"ready": False, "reasons": ["connection md.0 is down"]}
        assert (await ask(get("/healthz"))).startswith(b"HTTP/1.1 200 ")
        reasons.clear()
        answer = await ask(get("/readyz"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert json.loads(body(answer)) == {"ready": True, "reasons": []}

    serve(scenario, reasons=reasons)


def test_a_part_that_is_stuck_is_no_health_and_readiness_is_another_matter() -> None:
    stuck = ["the journal's committer has been stuck for 61 s"]

    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        answer = await ask(get("/healthz"))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(body(answer)) == {
            "alive": False,
            "reasons": ["the journal's committer has been stuck for 61 s"],
        }
        assert (await ask(get("/readyz"))).startswith(b"HTTP/1.1 200 ")
        stuck.clear()
        assert (await ask(get("/healthz"))).startswith(b"HTTP/1.1 200 ")

    serve(scenario, stuck=stuck)


def test_the_status_is_json() -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        assert json.loads(body(await ask(get("/status")))) == {"state": "READY"}

    serve(scenario)


def test_an_answer_that_fails_is_a_500_and_the_next_is_served(caplog: pytest.LogCaptureFixture) -> None:
    def status() -> Mapping[str, Any]:
        raise RuntimeError("no status")

    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        assert (await ask(get("/status"))).startswith(b"HTTP/1.1 500 ")
        assert (await ask(get("/healthz"))).startswith(b"HTTP/1.1 200 ")

    serve(scenario, status=status)
    assert "no status" in caplog.text


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/"), b"200 OK"),
        (get("/nope"), b"404 Not Found"),
        (get("/metrics", "POST"), b"405 Method Not Allowed"),
        (get("/metrics", "DELETE"), b"405 Method Not Allowed"),
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400 Bad Request"),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", b"431 Request Header Fields Too Large"),
    ],
)
def test_each_request_has_its_status(request_bytes: bytes, status: bytes) -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        assert (await ask(request_bytes)).startswith(b"HTTP/1.1 " + status + b"\r\n")

    serve(scenario)


def test_head_sends_no_body() -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        answer = await ask(get("/readyz", "HEAD"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n")

    serve(scenario)


def test_a_slow_or_silent_watcher_is_cut() -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        assert await ask(b"GET /metrics HT") == b""
        assert await ask(b"") == b""

    serve(scenario, request_s=0.05)


def test_only_so_many_are_served_at_once() -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        idle = [await asyncio.open_connection(*address) for _ in range(CONNECTIONS_MAX)]
        # Connections are taken in the order they were made, so the next one is one too many.
        assert await ask(get("/healthz")) == b""
        for reader, writer in idle:
            writer.write_eof()
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            await close(writer)
        assert (await ask(get("/healthz"))).startswith(b"HTTP/1.1 200 ")

    serve(scenario)


def test_a_port_in_use_is_one_sentence() -> None:
    async def scenario(ask: Ask, address: tuple[str, int]) -> None:
        other = HealthServer(Metrics(), not_ready=list, status=dict)
        with pytest.raises(ConfigError) as caught:
            await other.start(*address)
        assert str(caught.value).startswith(
            f"gateway.metrics_port: metrics can't be served on 127.0.0.1 port {address[1]}: "
        )
        assert str(caught.value).endswith("(choose another port, or 0 for any free one)")

    serve(scenario)
