"""A client behaves the same over a Unix socket and over NATS: cases of `test_aio.py` on real sockets, by either way in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gwcore.client import BookState, Client, NotConnected, RequestRefused, connect, connect_sync
from gwcore.model import Event, Gap
from gwcore.testing.events import book_change, book_snapshot, reference, top, trade


def play(gateway: Any, scene: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with await connect(gateway.address, name="me", **options) as client:
            await scene(client)

    asyncio.run(main())


async def take(client: Client, count: int) -> list[Event]:
    found: list[Event] = []
    async for envelope in client:
        found.append(envelope.event)
        if len(found) == count:
            break
    return found


async def expect(client: Client, payloads: list[bytes]) -> None:
    """Exactly these events come next, and nobody finds a hole."""
    read = [await client.next() for _ in payloads]
    assert [one.payload for one in read if one is not None] == payloads
    assert client.gaps == 0


def test_subscribe_and_read(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        assert client.welcome is not None
        assert client.welcome.source == "toy"
        await client.subscribe("BTC/*")
        payloads = any_gateway.publish(book_change(bids=["100.1x1.00"]), trade(), trade("ETH/USD"), trade(trade_id="2"))
        assert await take(client, 3) == [book_snapshot(), book_change(bids=["100.1x1.00"]), trade()]
        assert client.token == {"md.0": ("S1", 3)}
        delivery = await client.next()
        assert delivery is not None
        assert delivery.payload == payloads[3]  # byte for byte
        assert str(client.books["BTC/USD"].mid) == "100.3"
        assert client.gaps == 0
        await client.close()
        with pytest.raises(NotConnected):
            await client.subscribe()
        assert [envelope async for envelope in client] == []

    any_gateway.publish(book_snapshot())
    play(any_gateway, scene)


def test_blocking_calls(any_gateway: Any) -> None:
    any_gateway.publish(book_snapshot())
    with connect_sync(any_gateway.address, name="me") as client:
        client.subscribe(["BTC/*"])
        any_gateway.publish(book_change(bids=["100.1x1.00"]), trade())
        envelopes = iter(client)
        assert [next(envelopes).event for _ in range(3)][1:] == [book_change(bids=["100.1x1.00"]), trade()]
        assert client.token == {"md.0": ("S1", 3)}
        assert str(client.call(lambda inner: inner.books["BTC/USD"].mid)) == "100.3"
        assert [envelope.event.symbol for envelope in client.snapshot()] == ["BTC/USD"]  # type: ignore[union-attr]
        with pytest.raises(RequestRefused):
            client.unsubscribe(99)
        assert client.batch(timeout_s=0.01) == []
    with pytest.raises(RuntimeError, match="closed"):
        client.batch()


def test_the_token_counts_what_was_handed_out_only(any_gateway: Any) -> None:
    token: Any = None

    async def first(client: Client) -> None:
        nonlocal token
        await client.subscribe()
        any_gateway.publish(trade(trade_id="1"), trade(trade_id="2"), trade(trade_id="3"))
        await take(client, 2)
        token = client.token
        assert token == {"md.0": ("S1", 2)}

    async def second(client: Client) -> None:
        await client.subscribe(resume=token)
        any_gateway.publish(trade(trade_id="4"))
        assert await take(client, 2) == [trade(trade_id="3"), trade(trade_id="4")]

    play(any_gateway, first)
    play(any_gateway, second)


def test_from_start_is_every_event_once(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe(from_start=True)
        payloads.extend(any_gateway.publish(*[trade(trade_id=str(n)) for n in range(300)]))
        await expect(client, payloads)

    payloads = any_gateway.publish(book_snapshot(), *[trade(trade_id=str(n)) for n in range(300)])
    play(any_gateway, scene)


def test_a_refusal_is_raised_with_code_and_text(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        with pytest.raises(RequestRefused) as caught:
            await client.subscribe(["NONE/SUCH"])
        assert (caught.value.code, caught.value.text) == ("unknown_symbol", "refused: unknown_symbol")
        with pytest.raises(RequestRefused):
            await client.unsubscribe(77)
        await client.unsubscribe(await client.subscribe())
        any_gateway.publish(trade())
        await client.snapshot()
        assert await client.batch(timeout_s=0.01) == []

    play(any_gateway, scene)


def test_a_snapshot_is_returned_and_not_in_the_stream(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        [envelope] = await client.snapshot("ETH/USD", "market_by_price")
        assert envelope.event == book_snapshot("ETH/USD")
        several = await asyncio.gather(*[client.snapshot(symbol) for symbol in ("BTC/USD", "ETH/USD") * 3])
        assert [[one.event.symbol for one in found] for found in several] == [["BTC/USD"], ["ETH/USD"]] * 3  # type: ignore[union-attr]
        assert client.waiting == 0

    any_gateway.publish(book_snapshot(), book_snapshot("ETH/USD"))
    play(any_gateway, scene)


def test_several_subscriptions_overlap(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe(["BTC/USD"], ["trade_summary"])
        await client.subscribe(["*"], ["trade_summary", "market_by_price"])
        third = await client.subscribe(["ETH/USD", "BTC/USD"])
        news = [trade(), trade("ETH/USD"), book_snapshot(), book_change(bids=["100.1x1.00"]), top(), trade("SOL/USD")]
        any_gateway.publish(*news)
        assert await take(client, 6) == news
        await client.unsubscribe(third)
        any_gateway.publish(top(bid="99.0"), trade("SOL/USD", trade_id="2"), reference())
        assert await take(client, 1) == [trade("SOL/USD", trade_id="2")]
        any_gateway.publish(trade(trade_id="9"))
        assert await take(client, 1) == [trade(trade_id="9")]
        assert client.gaps == 0

    play(any_gateway, scene)


def test_a_goodbye_is_told_after_what_came_before_it(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe()
        any_gateway.publish(trade())
        while not client.waiting:
            await client.snapshot()
        any_gateway.end_clients("too slow")
        assert await take(client, 1) == [trade()]
        with pytest.raises(NotConnected, match="the gateway closed: too slow"):
            await take(client, 1)
        assert client.goodbye == "too slow"
        with pytest.raises(NotConnected):
            await client.subscribe()

    play(any_gateway, scene)


def test_the_end_of_the_gateway_is_raised(any_gateway: Any) -> None:
    client = connect_sync(any_gateway.address)
    any_gateway.stop()
    with pytest.raises(NotConnected, match="the gateway stops"):
        list(client)
    client.close()


def test_it_comes_back_where_it_was(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe()
        sent = any_gateway.publish(book_snapshot(), trade("ETH/USD"))
        for number in range(20):
            sent += any_gateway.publish(book_change(bids=[f"99.{number % 10}x1.00"]), trade(trade_id=str(number)))
            if number % 5 == 3:
                any_gateway.end_clients("cut")
        await expect(client, sent)
        assert client.reconnects >= 1
        await client.snapshot()
        assert client.books["BTC/USD"].state is BookState.LIVE

    play(any_gateway, scene, reconnect_s=30.0)


def test_several_subscriptions_come_back_together(core_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe(["BTC/*"], ["market_by_price"])
        await client.subscribe(["ETH/*", "BTC/*"], ["trade_summary", "market_by_price"])
        sent = core_gateway.publish(book_snapshot(), trade("ETH/USD"))
        await expect(client, sent)
        for cut in range(3):
            core_gateway.end_clients("cut")
            sent = []
            for number in range(200):
                core_gateway.publish(trade("SOL/USD"))
                sent += core_gateway.publish(
                    book_change(bids=[f"99.{number % 10}x1.00"]), trade("ETH/USD", trade_id=f"{cut}{number}")
                )
            await expect(client, sent)
        assert client.reconnects == 3
        await client.snapshot()
        assert client.books["BTC/USD"].state is BookState.LIVE

    play(core_gateway, scene, reconnect_s=30.0)


def test_a_gateway_that_starts_anew_is_a_gap_with_bounds(core_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe()
        assert await take(client, 1) == [top(bid="98.0")]
        await expect(client, core_gateway.publish(top(), trade()))
        core_gateway.restart()
        core_gateway.publish(top(bid="99.0"))
        gap, state = await take(client, 2)
        assert isinstance(gap, Gap)
        assert (gap.partition, gap.session_id, gap.first_sequence) == ("md.0", "S1", 4)
        assert state == top(bid="99.0")
        await expect(client, core_gateway.publish(trade(trade_id="2")))
        assert client.token == {"md.0": ("S100", 2)}

    core_gateway.publish(top(bid="98.0"))
    play(core_gateway, scene, reconnect_s=30.0)


def test_books_alone_need_no_reader(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe()
        any_gateway.publish(book_snapshot(), *[book_change(bids=[f"99.{n % 10}x1.0{n % 9}"]) for n in range(100)])
        any_gateway.publish(book_change(asks=["100.2x7.00"]))
        while str(client.books["BTC/USD"].peek().mid) != "100.1":
            await client.snapshot(kinds=["top_of_book"])
        assert client.books["BTC/USD"].state is BookState.LIVE
        assert client.waiting == 0

    play(any_gateway, scene, queue_events_max=5, keep_events=False)


def test_nothing_is_lost_while_the_reader_rests(any_gateway: Any) -> None:
    async def scene(client: Client) -> None:
        await client.subscribe()
        sent = any_gateway.publish(*[trade(trade_id=str(number)) for number in range(500)])
        await expect(client, sent)

    play(any_gateway, scene, queue_events_max=10)
