"""REST over httpx, and the driver of HTTP flows."""

from __future__ import annotations

from typing import TypeVar

import httpx

from gwcore.errors import GatewayError, VenueError, VenueUnavailable
from gwcore.ports import Network
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse

T = TypeVar("T")

#: Requests of one flow; a flow that wants more is broken (paging that never ends).
FLOW_REQUESTS_MAX = 10_000
#: Largest body that is read.
BODY_BYTES_MAX = 64 * 1024 * 1024
#: Connections kept for the next requests. A burst of them opens more, which are closed with their answers: idle ones are only
#: looked at by the next request, so each would stay as long as the venue lets it.
IDLE_MAX = 2
#: Connections at once; more requests wait for one.
CONNECTIONS_MAX = 100
_NO_STREAM = httpx.ByteStream(b"")


class HttpClient:
    """One pool of connections for all REST calls of the process."""

    def __init__(self, user_agent: str) -> None:
        self._client = httpx.AsyncClient(
            headers={"User-Agent": user_agent},
            follow_redirects=False,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=IDLE_MAX),
        )

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One exchange, whatever its status. Raises VenueUnavailable where there is no whole answer."""
        response: httpx.Response | None = None
        try:
            async with self._client.stream(
                request.method,
                request.url,
                headers=dict(request.headers),
                content=request.body or None,
                timeout=request.timeout_s,
            ) as response:
                return await _read(request, response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise VenueUnavailable(f"{request.url}: {type(error).__name__}: {error}") from error
        finally:
            if response is not None:
                # httpx lets a response and its stream hold each other. The collector that would part them looks rarely
                # (`process.calm_collector`), and until then every exchange would stay in memory.
                response.stream = _NO_STREAM

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _read(request: HttpRequest, response: httpx.Response) -> HttpResponse:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise VenueUnavailable(f"{request.url}: the answer is larger than {BODY_BYTES_MAX} bytes")
    return HttpResponse(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body),
    )


async def outcome_of(network: Network, flow: HttpFlow[T]) -> T | VenueError:
    """Drive a flow to its result, or to what it failed with, which may be kept: it holds on to nothing."""
    try:
        return await run_flow(network, flow)
    except VenueError as error:
        # With its traceback it would hold the frames of those who keep it, and they it: memory until the collector comes.
        return error.with_traceback(None)
    except GatewayError as error:
        return VenueError(str(error))


async def run_flow(network: Network, flow: HttpFlow[T]) -> T:
    """Drive a flow to its result. Raises what the flow raises; no answer is thrown into it as VenueUnavailable."""
    try:
        request = next(flow)
        for _ in range(FLOW_REQUESTS_MAX):
            try:
                response = await network.request(request)
            except VenueUnavailable as error:
                request = flow.throw(error)
            else:
                request = flow.send(response)
    except StopIteration as stop:
        result: T = stop.value
        return result
    flow.close()
    raise VenueUnavailable(f"a flow of more than {FLOW_REQUESTS_MAX} requests was given up")
