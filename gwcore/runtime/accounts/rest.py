"""AccountRest: the private REST calls of one account, one after the other and within its counter.

One after the other, because a nonce that overtakes another is refused, and flows take theirs when they ask. A call that left
is waited for even where nobody wants its answer any more: the next one must not overtake it either.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TypeVar

from gwcore.errors import AuthenticationError, ConfigError, GatewayError, VenueError, VenueUnavailable
from gwcore.model import RateLimit
from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint, Network
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.runtime.venue.http import run_flow
from gwcore.venue import AccountLimits

T = TypeVar("T")

_log = logging.getLogger("gwcore.account")

_NANOSECONDS = 1_000_000_000
#: Calls that wait for their turn; one more is refused.
WAITING_MAX = 100
#: The counter is told at most this often.
NEWS_NS = 30 * _NANOSECONDS


class AccountRest:
    """A Network for one account. Requests that cost nothing and are not urgent are public and pass."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._waiting: deque[tuple[HttpRequest, asyncio.Future[HttpResponse]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._taken: asyncio.Future[HttpResponse] | None = None  # the answer to the call that has its turn
        self._held: asyncio.Future[HttpResponse] | None = None  # of the call that waits for room
        self._has_room = asyncio.Event()  # wakes it
        self._limits = AccountLimits()
        self._count = 0.0  # the venue's counter, as we model it ...
        self._counted_ns = clock.monotonic_ns()  # ... at this time
        self.requests = 0
        self.waited_s = 0.0
        self._told_ns = -NEWS_NS

    def limit(self, limits: AccountLimits) -> None:
        """What the venue allows."""
        self._limits = limits

    @property
    def budget_ratio(self) -> float:
        """The share of what the venue's counter may reach that is used; 0 where it has no limit."""
        limit = self._limits.rest_cost_max
        return self.count / limit if limit else 0.0

    @property
    def count(self) -> float:
        """The counter now."""
        elapsed_s = (self._clock.monotonic_ns() - self._counted_ns) / _NANOSECONDS
        return max(0.0, self._count - elapsed_s * self._limits.rest_decay_per_s)

    def take_news(self) -> RateLimit | None:
        """The counter as an event has it, where it is time to tell it again."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._told_ns < NEWS_NS:
            return None
        self._told_ns = now_ns
        return RateLimit(name="rest", value=f"{self.count:.2f}", limit=f"{self._limits.rest_cost_max:g}")

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket, as the network does."""
        return await self._network.connect(endpoint, listener)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One exchange, when its turn has come. Raises VenueUnavailable where there is no answer, or too many wait."""
        if not request.cost and not request.urgent:
            return await self._network.request(request)
        if len(self._waiting) >= WAITING_MAX:
            raise VenueUnavailable(f"{request.url}: {WAITING_MAX} calls of this account wait already")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[HttpResponse] = loop.create_future()
        if request.urgent:
            self._overtake()
        self._waiting.append((request, answer))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        return await answer

    async def run(self, flow: HttpFlow[T]) -> T:
        """Drive a flow to its result. Raises VenueError alone, whatever the flow raises: it is one account's trouble."""
        try:
            return await run_flow(self, flow)
        except VenueError:
            raise
        except ConfigError as error:
            raise AuthenticationError(str(error)) from error
        except GatewayError as error:
            raise VenueUnavailable(str(error)) from error
        except Exception as error:  # who waits for the answer has to be told, or he waits for ever
            _log.exception("a call of the venue's plugin failed")
            raise VenueError(f"the venue's plugin failed: {type(error).__name__}: {error}") from error

    def _overtake(self) -> None:
        """Calls about orders do not wait behind others; these took their nonces before, so they have to be made anew."""
        urgent = [one for one in self._waiting if one[0].urgent]
        for request, answer in self._waiting:
            if not request.urgent and not answer.done():
                answer.set_exception(VenueUnavailable("overtaken by a request about an order: ask again"))
        self._waiting = deque(urgent)
        if self._held is not None and not self._held.done():
            self._held.set_exception(VenueUnavailable("overtaken by a request about an order: ask again"))
        self._has_room.set()

    async def _work(self) -> None:
        while self._waiting:
            request, answer = self._waiting.popleft()
            self._taken = answer
            if not request.urgent:
                self._held = answer
                await self._wait_for_room(request.cost, answer)
                self._held = None
                if answer.done():
                    continue  # nobody wants it, or it was overtaken, and it did not leave
            if answer.cancelled():
                continue  # nobody wants it, and it did not leave
            self._count, self._counted_ns = self.count + request.cost, self._clock.monotonic_ns()
            self.requests += 1
            try:
                response = await self._network.request(request)
            except Exception as error:  # it is the caller's, whatever it is
                if not answer.cancelled():
                    answer.set_exception(error)
            else:
                if not answer.cancelled():
                    answer.set_result(response)
            # The venue counted it when it came there, which may be as late as now.
            self._counted_ns = self._clock.monotonic_ns()

    async def _wait_for_room(self, cost: int, answer: asyncio.Future[HttpResponse]) -> None:
        while not answer.done():
            over = self.count + cost - self._limits.rest_cost_max
            if over <= 0:
                return
            delay_s = over / self._limits.rest_decay_per_s + 0.001
            self.waited_s += delay_s
            self._has_room.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._has_room.wait()

    def close(self) -> None:
        """No more calls; who waits for one is cancelled."""
        if self._worker is not None:
            self._worker.cancel()
        for answer in (self._taken, *(answer for _, answer in self._waiting)):
            if answer is not None:
                answer.cancel()
