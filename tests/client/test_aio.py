"""Client: the asyncio side, on a wire in memory and virtual time; real sockets are in the transport's own tests and e2e."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from gwcore.client import BookState, Client, NotConnected, RequestRefused, Session
from gwcore.client.aio import BACKOFF_MAX_S
from gwcore.errors import ProtocolError
from gwcore.model import Envelope, Event, Gap, Record
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_change, book_snapshot, trade
from gwcore.testing.loop import SimLoop, run
from gwcore.testing.memory_transport import MemoryTransport
from gwcore.wire import Hello, Ping


class Stage:
    def __init__(self, loop: SimLoop, port: SmallPort) -> None:
        self.loop = loop
        self.port = port
        self.transport = MemoryTransport()
        self.transport.serve(port)

    async def client(self, **options: Any) -> Client:
        session = Session(name="me", monotonic_ns=self.loop.now_ns)
        client = Client(self.transport.dial, session, chance=lambda: 0.5, **options)
        await client.open()
        return client


def play(scene: Callable[[Stage], Awaitable[None]], *, port: SmallPort | None = None, seed: int = 0) -> None:
    async def main(loop: SimLoop) -> None:
        await scene(Stage(loop, port or SmallPort()))

    run(main, seed=seed)


async def take(client: Client, count: int) -> list[Event]:
    found: list[Event] = []
    async for envelope in client:
        found.append(envelope.event)
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("seed", range(5))
def test_subscribe_and_read(seed: int) -> None:
    async def scene(stage: Stage) -> None:
        stage.port.publish(book_snapshot())
        async with await stage.client() as client:
            assert client.welcome is not None
            await client.subscribe("BTC/*")
            stage.port.publish(book_change(bids=["100.1x1.00"]), trade())
            assert await take(client, 3) == [book_snapshot(), book_change(bids=["100.1x1.00"]), trade()]
            assert str(client.books["BTC/USD"].mid) == "100.3"
            assert client.token == {"md.0": ("S1", 3)}
        with pytest.raises(NotConnected):
            await client.subscribe()
        assert [envelope async for envelope in client] == []
        assert not stage.port.sessions

    play(scene, seed=seed)


def test_the_token_counts_what_was_handed_out_only() -> None:
    async def scene(stage: Stage) -> None:
        async with await stage.client() as client:
            await client.subscribe()
            stage.port.publish(trade(trade_id="1"), trade(trade_id="2"), trade(trade_id="3"))
            await take(client, 2)
            assert client.token == {"md.0": ("S1", 2)}
            token = client.token
        async with await stage.client() as client:
            await client.subscribe(resume=token)
            assert await take(client, 1) == [trade(trade_id="3")]

    play(scene)


def test_a_refusal_is_raised_with_code_and_text() -> None:
    async def scene(stage: Stage) -> None:
        async with await stage.client() as client:
            with pytest.raises(RequestRefused) as caught:
                await client.subscribe(["NONE/SUCH"])
            assert (caught.value.code, caught.value.text) == ("unknown_symbol", "refused: unknown_symbol")
            with pytest.raises(RequestRefused):
                await client.unsubscribe(77)
            await client.unsubscribe(await client.subscribe())

    play(scene)


def test_a_snapshot_is_returned_and_not_in_the_stream() -> None:
    async def scene(stage: Stage) -> None:
        stage.port.publish(book_snapshot(), book_snapshot("ETH/USD"))
        async with await stage.client() as client:
            [envelope] = await client.snapshot("ETH/USD", "market_by_price")
            assert envelope.event == book_snapshot("ETH/USD")
            assert client.waiting == 0

    play(scene)


def test_batch_waits_for_the_first_and_not_for_more() -> None:
    async def scene(stage: Stage) -> None:
        async with await stage.client() as client:
            await client.subscribe()
            assert await client.batch(timeout_s=1.0) == []
            stage.port.publish(*[trade(trade_id=str(n)) for n in range(5)])
            assert len(await client.batch(3)) == 3
            assert len(await client.batch(3)) == 2

    play(scene)


def test_what_is_not_read_stays_at_the_gateway() -> None:
    async def scene(stage: Stage) -> None:
        async with await stage.client(queue_events_max=10) as client:
            await client.subscribe()
            stage.port.publish(book_snapshot())
            await asyncio.sleep(1)
            book = client.books["BTC/USD"]
            link = stage.transport.links[0]
            largest = 0
            for number in range(500):
                stage.port.publish(*[trade(trade_id=str(number)) for _ in range(10)])
                await asyncio.sleep(0.01)
                largest = max(largest, client.waiting)
            assert largest <= 10 + 1 + 10  # the limit, and what one read brought
            assert stage.port.sessions[0].is_paused
            assert (book.state.value, book.reason[:7]) == ("STALE", "BACKLOG")
            while not isinstance((await take(client, 1))[0], Gap):
                pass
            await client.batch(timeout_s=0.5)
            await asyncio.sleep(1)
            assert book.state.value == "LIVE"
            assert not stage.port.sessions[0].is_paused
            assert client.gaps == 0
            assert link.waiting_bytes == 0

    play(scene, port=SmallPort(pending_max=20))


def test_books_alone_need_no_reader() -> None:
    async def scene(stage: Stage) -> None:
        async with await stage.client(queue_events_max=5, keep_events=False) as client:
            await client.subscribe()
            stage.port.publish(book_snapshot())
            for number in range(100):
                stage.port.publish(book_change(bids=[f"99.{number % 10}x1.0{number % 9}"]))
            await asyncio.sleep(60)
            assert client.books["BTC/USD"].state is BookState.LIVE
            assert client.waiting == 0

    play(scene)


def test_a_loss_ends_the_iteration_after_what_came_before_it() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client()
        await client.subscribe()
        stage.port.publish(trade())
        await asyncio.sleep(1)
        stage.transport.links[0].cut()
        await asyncio.sleep(1)
        assert client.welcome is None
        assert await take(client, 1) == [trade()]
        with pytest.raises(NotConnected, match="the gateway closed the connection"):
            await take(client, 1)
        with pytest.raises(NotConnected):
            await client.subscribe()
        await client.close()

    play(scene)


def test_a_goodbye_is_told() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client()
        stage.port.sessions[0].end("too slow")
        with pytest.raises(NotConnected, match="the gateway closed: too slow"):
            await take(client, 1)
        assert client.goodbye == "too slow"
        await client.close()

    play(scene)


def test_garbage_of_the_gateway_ends_it() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(reconnect_s=60.0)
        stage.transport.links[0]._write(b"\xff\xff\xff\xff")
        with pytest.raises(ProtocolError, match="a frame of 4294967295 bytes"):
            await take(client, 1)
        await client.close()

    play(scene)


def test_a_request_under_way_fails_with_the_connection() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client()
        stage.transport.links[0].stall()
        asking = asyncio.create_task(client.subscribe())
        await asyncio.sleep(1)
        stage.transport.links[0].cut()
        with pytest.raises(NotConnected):
            await asking
        await client.close()

    play(scene)


def test_a_gateway_that_does_not_answer_is_not_waited_for() -> None:
    async def scene(stage: Stage) -> None:
        link_maker = stage.transport._link

        def stalled() -> Any:
            link = link_maker()
            link.stall()
            return link

        stage.transport._link = stalled  # type: ignore[method-assign]
        with pytest.raises(NotConnected, match="did not answer within 10 s"):
            await stage.client()

    play(scene)


def test_nobody_there() -> None:
    async def scene(stage: Stage) -> None:
        stage.transport._port = None
        with pytest.raises(NotConnected, match="cannot connect: Connection refused; is the gateway running"):
            await stage.client()

    play(scene)


def test_beats_are_sent_and_a_silent_gateway_is_left() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client()
        await asyncio.sleep(61)
        small = stage.port.sessions[0]
        assert sum(isinstance(request, Ping) for request in small.requests) == 12
        assert client.welcome is not None
        stage.transport.links[0].stall()
        with pytest.raises(NotConnected, match="silent for 15 s"):
            await take(client, 1)
        await client.close()

    play(scene)


@pytest.mark.parametrize("seed", range(10))
def test_it_comes_back_where_it_was(seed: int) -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(reconnect_s=60.0)
        await client.subscribe()
        read: list[Envelope] = []
        sent: list[Record] = []

        async def reader() -> None:
            async for envelope in client:
                read.append(envelope)  # noqa: PERF401 - as users write it

        reading = asyncio.create_task(reader())
        sent += stage.port.publish(book_snapshot())
        for number in range(50):
            sent += stage.port.publish(trade(trade_id=str(number)), book_change(bids=[f"99.{number % 10}x1.00"]))
            await asyncio.sleep(0.3)
            if number % 10 == 5:
                stage.transport.links[-1].cut()
        await asyncio.sleep(10)
        assert [envelope.header.sequence for envelope in read] == [record.sequence for record in sent]
        assert client.reconnects == 5
        assert client.gaps == 0
        assert client.books["BTC/USD"].state is BookState.LIVE
        await client.close()
        await reading

    play(scene, seed=seed)


def test_coming_back_has_its_limit_and_its_pace() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(reconnect_s=60.0)
        tries: list[float] = []

        async def refuse(protocol: object) -> None:
            tries.append(stage.loop.time())
            raise ConnectionRefusedError(111, "Connection refused")

        client._dial = refuse
        stage.transport.links[0].cut()
        with pytest.raises(NotConnected, match="Connection refused"):
            await take(client, 1)
        assert 60 <= stage.loop.time() <= 60 + BACKOFF_MAX_S
        assert len(tries) < 40
        steps = [after - before for before, after in pairwise(tries)]
        assert max(steps) <= BACKOFF_MAX_S
        await client.close()

    play(scene)


def test_closing_ends_the_tries() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(reconnect_s=60.0)
        stage.transport._port = None
        stage.transport.links[0].cut()
        await asyncio.sleep(1)
        await client.close()
        assert [envelope async for envelope in client] == []

    play(scene)


def test_a_gateway_that_welcomes_and_cuts_is_tried_again() -> None:
    async def scene(stage: Stage) -> None:
        client = await stage.client(reconnect_s=60.0)
        cuts = 3
        original = stage.port.open

        def opening(*arguments: Any) -> Any:
            nonlocal cuts
            session = original(*arguments)
            if cuts:
                cuts -= 1
                submit = session.submit

                def submit_and_end(request: Any) -> None:
                    submit(request)
                    if isinstance(request, Hello):
                        session.end("not yet")

                session.submit = submit_and_end  # type: ignore[method-assign]
            return session

        stage.port.open = opening  # type: ignore[method-assign, assignment]
        stage.transport.links[0].cut()
        await asyncio.sleep(20)
        assert cuts == 0
        assert client.welcome is not None
        await client.subscribe()
        await client.close()

    play(scene)


def test_cancelling_a_wait_leaves_the_client_usable() -> None:
    async def scene(stage: Stage) -> None:
        async with await stage.client() as client:
            await client.subscribe()
            waiting = asyncio.create_task(take(client, 1))
            await asyncio.sleep(1)
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
            stage.port.publish(trade())
            assert await take(client, 1) == [trade()]

    play(scene)
