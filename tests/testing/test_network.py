"""The simulated network against the toy venue: order, delays, and each fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gwcore.errors import AuthenticationError, VenueUnavailable
from gwcore.ports import Connection, Endpoint
from gwcore.rest import HttpRequest
from gwcore.testing.clock import VirtualClock
from gwcore.testing.links import Direction, LinkProfile, SimLink
from gwcore.testing.loop import SimLoop, UnhandledError, run
from gwcore.testing.network import ConnectMode, HttpMode, SimNetwork
from gwcore.testing.seeds import SeededRandom
from gwcore.testing.toy import ToyVenue


class Recorder:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.times: list[int] = []
        self.bursts = 0
        self.causes: list[str] = []

    def on_frame(self, frame: bytes, received_ns: int) -> None:
        assert not self.causes
        self.frames.append(json.loads(frame))
        self.times.append(received_ns)

    def on_burst_end(self) -> None:
        assert not self.causes
        self.bursts += 1

    def on_close(self, cause: str) -> None:
        self.causes.append(cause)

    @property
    def ticks(self) -> list[int]:
        return [frame["tick"] for frame in self.frames if "tick" in frame]

    @property
    def echoes(self) -> list[int]:
        return [frame["echo"] for frame in self.frames if "echo" in frame]


class World:
    """Loop, venue and network of one test."""

    def __init__(self, loop: SimLoop, profile: LinkProfile | None = None) -> None:
        self.venue = ToyVenue()
        self.network = SimNetwork(loop, self.venue, SeededRandom(loop.seed, "network"), profile=profile)
        self.recorder = Recorder()

    async def connect(self, path: str = "/", **options: Any) -> Connection:
        return await self.network.connect(Endpoint(url=f"wss://toy{path}", **options), self.recorder)

    @property
    def link(self) -> SimLink:
        (link,) = self.network.links
        return link


def play(scene: Callable[[World, SimLoop], Coroutine[Any, Any, None]], seed: int = 1, **options: Any) -> None:
    async def main(loop: SimLoop) -> None:
        await scene(World(loop, **options), loop)

    run(main, seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_both_ways_keep_their_order(seed: int) -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        for number in range(200):
            connection.send(b"%d" % number)
            await asyncio.sleep(0.001 if number % 3 else 0)
        await asyncio.sleep(5)
        assert [int(frame) for _, frame in world.venue.heard] == list(range(200))
        assert world.recorder.echoes == list(range(200))
        ticks = world.recorder.ticks
        assert ticks == list(range(1, len(ticks) + 1))
        assert len(ticks) > 45
        assert world.recorder.times == sorted(world.recorder.times)
        assert 0 < world.recorder.bursts < len(world.recorder.frames)

    play(scene, seed, profile=LinkProfile(jitter_s=0.3))


def test_frames_sent_together_arrive_in_one_burst() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        world.venue.fault("mute")
        await asyncio.sleep(0.5)
        bursts = world.recorder.bursts
        for number in range(10):
            connection.send(b"%d" % number)
        await asyncio.sleep(0.5)
        assert world.recorder.echoes == list(range(10))
        assert world.recorder.bursts == bursts + 1

    play(scene)


def test_nothing_is_delivered_before_the_gateway_holds_the_connection() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        world.venue = ToyVenue(tick_s=0.001)
        world.network = SimNetwork(loop, world.venue, SeededRandom(1))
        connecting = asyncio.create_task(world.connect())
        while not connecting.done():
            assert world.recorder.frames == []
            await asyncio.sleep(0.0005)
        await asyncio.sleep(1)
        assert world.recorder.ticks[0] == 1

    play(scene)


def test_close_by_the_gateway() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        connection.send(b"1")
        connection.close("enough")
        connection.close("again")
        connection.send(b"2")
        assert world.recorder.causes == []
        await asyncio.sleep(1)
        assert world.recorder.causes == ["enough"]
        assert world.venue.heard == [(1, b"1")]
        assert world.venue.closed == [1]
        assert world.recorder.frames == []

    play(scene)


@pytest.mark.parametrize("abort", [False, True])
def test_close_by_the_venue(abort: bool) -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        await asyncio.sleep(1)
        world.venue.fault("close", connection=1, abort=abort)
        world.network.poke()
        await asyncio.sleep(1)
        assert world.recorder.causes == ["connection reset by the venue" if abort else "closed by the venue"]
        assert world.venue.closed == []
        assert world.network.links == []
        connection.send(b"1")
        connection.close("late")
        await asyncio.sleep(1)
        assert len(world.recorder.causes) == 1
        assert world.venue.heard == []

    play(scene)


def test_refusals_are_errors_that_name_the_cause() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        with pytest.raises(VenueUnavailable, match="wss://toy/refuse: the venue answered 503"):
            await world.connect("/refuse")
        with pytest.raises(AuthenticationError, match="401"):
            await world.connect("/denied")
        world.network.connect_mode = ConnectMode.REFUSE
        with pytest.raises(VenueUnavailable, match="refused"):
            await world.connect()
        world.network.connect_mode = ConnectMode.TIMEOUT
        before_s = loop.time()
        with pytest.raises(VenueUnavailable, match="within 10 s"):
            await world.connect()
        assert loop.time() - before_s == pytest.approx(10)
        world.network.connect_mode = ConnectMode.DROP
        await world.connect()
        await asyncio.sleep(1)
        assert world.recorder.causes == ["closed right after connecting"]

    play(scene)


def test_given_up_while_connecting() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        world.network.set_spike(2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await world.connect()
        await asyncio.sleep(10)
        assert world.venue.closed == [1]
        assert world.recorder.causes == []

    play(scene)


def test_cut_loses_what_is_in_flight_and_both_ends_notice() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        await asyncio.sleep(1)
        connection.send(b"1")
        seen = len(world.recorder.frames)
        world.link.cut()
        await asyncio.sleep(1)
        assert world.recorder.causes == ["connection reset"]
        assert len(world.recorder.frames) == seen
        assert world.venue.heard == []
        assert world.venue.closed == [1]

    play(scene)


def test_cut_in_the_middle_delivers_the_first_frames_only() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        world.venue.fault("mute")
        await asyncio.sleep(1)
        seen = len(world.recorder.frames)
        for number in range(10):
            connection.send(b"%d" % number)
        for _ in range(1000):
            if len(world.link.down) == 10:
                break
            await asyncio.sleep(0.0005)
        world.link.cut(keep=4)
        await asyncio.sleep(1)
        assert world.recorder.echoes == [0, 1, 2, 3]
        assert len(world.recorder.frames) == seen + 4
        assert world.recorder.causes == ["connection reset"]

    play(scene)


def test_half_open_delivers_nothing_and_tells_nobody() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect(protocol_ping_s=None)
        await asyncio.sleep(1)
        seen = len(world.recorder.frames)
        assert seen > 5
        world.link.half_open()
        assert not world.link.is_sound
        connection.send(b"1")
        await asyncio.sleep(30)
        assert world.venue.closed == []
        await asyncio.sleep(3600)
        assert len(world.recorder.frames) == seen
        assert world.venue.heard == []
        assert world.recorder.causes == []
        assert world.venue.closed == [1]
        world.network.calm()
        await asyncio.sleep(60)
        assert len(world.recorder.frames) == seen
        connection.close("found out")
        await asyncio.sleep(1)
        assert world.recorder.causes == ["found out"]

    play(scene)


def test_half_open_is_found_by_the_protocols_ping() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        await world.connect(protocol_ping_s=20.0)
        world.link.half_open()
        await asyncio.sleep(19)
        assert world.recorder.causes == []
        await asyncio.sleep(25)
        assert world.recorder.causes == ["no answer to a ping"]

    play(scene)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_stall_holds_one_way_and_loses_nothing(direction: Direction) -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        await asyncio.sleep(1)
        seen = len(world.recorder.ticks)
        world.link.stall(direction)
        for number in range(5):
            connection.send(b"%d" % number)
        await asyncio.sleep(5)
        assert world.recorder.echoes == []
        assert (len(world.venue.heard), len(world.recorder.ticks) > seen) == (
            (0, True) if direction is Direction.UP else (5, False)
        )
        world.link.resume(direction)
        await asyncio.sleep(1)
        assert world.recorder.echoes == [0, 1, 2, 3, 4]
        assert world.recorder.ticks == list(range(1, len(world.recorder.ticks) + 1))
        assert world.recorder.causes == []

    play(scene)


def test_a_spike_delays() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        connection = await world.connect()
        world.network.set_spike(2.0)
        connection.send(b"1")
        await asyncio.sleep(3.9)
        assert world.recorder.echoes == []
        await asyncio.sleep(0.5)
        assert world.recorder.echoes == [1]

    play(scene)


def test_in_flight_is_bounded() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        await world.connect()
        world.link.stall(Direction.DOWN)
        await asyncio.sleep(60)
        assert world.recorder.causes == ["too many frames in flight from the venue"]

    play(scene, profile=LinkProfile(in_flight_max=50))


def request(timeout_s: float = 10.0) -> HttpRequest:
    return HttpRequest(method="GET", url="https://toy/time", timeout_s=timeout_s)


def test_http() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        response = await world.network.request(request())
        assert response.status == 200
        assert abs(json.loads(response.body)["time"] - world.network.venue_ns()) < 10**9
        for mode, error, arrived in (
            (HttpMode.REFUSE, "refused", 0),
            (HttpMode.LOST, "no answer within 10 s", 0),
            (HttpMode.REPLY_LOST, "no answer within 10 s", 1),
        ):
            world.network.http_mode, world.venue.requests = mode, []
            with pytest.raises(VenueUnavailable, match=error):
                await world.network.request(request())
            assert len(world.venue.requests) == arrived
        for mode, arrived in ((HttpMode.HTML, 0), (HttpMode.REPLY_HTML, 1)):
            world.network.http_mode, world.venue.requests = mode, []
            response = await world.network.request(request())
            assert response.status == 502
            assert response.body.startswith(b"<html>")
            assert len(world.venue.requests) == arrived
        world.network.calm()
        world.network.set_spike(6)
        with pytest.raises(VenueUnavailable, match="no answer within 10 s"):
            await world.network.request(request())

    play(scene)


def test_the_gateways_clock_may_be_wrong_the_venues_is_not() -> None:
    async def scene(world: World, loop: SimLoop) -> None:
        clock = VirtualClock(loop, skew_ns=-3600 * 10**9)
        network = SimNetwork(loop, world.venue, SeededRandom(1), clock=clock)
        await network.connect(Endpoint(url="wss://toy/"), world.recorder)
        await asyncio.sleep(1)
        lag_ns = network.venue_ns() - world.recorder.times[-1]
        assert 3600 * 10**9 <= lag_ns < 3601 * 10**9
        assert clock.monotonic_ns() == loop.now_ns()

    play(scene)


def test_a_simulator_that_stands_still_is_named() -> None:
    class Stuck(ToyVenue):
        def next_ns(self) -> int | None:
            return 0

    async def scene(world: World, loop: SimLoop) -> None:
        network = SimNetwork(loop, Stuck(), SeededRandom(1))
        await network.connect(Endpoint(url="wss://toy/"), world.recorder)
        await asyncio.sleep(10)

    with pytest.raises(UnhandledError, match="stands still"):
        play(scene)
