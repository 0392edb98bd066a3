"""What clients may try: forged replies, other users' subjects, requests that are none, floods. Others do not suffer."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore import wire
from gwcore.nats_connection import flush_client
from gwcore.testing.events import book_snapshot, trade

PING = wire.encode(wire.Ping(request_id=1))


async def check_healthy(stage: Any, peer: Any) -> None:
    """Another client hears events and is answered, and the gateway serves nobody but it and the bus."""
    await peer.request(wire.Ping(request_id=99))
    assert await peer.message() == wire.Heartbeat(request_id=99)
    [record] = stage.port.publish(trade())
    assert [message.data for message in await peer.events(1)] == [record.payload]
    assert len(stage.port.sessions) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "_INBOX.bob.x",
        "_INBOX.alice",
        "_INBOX.alice.",
        "_INBOX.alice.>",
        "_INBOX.alice.*",
        "_INBOX.alice..x",
        "_INBOX.alicette.x",
        "{prefix}.md.trade_summary.BTC-USD",
        "{prefix}.cmd.alice.ping",
        "_INBOX.alice." + "x" * 300,
        "_INBOX.alice.\u00e4",
    ],
)
def test_answers_go_nowhere_but_below_the_user(play_nats: Any, reply: str) -> None:
    async def scene(stage: Any) -> None:
        good = await stage.peer("bob", "md.>")
        evil = await stage.peer("alice")
        everything = await stage.peer("spy")
        await everything.client.subscribe("_INBOX.>", cb=everything.heard.put)
        await everything.client.subscribe(f"{stage.prefix}.md.>", cb=everything.heard.put)
        await flush_client(everything.client, 10.0)
        subject = f"{stage.prefix}.cmd.alice.ping"
        forged = reply.replace("{prefix}", stage.prefix)
        # nats-py itself refuses some of these; a client of their own making would not.
        await evil.client._send_publish(subject, forged, PING, len(PING), None)
        await flush_client(evil.client, 10.0)
        await stage.until(lambda: stage.transport.clients.dropped["reply"] == 1)
        assert stage.transport.clients.requests == 0
        assert everything.heard.empty()
        await check_healthy(stage, good)

    play_nats(scene)


def test_a_request_without_a_reply_subject_is_dropped(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        good = await stage.peer("bob", "md.>")
        await good.client.publish(f"{stage.prefix}.cmd.bob.ping", PING)
        await flush_client(good.client, 10.0)
        await stage.until(lambda: stage.transport.clients.dropped["reply"] == 1)
        await check_healthy(stage, good)
        counted = stage.counters()
        assert counted.dropped == 1
        assert counted.bytes > 0

    play_nats(scene)


@pytest.mark.parametrize("user", ["a_zz", "b_", "x" * 65])
def test_a_user_that_is_no_token_of_ours_is_dropped(play_nats: Any, user: str) -> None:
    async def scene(stage: Any) -> None:
        evil = await stage.peer("bob", "md.>")
        await evil.send(PING, "ping", user=user, reply=f"_INBOX.{user}.x")
        await stage.until(lambda: stage.transport.clients.dropped["user"] == 1)
        await check_healthy(stage, evil)

    play_nats(scene)


def test_a_user_whose_name_needs_the_escape(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer("a_2eb")
        await peer.request(wire.Hello())
        assert isinstance(await peer.message(), wire.Welcome)
        assert stage.port.opened[-1].identity == "user:a.b"

    play_nats(scene)


@pytest.mark.parametrize(
    ("verb", "data", "code"),
    [
        ("snapshot", b"{", "bad_request"),
        ("snapshot", b"", "bad_request"),
        ("snapshot", b"\xff\xfe" * 100, "bad_request"),
        ("snapshot", b"[" * 60_000, "bad_request"),
        ("snapshot", b'{"request":"snapshot"}', "bad_request"),
        ("surprise", b'{"request":"surprise"}', "bad_request"),
        ("ping", b'{"request":"snapshot","request_id":1}', "bad_request"),
        ("snapshot", PING, "bad_request"),
        ("status", PING, "bad_request"),
        ("ping", b" " * (wire.REQUEST_BYTES_MAX + 1), "too_big"),
        ("ping", PING + b" " * wire.REQUEST_BYTES_MAX, "too_big"),
    ],
)
def test_what_is_no_request_is_told_so(play_nats: Any, verb: str, data: bytes, code: str) -> None:
    async def scene(stage: Any) -> None:
        good = await stage.peer("bob", "md.>")
        evil = await stage.peer("alice")
        for hello in (False, True):
            if hello:
                await evil.request(wire.Hello())
                assert isinstance(await evil.message(), wire.Welcome)
            await evil.send(data, verb)
            answer = await evil.message()
            assert (type(answer), answer.code) == (wire.RequestError, code)
            assert len(answer.text) < 200
        await evil.request(wire.Ping(request_id=8))
        assert await evil.message() == wire.Heartbeat(request_id=8)
        stage.port.sessions[1].end("enough")
        await check_healthy(stage, good)

    play_nats(scene)


def test_more_tokens_than_a_verb_are_not_heard(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        good = await stage.peer("bob", "md.>")
        await good.send(PING, "ping.more")
        assert (await good.answers.get()).headers["Status"] == "503"  # the server's word: nobody listens there
        await check_healthy(stage, good)
        assert stage.transport.clients.requests == 1

    play_nats(scene)


def test_a_flood_of_one_user_leaves_the_others_their_turn(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        stage.port.publish(*[book_snapshot(f"S{number}/USD") for number in range(200)])
        good = await stage.peer("bob", "md.trade_summary.>")
        evil = await stage.peer("mallory")
        snapshot = wire.encode(wire.SnapshotRequest(request_id=1))
        for _ in range(500):
            await evil.client.publish(f"{stage.prefix}.cmd.mallory.snapshot", snapshot, reply=evil.inbox)
        await flush_client(evil.client, 10.0)
        # The flood is with the gateway. Bob asks behind it, and is served long before it is worked off.
        await good.request(wire.Ping(request_id=99))
        assert await good.message() == wire.Heartbeat(request_id=99)
        clients = stage.transport.clients
        await stage.until(lambda: not clients._waiting)
        assert clients.dropped["flood"] > 0
        assert clients.dropped["flood"] + clients.requests == 501
        await check_healthy(stage, good)

    play_nats(scene)


def test_a_request_id_is_used_for_one_answer_at_a_time(play_nats: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        await peer.request(wire.Hello())
        assert isinstance(await peer.message(), wire.Welcome)
        client = next(iter(stage.transport.clients._named.values()))
        client._active = {1: True}  # an answer that takes long
        await peer.request(wire.Subscribe(request_id=1))
        assert (await peer.message()).code == "busy"
        await peer.request(wire.Subscribe(request_id=2))
        assert isinstance(await peer.message(), wire.Subscribed)

    play_nats(scene)
