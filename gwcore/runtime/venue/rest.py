"""PacedNetwork: REST of the whole process within the venue's limits, and how long each endpoint takes.

Wraps a `Network`. A request with a `pace` waits for its turn among those with the same one, then for a place among all. What
several parts of a start ask alike is asked once: turns are a second apart, and nobody trades before the last of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from gwcore.errors import VenueUnavailable
from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint, Network
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.venue import RestLimits

_NANOSECONDS = 1_000_000_000
#: An endpoint's latency is told at most this often.
LATENCY_EVENT_NS = 30 * _NANOSECONDS
#: Endpoints that are told apart; more are "other".
ENDPOINTS_MAX = 64
#: Paces of which the last answer is remembered; the oldest are forgotten.
PACES_MAX = 4_096
#: Answers that are kept at once; one more is not.
KEPT_MAX = 8


class _Turn:
    """Those with the same pace, one after the other."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class PacedNetwork:
    """One process's way to the venue. `on_latency(component, ns)` is called now and then for each endpoint."""

    def __init__(
        self, network: Network, limits: RestLimits, clock: Clock, on_latency: Callable[[str, int], None]
    ) -> None:
        self._network = network
        self._limits = limits
        self._clock = clock
        self._on_latency = on_latency
        self._interval_ns = int(limits.interval_s * _NANOSECONDS)
        self._spacing_ns = int(_NANOSECONDS / limits.per_s) if limits.per_s else 0
        self._next_ns = 0  # when the next of all paced requests may leave
        self._places = asyncio.Semaphore(limits.concurrent_max)
        self._turns: dict[str, _Turn] = {}  # of the paces somebody uses or waits for
        self._next_of_pace_ns: dict[str, int] = {}
        self._kept: dict[str, asyncio.Future[HttpResponse | None]] = {}  # by URL; None: it could not be had
        self._told_ns: dict[str, int] = {}  # endpoint -> when its latency was told
        self.waiting = 0
        self.requests = 0
        self.refused = 0  # because too many wait
        self.round_trip_ns: dict[str, int] = {}  # endpoint -> the last one

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket, as the network does."""
        return await self._network.connect(endpoint, listener)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One exchange, when its turn has come. Raises VenueUnavailable where there is no answer, or too many wait."""
        if not request.pace:
            return await self._measured(request)
        if request.takes_kept and (kept := self._kept.get(request.url)) is not None:
            # Who gives up does not end the wait of others.
            answer = await asyncio.shield(kept)
            if answer is not None:
                return answer
        if request.keep_s and (request.url in self._kept or len(self._kept) < KEPT_MAX):
            return await self._keep(request)
        return await self._queued(request)

    async def _keep(self, request: HttpRequest) -> HttpResponse:
        """Ask, and have the answer at hand for who asks the same meanwhile, and for `keep_s` after."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[HttpResponse | None] = loop.create_future()
        self._kept[request.url] = kept
        answer: HttpResponse | None = None
        try:
            answer = await self._queued(request)
        finally:
            is_good = answer is not None and answer.status == 200
            kept.set_result(answer if is_good else None)
            if is_good:
                loop.call_later(request.keep_s, self._drop, request.url, kept)
            else:
                self._drop(request.url, kept)
        return answer

    def _drop(self, url: str, kept: asyncio.Future[HttpResponse | None]) -> None:
        if self._kept.get(url) is kept:
            del self._kept[url]

    async def _queued(self, request: HttpRequest) -> HttpResponse:
        if self.waiting >= self._limits.waiting_max:
            self.refused += 1
            raise VenueUnavailable(f"{request.url}: {self.waiting} requests wait for their turn already")
        self.waiting += 1
        try:
            return await self._in_turn(request)
        finally:
            self.waiting -= 1

    async def _in_turn(self, request: HttpRequest) -> HttpResponse:
        pace = request.pace
        turn = self._turns.setdefault(pace, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                await self._sleep_until(self._next_of_pace_ns.get(pace, 0))
                async with self._places:
                    # The place among all is taken now, so that those who wait together leave one after the other.
                    leave_ns = max(self._clock.monotonic_ns(), self._next_ns)
                    self._next_ns = leave_ns + self._spacing_ns
                    await self._sleep_until(leave_ns)
                    try:
                        return await self._measured(request)
                    finally:
                        # From the answer on: however long a request took to arrive, the venue saw it before that.
                        self._remember(pace, self._clock.monotonic_ns() + self._interval_ns)
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[pace]

    def _remember(self, pace: str, next_ns: int) -> None:
        self._next_of_pace_ns.pop(pace, None)
        self._next_of_pace_ns[pace] = next_ns
        if len(self._next_of_pace_ns) > PACES_MAX:
            del self._next_of_pace_ns[next(iter(self._next_of_pace_ns))]

    async def _sleep_until(self, when_ns: int) -> None:
        left_ns = when_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            await asyncio.sleep(left_ns / _NANOSECONDS)

    async def _measured(self, request: HttpRequest) -> HttpResponse:
        self.requests += 1
        started_ns = self._clock.monotonic_ns()
        response = await self._network.request(request)
        now_ns = self._clock.monotonic_ns()
        endpoint = urlsplit(request.url).path
        if endpoint not in self.round_trip_ns and len(self.round_trip_ns) >= ENDPOINTS_MAX:
            endpoint = "other"
        self.round_trip_ns[endpoint] = now_ns - started_ns
        told_ns = self._told_ns.get(endpoint)
        if told_ns is None or now_ns - told_ns >= LATENCY_EVENT_NS:
            self._told_ns[endpoint] = now_ns
            self._on_latency(f"rest.{endpoint}", now_ns - started_ns)
        return response
