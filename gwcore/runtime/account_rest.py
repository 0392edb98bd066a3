"""AccountRest: the private REST calls of one account, one after the other and within its counter.

One after the other, because a nonce that overtakes another is refused, and flows take theirs when they ask. A call that left
is waited for even where nobody wants its answer any more: the next one must not overtake it either.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gwcore.errors import VenueUnavailable
from gwcore.ports import Clock, Connection, ConnectionListener, Endpoint, Network
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.venue import AccountLimits

_NANOSECONDS = 1_000_000_000
#: Calls that wait for their turn; one more is refused.
WAITING_MAX = 100


class AccountRest:
    """A Network for one account. Requests without a cost are public and pass."""

    def __init__(self, network: Network, clock: Clock) -> None:
        self._network = network
        self._clock = clock
        self._waiting: deque[tuple[HttpRequest, asyncio.Future[HttpResponse]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._limits = AccountLimits()
        self._count = 0.0  # the venue's counter, as we model it ...
        self._counted_ns = clock.monotonic_ns()  # ... at this time
        self.requests = 0
        self.waited_s = 0.0

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

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket, as the network does."""
        return await self._network.connect(endpoint, listener)

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One exchange, when its turn has come. Raises VenueUnavailable where there is no answer, or too many wait."""
        if not request.cost:
            return await self._network.request(request)
        if len(self._waiting) >= WAITING_MAX:
            raise VenueUnavailable(f"{request.url}: {WAITING_MAX} calls of this account wait already")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[HttpResponse] = loop.create_future()
        self._waiting.append((request, answer))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            request, answer = self._waiting.popleft()
            await self._wait_for_room(request.cost, answer)
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
        while not answer.cancelled():
            over = self.count + cost - self._limits.rest_cost_max
            if over <= 0:
                return
            delay_s = over / self._limits.rest_decay_per_s + 0.001
            self.waited_s += delay_s
            await asyncio.sleep(delay_s)

    def close(self) -> None:
        """No more calls."""
        if self._worker is not None:
            self._worker.cancel()
        for _, answer in self._waiting:
            answer.cancel()
