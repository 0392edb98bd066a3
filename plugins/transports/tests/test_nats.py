"""The NATS transport on a real server: events on their subjects, requests and their answers; the core is a SmallPort."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from gw_transports.nats import SPEC, gw_register_transports
from gw_transports.nats_settings import NatsTransportSettings

from gwcore import wire
from gwcore.errors import ConfigError
from gwcore.model import Gap, GatewayState, GatewayStatus, ReferenceData
from gwcore.runtime.clock import SystemClock
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_change, book_snapshot, trade
from gwcore.transport import TransportContext

HELLO = wire.Hello(name="tester")


def reference(symbol: str = "BTC/USD") -> ReferenceData:
    return ReferenceData(
        symbol=symbol, base="BTC", quote="USD", price_decimals=1, quantity_decimals=2, tick_size="0.1", lot_size="0.01"
    )


def test_it_is_registered() -> None:
    assert list(gw_register_transports()) == [SPEC]
    assert msgspec.convert({}, SPEC.settings) == NatsTransportSettings()


def test_events_have_subjects_headers_and_the_bytes_of_the_core(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", ">")
        assert await stage.ready == f"nats://127.0.0.1:{stage.server.port}/{stage.prefix}"
        published = stage.port.publish(trade(), book_snapshot(symbol="A-B.S"), trade(trade_id="2"))
        published += stage.port.publish(GatewayStatus(state=GatewayState.READY, component="x"), partition="st")
        published += stage.port.publish(Gap(cause="test"), partition="md.1")
        found = await peer.events(5)
        assert [message.data for message in found] == [record.payload for record in published]
        assert [message.subject.removeprefix(stage.prefix) for message in found] == [
            ".md.trade_summary.BTC-USD",
            ".md.market_by_price.A_2dB_2eS",
            ".md.trade_summary.BTC-USD",
            ".st.gateway_status",
            ".md.gap._",
        ]
        for message, record in zip(found, published, strict=True):
            assert message.headers == {"Gw-Schema": "1", "Gw-Kind": record.kind, "Gw-Event": record.event_id}
        topics = [wire.decode_envelope(message.data).header.topic_sequence for message in found]
        assert topics == [1, 1, 2, 1, 1]

    stage = play_nats(scene)
    assert stage.transport.bus.events == 5
    assert not stage.port.sessions


def test_what_has_no_number_has_no_event_id(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        stage.port.deliver([stage.port.private(Gap(cause="made up"), "md.0")])
        [message] = await peer.events(1)
        assert message.subject == f"{stage.prefix}.md.gap._"
        assert message.headers == {"Gw-Schema": "1", "Gw-Kind": "gap"}

    play_nats(scene)


def test_one_turn_is_one_write(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        outlet = stage.transport._outlet
        before = outlet.writes
        for number in range(100):
            stage.port.publish(trade(trade_id=str(number)))
        await peer.events(100)
        assert outlet.writes - before <= 2  # one of events, perhaps one PING

    play_nats(scene, linger_ms=2.0)


def test_the_bus_is_one_session_for_all_clients(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peers = [await stage.peer("alice", "md.>") for _ in range(3)]
        [info] = stage.port.opened
        assert (info.transport, info.identity, info.name) == ("nats", "bus", "bus")
        published = [record.payload for record in stage.port.publish(trade(), trade(trade_id="2"))]
        for peer in peers:
            assert [message.data for message in await peer.events(2)] == published

    play_nats(scene)


# --- requests ---------------------------------------------------------------------------------------------------------


def test_hello_and_what_follows_are_one_client(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        await peer.request(HELLO)
        assert isinstance(await peer.message(), wire.Welcome)
        info = stage.port.opened[-1]
        assert (info.transport, info.identity, info.name) == ("nats", "user:alice", "tester")
        await peer.request(wire.Ping(request_id=3))
        assert await peer.message() == wire.Heartbeat(request_id=3)
        assert len(stage.port.opened) == 2  # the bus, and this one
        await peer.request(HELLO)
        assert isinstance(await peer.message(), wire.Goodbye)
        assert isinstance(await peer.message(), wire.Welcome)
        assert len(stage.port.sessions) == 2

    stage = play_nats(scene)
    assert not stage.port.sessions


def test_without_hello_a_request_is_served_for_itself(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        stage.port.publish(reference(), book_snapshot())
        await peer.request(wire.SnapshotRequest(request_id=5))
        events, end = await peer.state()
        assert [event.headers["Gw-Kind"] for event in events] == ["reference_data", "market_by_price"]
        assert all(event.headers["Gw-Type"] == "E" and "Gw-Event" not in event.headers for event in events)
        assert end == wire.SnapshotEnd(request_id=5, sessions={"md.0": ("S1", 2)})
        await peer.request(wire.Ping(request_id=6))
        assert await peer.message() == wire.Heartbeat(request_id=6)
        await peer.send(b'{"request":"status","request_id":7}', "status")
        assert await peer.message() == wire.SnapshotEnd(request_id=7, sessions={"md.0": ("S1", 2)})
        assert stage.port.opened[-1].identity == "user:alice"
        assert len(stage.port.sessions) == 1

    play_nats(scene)


def test_a_subscription_is_answered_once_and_news_come_on_the_subjects(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        await peer.request(HELLO)
        stage.port.publish(book_snapshot())
        await peer.events(1)
        for request_id in (1, 2):
            await peer.request(wire.Subscribe(request_id=request_id, kinds=("market_by_price",)))
            events, end = await peer.state()
            assert len(events) == 1
            assert end == wire.SnapshotEnd(request_id=request_id, sessions={"md.0": ("S1", 1)})
        stage.port.publish(book_change(bids=["100.0x3.00"]))
        [news] = await peer.events(1)
        assert "Gw-Type" not in news.headers
        await peer.request(wire.Unsubscribe(request_id=3, subscription=1))
        assert await peer.message() == wire.Done(request_id=3)
        assert peer.answers.empty()
        await peer.request(wire.Unsubscribe(request_id=4, subscription=1))
        assert (await peer.message()).code == "unknown_subscription"

    play_nats(scene)


def test_a_replay_goes_to_the_reply_subject_alone(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        published = stage.port.publish(*[trade(trade_id=str(number)) for number in range(20)])
        await peer.events(20)
        await peer.request(wire.Subscribe(request_id=1, resume={"md.0": ("S1", 12)}))
        events, end = await peer.state()
        assert [event.data for event in events] == [record.payload for record in published[12:]]
        assert events[0].headers["Gw-Event"] == "S1:13"
        assert end == wire.SnapshotEnd(request_id=1, sessions={"md.0": ("S1", 20)})
        assert peer.heard.empty()

    play_nats(scene)


def test_a_late_subscriber_joins_without_a_gap(play_nats: Any) -> None:
    """The three steps of docs/nats.md, while events are published before, between and behind them."""

    async def scene(stage: Any) -> None:
        symbols = ("BTC/USD", "ETH/USD", "SOL/USD")
        stage.port.publish(*[book_snapshot(symbol) for symbol in symbols])

        def move(count: int) -> None:
            for _ in range(count):
                stage.port.publish(*[book_change(symbol, bids=["100.0x1.50"]) for symbol in symbols])

        move(10)
        for round_number in range(5):
            peer = await stage.peer("alice", "md.>")
            move(3)
            await peer.request(wire.SnapshotRequest(request_id=1))
            move(3)
            events, end = await peer.state()
            assert len(events) == 3
            session_id, stands = end.sessions["md.0"]
            move(2)
            total = stage.port.stand()["md.0"][1]
            followed: list[int] = []
            while not followed or followed[-1] < total:
                header = wire.decode_envelope((await peer.heard.get()).data).header
                assert header.session_id == session_id
                if header.sequence > stands:
                    followed.append(header.sequence)
            assert followed == list(range(stands + 1, total + 1)), round_number

    play_nats(scene)


def test_orders_are_refused_by_the_core(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        order = b'{"request":"cancel_all_orders","client_id":"c","account":"a","request_id":"r"}'
        await peer.send(order, "cancel_all_orders")
        assert (await peer.message()).code in ("unsupported", "bad_request")

    play_nats(scene)


# --- limits and the end -----------------------------------------------------------------------------------------------


def test_clients_over_a_limit_are_told_so(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peers = [await stage.peer("alice"), await stage.peer("alice"), await stage.peer("bob"), await stage.peer("bob")]
        told = []
        for peer in peers:
            await peer.request(HELLO)
            told.append(await peer.message())
        assert isinstance(told[0], wire.Welcome)
        assert told[1] == wire.Goodbye(
            reason="1 clients of user alice are connected, which is the limit: end one first"
        )
        assert isinstance(told[2], wire.Welcome)
        assert told[3] == wire.Goodbye(reason="2 clients are connected, which is the limit: try again later")
        await peers[3].request(wire.Ping(request_id=1))
        assert await peers[3].message() == wire.Heartbeat(request_id=1)

    stage = play_nats(scene, clients_max=2, clients_per_user_max=1)
    assert stage.transport.clients.refused == 2


def test_a_silent_client_is_gone_and_told_so(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        await peer.request(HELLO)
        assert isinstance(await peer.message(), wire.Welcome)
        assert await peer.message() == wire.Goodbye(reason="nothing heard for 0.05 s: send a ping every 0.0166667 s")
        assert len(stage.port.sessions) == 1
        assert len(stage.transport.clients) == 0

    play_nats(scene, client_timeout_s=0.05)


def test_the_core_closes_with_its_reason(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        await peer.request(HELLO)
        assert isinstance(await peer.message(), wire.Welcome)
        stage.port.sessions[1].end("because")
        assert await peer.message() == wire.Goodbye(reason="because")

    play_nats(scene)


def test_a_bus_that_the_core_ends_is_opened_again(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        stage.port.publish(trade(), reference())
        await peer.events(2)
        stage.port.sessions[0].end("too slow")
        missed = stage.port.publish(trade(trade_id="2"), trade(trade_id="3"))
        await stage.until(lambda: len(stage.port.sessions) == 1)
        gap, state = [wire.decode_envelope(message.data) for message in await peer.events(2)]
        assert (gap.event.first_sequence, gap.event.last_sequence) == (missed[0].sequence, missed[1].sequence)
        assert gap.event.partition == "md.0"
        assert state.header.after_sequence == missed[1].sequence
        [record] = stage.port.publish(trade(trade_id="4"))
        assert [message.data for message in await peer.events(1)] == [record.payload]

    play_nats(scene)


def test_stopping_says_goodbye_and_the_last_events_arrive(play_nats: Any) -> None:

    heard: list[bytes] = []

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        await peer.request(HELLO)
        assert isinstance(await peer.message(), wire.Welcome)
        [record] = stage.port.publish(trade())
        # Nothing turned the loop since: the event still lingers.
        (serving,) = [task for task in asyncio.all_tasks() if "NatsTransport.run" in repr(task)]
        serving.cancel()
        heard.append((await peer.heard.get()).data)
        assert heard == [record.payload]
        assert await peer.message() == wire.Goodbye(reason="the gateway stops")

    play_nats(scene, linger_ms=100.0)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, r"transport\.nats\.url: there is no server to connect to \(--nats-url nats://HOST:4222"),
        (
            {"url": "http://h:1"},
            r"transport\.nats\.url: http://h:1 is not the address of a NATS server \(write nats://",
        ),
        ({"url": "nats://h:1", "reply_prefix": "a.>"}, r"transport\.nats\.reply_prefix: 'a\.>' is not a prefix"),
        ({"url": "nats://h:1", "inbox_prefix": ""}, r"transport\.nats\.inbox_prefix: '' is not a prefix"),
        ({"url": "nats://h:1", "creds_file": "absent.creds"}, r"transport\.nats\.creds_file: there is no file absent"),
        ({"url": "nats://h:1", "tls_ca_file": "absent.pem"}, r"transport\.nats\.tls_ca_file: there is no file absent"),
        ({"url": "nats://h:1", "password": "env:GW_TEST_ABSENT"}, r"GW_TEST_ABSENT"),
    ],
)
def test_settings_without_sense_are_one_sentence(tmp_path: Any, settings: dict[str, Any], sentence: str) -> None:
    context = TransportContext(
        venue="toy", environment="t", source="gw", state_dir=tmp_path, clock=SystemClock(), ready=lambda _: None
    )
    with pytest.raises(ConfigError, match=sentence):
        SPEC.create(NatsTransportSettings(**settings), context)


@pytest.mark.parametrize(
    "settings", [{"linger_ms": -1}, {"linger_ms": 101}, {"unsent_bytes_max": 0}, {"clients_max": 0}, {"replay_s": -1}]
)
def test_numbers_out_of_bounds_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, NatsTransportSettings)


def test_an_event_too_big_for_the_server_is_a_gap(play_nats: Any, make_nats: Any) -> None:
    server = make_nats(extra="max_payload: 2000")

    async def scene(stage: Any) -> None:
        peer = await stage.peer("alice", "md.>")
        big = [f"{100 + number}.0x1.00" for number in range(100)]
        stage.port.publish(trade(), book_snapshot(bids=big[::-1], depth=200), trade(trade_id="2"))
        first, second, gap = [wire.decode_envelope(message.data) for message in await peer.events(3)]
        assert [first.header.sequence, second.header.sequence] == [1, 3]
        assert (gap.event.first_sequence, gap.event.last_sequence, gap.event.symbol) == (2, 2, "BTC/USD")
        await peer.request(wire.SnapshotRequest(request_id=1))
        assert (await peer.message()).code == "too_big"

    play_nats(scene, server=server, port=SmallPort())
