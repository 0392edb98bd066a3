"""SimNetwork: `ports.Network` in memory, between the program and any `gwcore.simulator.Simulator`, on virtual time.

It carries frames and requests with seeded delays, drives the simulator's time, and has the faults of a network, each
switchable while it runs. Faults of the venue itself belong to the simulator (`Simulator.fault`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import Enum
from urllib.parse import urlsplit

from gwcore.errors import AuthenticationError, VenueUnavailable
from gwcore.ports import Connection, ConnectionListener, Endpoint
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal, Simulator
from gwcore.testing.clock import VirtualClock
from gwcore.testing.links import Direction, LinkProfile, SimLink
from gwcore.testing.loop import SimLoop, SimulationError
from gwcore.testing.seeds import SeededRandom

#: What an edge in front of a venue answers when it is the edge that fails.
_HTML_5XX = HttpResponse(
    status=502,
    headers={"content-type": "text/html"},
    body=b"<html><head><title>502 Bad Gateway</title></head><body>cloud edge</body></html>",
)
#: A simulator that wants to be driven this often within one instant is stuck.
_ADVANCES_MAX = 10_000


class ConnectMode(str, Enum):
    """What becomes of attempts to connect."""

    OK = "OK"
    REFUSE = "REFUSE"  # at once
    TIMEOUT = "TIMEOUT"  # no answer within the endpoint's time
    DROP = "DROP"  # accepted, then closed at once


class HttpMode(str, Enum):
    """What becomes of HTTP requests."""

    OK = "OK"
    REFUSE = "REFUSE"  # no connection
    LOST = "LOST"  # the request does not arrive: no answer within its time
    REPLY_LOST = "REPLY_LOST"  # the venue acts on it; no answer within its time
    HTML = "HTML"  # an edge answers 502 with HTML; the request does not arrive
    REPLY_HTML = "REPLY_HTML"  # the venue acts on it; an edge answers 502 with HTML


class SimNetwork:
    """The network and, at its other end, the venue. `counts` says how much of what went through."""

    def __init__(
        self,
        loop: SimLoop,
        simulator: Simulator,
        rng: SeededRandom,
        *,
        profile: LinkProfile | None = None,
        clock: VirtualClock | None = None,
    ) -> None:
        """`clock` is the gateway's, for `received_ns`; the venue has its own, which is right."""
        self.connect_mode = ConnectMode.OK
        self.http_mode = HttpMode.OK
        self.counts: Counter[str] = Counter()
        self._loop = loop
        self._simulator = simulator
        self._random = rng
        self._profile = profile or LinkProfile()
        self._venue_clock = VirtualClock(loop)
        self._clock = clock or self._venue_clock
        self._links: dict[int, SimLink] = {}
        self._links_made = 0
        self._requests_made = 0
        self._spike_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._advanced_ns = -1
        self._advances = 0
        self._is_frozen = False

    @property
    def links(self) -> list[SimLink]:
        """Links whose gateway end is open, oldest first."""
        return [link for link in self._links.values() if link.is_open]

    def venue_ns(self) -> int:
        """The venue's time."""
        return self._venue_clock.now_ns()

    # --- ports.Network --------------------------------------------------------------------------------------------------

    async def connect(self, endpoint: Endpoint, listener: ConnectionListener) -> Connection:
        """Open a WebSocket. Raises VenueUnavailable with the cause, AuthenticationError on 401."""
        self.counts["connects"] += 1
        self._links_made += 1
        rng = self._random.stream(f"link.{self._links_made}")
        mode = ConnectMode.TIMEOUT if self._is_frozen else self.connect_mode
        if mode is ConnectMode.TIMEOUT:
            await asyncio.sleep(endpoint.connect_timeout_s)
            self.counts["connect_timeouts"] += 1
            raise VenueUnavailable(f"{endpoint.url}: no connection within {endpoint.connect_timeout_s:g} s")
        await self._trip(rng)
        if mode is ConnectMode.REFUSE:
            await self._trip(rng)
            self.counts["connects_refused"] += 1
            raise VenueUnavailable(f"{endpoint.url}: connection refused")
        answer = self._simulator.open(_path(endpoint.url), self.venue_ns())
        if isinstance(answer, Refusal):
            self._arm()
            await self._trip(rng)
            raise self._refused(endpoint, answer)
        link = SimLink(self._loop, answer, endpoint, listener, self, rng, self._profile, self._clock.now_ns)
        self._spike(link)
        self._links[answer] = link
        self._loop.note(b"+%d" % answer)
        self._advance()
        try:
            await self._trip(rng)
        except BaseException:
            link.cut("given up while connecting")
            raise
        if not link.is_open:
            raise VenueUnavailable(f"{endpoint.url}: {link.cause} while connecting")
        link.start()
        if mode is ConnectMode.DROP:
            self.counts["connects_dropped"] += 1
            link.cut("closed right after connecting")
        return link

    async def request(self, request: HttpRequest) -> HttpResponse:
        """One HTTP exchange. Raises VenueUnavailable where there is no whole answer."""
        self.counts["requests"] += 1
        self._requests_made += 1
        rng = self._random.stream(f"http.{self._requests_made}")
        mode = HttpMode.LOST if self._is_frozen else self.http_mode
        if mode is HttpMode.REFUSE:
            await self._trip(rng)
            self.counts["requests_refused"] += 1
            raise VenueUnavailable(f"{request.url}: connection refused")
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._trip(rng)
                if mode is HttpMode.LOST:
                    await asyncio.sleep(request.timeout_s)
                response = _HTML_5XX if mode is HttpMode.HTML or self._is_frozen else self._http(request)
                if response.status == 0:
                    raise VenueUnavailable(f"{request.url}: the line was cut before the answer")
                if mode is HttpMode.REPLY_LOST:
                    await asyncio.sleep(request.timeout_s)
                await self._trip(rng)
        except TimeoutError:
            self.counts["requests_timed_out"] += 1
            raise VenueUnavailable(f"{request.url}: no answer within {request.timeout_s:g} s") from None
        if mode in (HttpMode.HTML, HttpMode.REPLY_HTML):
            self.counts["requests_html"] += 1
            return _HTML_5XX
        return response

    def _http(self, request: HttpRequest) -> HttpResponse:
        self._loop.note(b"?" + request.url.encode())
        response = self._simulator.http(request, self.venue_ns())
        self._arm()
        return response

    def _refused(self, endpoint: Endpoint, refusal: Refusal) -> Exception:
        self.counts["connects_refused"] += 1
        text = f"{endpoint.url}: the venue answered {refusal.status}"
        return AuthenticationError(text) if refusal.status == 401 else VenueUnavailable(text)

    async def _trip(self, rng: SeededRandom) -> None:
        profile = self._profile
        await asyncio.sleep(rng.uniform(*profile.latency_s) + rng.random() * profile.jitter_s + self._spike_ns / 1e9)

    # --- the venue's side -----------------------------------------------------------------------------------------------

    def on_frames(self, link: SimLink, frames: list[bytes]) -> None:
        """Frames of a client arrived at the venue."""
        if self._is_frozen or link.number not in self._links:
            return
        now_ns = self.venue_ns()
        for frame in frames:
            self.counts["frames_up"] += 1
            self._loop.note(b">%d " % link.number + frame)
            self._simulator.receive(link.number, frame, now_ns)
        self._advance()

    def on_gone(self, link: SimLink) -> None:
        """The venue learns that a client is gone."""
        if self._links.pop(link.number, None) is not None and not self._is_frozen:
            self._loop.note(b"-%d" % link.number)
            self._simulator.close(link.number, self.venue_ns())
            self._advance()

    def freeze(self) -> None:
        """Stop the venue's time for good: what it has sent arrives, nothing new comes, nothing reaches it.

        For oracles: the truth stands still while the last frames find their way.
        """
        self._advance()
        self._is_frozen = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def poke(self) -> None:
        """Ask the simulator at once what is to be sent: after calling it directly, to switch a fault, say."""
        self._advance()

    def _advance(self) -> None:
        if self._is_frozen:
            return
        links, counts = self._links, self.counts
        for number, frame, abort in self._simulator.advance(self.venue_ns()):
            link = links.get(number)
            if link is None:
                continue
            if frame is None:
                # The venue closed it, so it is not told that the client is gone.
                del links[number]
                counts["closed_by_venue"] += 1
                link.push_end("connection reset by the venue" if abort else "closed by the venue", abort=abort)
            else:
                counts["frames_down"] += 1
                link.push(frame)
        self._arm()

    def _arm(self) -> None:
        next_ns = self._simulator.next_ns()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if next_ns is None:
            return
        now_ns = self._loop.now_ns()
        when_ns = max(next_ns - self._venue_clock.epoch_ns, now_ns)
        self._count_advances(now_ns)
        self._timer = self._loop.call_at_ns(when_ns, self._advance)

    def _count_advances(self, now_ns: int) -> None:
        if now_ns != self._advanced_ns:
            self._advanced_ns, self._advances = now_ns, 0
        self._advances += 1
        if self._advances > _ADVANCES_MAX:
            text = f"the simulator asked to be driven {_ADVANCES_MAX} times at {now_ns / 1e9:.6f} s: next_ns() stands still"
            raise self._loop.violation(SimulationError(text))

    # --- faults ---------------------------------------------------------------------------------------------------------

    def set_spike(self, delay_s: float) -> None:
        """Add this to every delay, of what is sent from now on. 0 ends it."""
        self._spike_ns = round(delay_s * 1e9)
        for link in self._links.values():
            self._spike(link)

    def _spike(self, link: SimLink) -> None:
        link.up.spike_ns = link.down.spike_ns = self._spike_ns

    def calm(self) -> None:
        """End every fault that can be ended. Half-open links stay as they are: they never heal by themselves."""
        self.connect_mode = ConnectMode.OK
        self.http_mode = HttpMode.OK
        self.set_spike(0.0)
        for link in list(self._links.values()):
            for direction in Direction:
                link.resume(direction)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
