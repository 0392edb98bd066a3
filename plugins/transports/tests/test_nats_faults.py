"""The NATS transport and a server that dies, sleeps, is slow or is not there: nothing lost in silence, and memory bounded."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from gwcore import wire
from gwcore.model import Gap
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_snapshot, trade

MB = 1024 * 1024
#: A client that comes back by itself, as long as it takes.
AGAIN: dict[str, Any] = {"allow_reconnect": True, "max_reconnect_attempts": -1, "reconnect_time_wait": 0.02}


def sequences(messages: list[Any]) -> list[int]:
    """Of each event its number, first sightings only: what an interrupted connection had taken may come again."""
    found = [wire.decode_envelope(message.data).header.sequence for message in messages]
    return list(dict.fromkeys(number for number in found if number is not None))


async def hear_up_to(peer: Any, last: int) -> list[Any]:
    heard: list[Any] = []
    while not heard or wire.decode_envelope(heard[-1].data).header.sequence != last:
        heard += await peer.events(1)
    return heard


def fat(count: int) -> list[Any]:
    levels = [f"{100 + number}.5x1.25" for number in range(300)]
    return [book_snapshot(bids=levels[::-1], asks=[f"9{level}" for level in levels], depth=300) for _ in range(count)]


def test_a_server_that_is_not_there_yet_is_waited_for(make_nats: Any, play_nats: Any) -> None:
    server = make_nats()
    server.kill()

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        [record] = stage.port.publish(trade())
        assert (await peer.events(1))[0].data == record.payload

    starting = threading.Timer(0.3, server.start)
    starting.start()
    play_nats(scene, server=server)
    starting.join()


def test_a_cut_connection_costs_nothing(play_nats: Any) -> None:
    """What the broken connection had swallowed comes again, with the numbers it had, in order; then what was missed."""

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        bus = stage.transport.bus
        await peer.request(wire.Hello())
        assert isinstance(await peer.message(), wire.Welcome)
        for round_number in range(3):
            published = stage.port.publish(*[trade(trade_id=str(number)) for number in range(10)])
            assert sequences(await peer.events(10)) == [record.sequence for record in published]
            last = published[-1].sequence
            await stage.until(lambda wanted=last: bus._confirmed.get("md.0") == ("S1", wanted))
            stage.relay.is_swallowing = True
            lost = stage.port.publish(*[trade(trade_id=str(number)) for number in range(20)])
            await stage.until(lambda wanted=last + 20: bus._sent["md.0"] == ("S1", wanted))
            await stage.until(lambda: stage.transport.unsent_bytes == 0 and stage.relay.swallowed > 5_000)
            stage.relay.cut()
            await stage.until(lambda n=round_number: stage.transport.disconnects == n + 1)
            missed = stage.port.publish(*[trade(trade_id=str(number)) for number in range(5)])
            await stage.until(lambda n=round_number: stage.transport.connects == n + 2)
            heard = await hear_up_to(peer, missed[-1].sequence)
            assert [message.data for message in heard] == [record.payload for record in [*lost, *missed]]
            stage.relay.swallowed = 0
        assert bus.gaps == 0
        # The client is still the one that said hello.
        await peer.request(wire.Ping(request_id=4))
        assert await peer.message() == wire.Heartbeat(request_id=4)
        assert [info.identity for info in stage.port.opened].count("user:alice") == 1

    play_nats(scene, relayed=True)


def test_a_killed_server_is_come_back_to(make_nats: Any, play_nats: Any) -> None:
    server = make_nats()

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>", **AGAIN)
        stage.port.publish(trade())
        await peer.events(1)
        await asyncio.to_thread(server.kill)
        stage.port.publish(*[trade(trade_id=f"away {number}") for number in range(5)])
        await stage.until(lambda: stage.transport.disconnects >= 1)
        await asyncio.to_thread(server.start)
        await stage.until(lambda: stage.transport.connects >= 2 and bool(stage.port.sessions))
        # It was away as well. What it missed it asks for, and joins it to what it hears.
        await peer.is_back()
        await peer.request(wire.Subscribe(request_id=1, resume={"md.0": ("S1", 1)}))
        heard, end = await peer.state()
        assert sequences(heard) == [2, 3, 4, 5, 6]
        assert end.sessions == {"md.0": ("S1", 6)}
        stage.port.publish(trade(trade_id="last"))
        assert sequences(await hear_up_to(peer, 7))[-1] == 7
        assert stage.statuses[:2] == ["", "disconnected"]
        assert stage.statuses[-1] == ""

    play_nats(scene, server=server)


def test_after_a_long_absence_market_data_is_a_gap_and_the_state(make_nats: Any, play_nats: Any) -> None:
    server = make_nats()

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>", "st.>", **AGAIN)
        stage.port.publish(book_snapshot())
        await peer.events(1)
        await stage.until(lambda: stage.transport.bus._confirmed.get("md.0") == ("S1", 1))
        await asyncio.to_thread(server.kill)
        await stage.until(lambda: stage.transport.disconnects >= 1)
        stage.port.publish(*[trade(trade_id=str(number)) for number in range(5)])
        stage.port.publish(Gap(cause="status"), partition="st")
        await asyncio.to_thread(server.start)
        await stage.until(lambda: stage.transport.connects >= 2 and bool(stage.port.sessions))
        requests = stage.port.sessions[0].requests
        assert requests[1].resume == {"md.0": ("S1", 6)}  # market data from now on; status from its start
        assert isinstance(requests[2], wire.SnapshotRequest)
        assert stage.transport.bus.gaps == 1
        await peer.is_back()
        [last] = stage.port.publish(trade(trade_id="last"))
        heard = [wire.decode_envelope(message.data) for message in await hear_up_to(peer, last.sequence)]
        assert heard[-1].header.sequence == 7
        # Who was back before the gateway saw the notice itself.
        for envelope in heard:
            if isinstance(envelope.event, Gap) and envelope.event.first_sequence is not None:
                assert (envelope.event.partition, envelope.event.first_sequence) == ("md.0", 2)
                assert (envelope.event.last_sequence, envelope.event.dropped) == (6, 5)

    play_nats(scene, server=server, replay_s=0.0)


def test_a_server_that_sleeps_is_given_up(make_nats: Any, play_nats: Any) -> None:
    """Half open: the connection stands and nobody answers. With the default of 5 s the limit is 12.75 s."""
    server = make_nats()

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>", **AGAIN)
        server.pause()
        await stage.until(lambda: stage.transport.disconnects >= 1)
        assert not stage.port.sessions
        stage.port.publish(trade())
        server.resume()
        await stage.until(lambda: stage.transport.connects >= 2 and bool(stage.port.sessions))
        await peer.is_back()
        stage.port.publish(trade(trade_id="2"))
        assert sequences(await hear_up_to(peer, 2)) == [1, 2]

    play_nats(scene, server=server, ping_interval_s=0.1, connect_timeout_s=1.0)


def test_a_server_that_does_not_read_is_a_gap_and_memory_is_bounded(make_nats: Any, play_nats: Any) -> None:
    server = make_nats()
    port = SmallPort(pending_max=50)

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>", pending_size=64 * MB)
        stage.port.publish(*fat(1))
        await peer.events(1)
        bus = stage.port.sessions[0]
        server.pause()
        while not bus.dropped:
            stage.port.publish(*fat(5))
            await asyncio.sleep(0)
            assert stage.transport.unsent_bytes < 2 * MB + 5 * 32_768 * 2
        for _ in range(200):
            stage.port.publish(*fat(5))
        assert stage.transport.unsent_bytes < 2 * MB + 5 * 32_768 * 2
        first_dropped, last_dropped = bus._lost["md.0"]
        server.resume()
        await stage.until(lambda: not bus.is_paused)
        [last] = stage.port.publish(trade(trade_id="last"))
        heard = [wire.decode_envelope(message.data) for message in await hear_up_to(peer, last.sequence)]
        numbers = [envelope.header.sequence for envelope in heard if envelope.header.sequence is not None]
        [gap] = [envelope.event for envelope in heard if isinstance(envelope.event, Gap)]
        assert (gap.first_sequence, gap.last_sequence) == (first_dropped, last_dropped)
        assert numbers == [*range(2, first_dropped), *range(last_dropped + 1, last.sequence + 1)]
        assert stage.transport.disconnects == 0
        assert bus.pauses >= 1

    play_nats(scene, server=server, port=port, unsent_bytes_max=2 * MB, ping_interval_s=50.0)


def test_answers_hold_back_before_events_do(make_nats: Any, play_nats: Any) -> None:
    server = make_nats()

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>", pending_size=64 * MB)
        stage.port.publish(*fat(1))
        await peer.events(1)
        server.pause()
        while not stage.transport._outlet.is_busy:
            stage.port.publish(*fat(5))
            await asyncio.sleep(0)
        bus = stage.port.sessions[0]
        assert not bus.is_paused
        clients = stage.transport.clients
        clients.take(f"{stage.prefix}.cmd.alice.ping", peer.inbox, wire.encode(wire.Ping(request_id=5)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert clients.requests == 0
        server.resume()
        assert await peer.message() == wire.Heartbeat(request_id=5)
        assert bus.pauses == 0

    play_nats(scene, server=server, unsent_bytes_max=16 * MB, ping_interval_s=50.0)


def test_an_answer_that_breaks_off_is_told(make_nats: Any, play_nats: Any) -> None:
    server = make_nats()

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", **AGAIN)
        await peer.request(wire.Hello(name="long"))
        assert isinstance(await peer.message(), wire.Welcome)
        client = next(iter(stage.transport.clients._named.values()))
        client._active = {7: True}  # as while a replay is under way
        await asyncio.to_thread(server.kill)
        await stage.until(lambda: stage.transport.disconnects >= 1)
        assert not stage.port.sessions
        # The subscriber has to be back first, or nobody hears it: the gateway is held up by a name of its own.
        await asyncio.to_thread(server.start)
        await stage.until(lambda: stage.transport.connects >= 2 and len(stage.port.sessions) == 2)
        assert stage.port.opened[-2].name == "long" or stage.port.opened[-1].name == "long"
        await peer.is_back()
        await peer.request(wire.Subscribe(request_id=8))
        while not isinstance(message := await peer.message(), wire.Subscribed):
            assert (message.request_id, message.code) == (7, "interrupted")

    play_nats(scene, server=server)
