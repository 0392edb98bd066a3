from __future__ import annotations

import asyncio

import nats
import pytest
from gw_sinks import jetstream_streams
from gw_sinks.jetstream import SPEC, JetStreamSink
from gw_sinks.jetstream_settings import JetStreamSettings
from nats.js.api import DiscardPolicy

from gwcore.errors import NotConnected
from gwcore.testing.storage import MemoryStorage

MD, ST, EX = "gw-sim-toy-md", "gw-sim-toy-st", "gw-sim-toy-ex"


def settings(server, **changes) -> JetStreamSettings:
    return JetStreamSettings(**{"url": server.url, "ack_timeout_s": 1.0, "connect_timeout_s": 2.0} | changes)


async def run_until_done(sink: JetStreamSink, around, batch, *, attempts_max: int = 50) -> None:
    """What the core does: connect, write from the cursor, and again after NotConnected."""
    for _ in range(attempts_max):
        try:
            positions = await sink.connect(dict(around.cursors))
            for start in range(positions["md"], len(batch), 200):
                await sink.write(batch[start : start + 200])
            await sink.flush()
            return
        except NotConnected:
            await asyncio.sleep(0.02)
    raise AssertionError(f"never done: {around.statuses}")


async def write_all(sink: JetStreamSink, batch) -> None:
    await sink.write(batch)
    await sink.flush()


def check_stream(messages, batch) -> None:
    assert [message.data for message in messages] == [record.payload for record in batch]


def test_each_record_once_with_id_subject_and_headers(make_server, surroundings, records, record) -> None:
    server, around = make_server(), surroundings
    executed = records(1, 3, partition="ex.main", account="main", kind="trade_update")
    status = records(1, 5, partition="st", symbol=None, kind="gateway_status")

    async def main() -> None:
        sink = JetStreamSink(settings(server), around.context())
        assert await sink.connect(around.cursors) == {"md": 0, "st": 0, "ex": 0}
        await sink.write(records(1, 700))
        await sink.write(executed)
        await sink.write(status)
        await sink.flush()
        assert around.cursors == {"md": 700, "st": 5, "ex": 3}
        await sink.close()
        await sink.close()
        messages = await server.read(MD)
        check_stream(messages, records(1, 700))
        assert messages[41].subject == "gw.sim.toy.md.top_of_book.BTC-USD"
        headers = messages[41].headers
        assert headers["Nats-Msg-Id"] == "01SESSION:42"
        assert headers["Gw-Schema"] == "1"
        assert headers["Gw-Kind"] == "top_of_book"
        assert headers["Gw-Position"].endswith(":md:42")
        check_stream(await server.read(EX), executed)
        check_stream(await server.read(ST), status)
        assert around.statuses == []

    asyncio.run(main())


def test_streams_are_made_as_the_contract_says(make_server, surroundings) -> None:
    server = make_server()

    async def main() -> None:
        sink = JetStreamSink(settings(server), surroundings.context())
        await sink.connect(surroundings.cursors)
        await sink.close()
        client = await nats.connect(server.url)
        js = client.jetstream()
        md, ex = [(await js.stream_info(name)).config for name in (MD, EX)]
        await client.close()
        assert md.discard == DiscardPolicy.OLD
        assert md.max_age
        assert md.max_bytes > 0
        assert ex.discard == DiscardPolicy.NEW
        assert ex.deny_delete
        assert ex.deny_purge
        assert md.subjects == ["gwlog.sim.toy.md.>"]
        assert md.subject_transform.dest == "gw.sim.toy.md.>"
        assert md.duplicate_window == 120

    asyncio.run(main())


def test_kill_and_restart_of_the_server_lose_and_double_nothing(make_server, surroundings, records) -> None:
    server, around, batch = make_server(), surroundings, records(1, 6000)

    async def main() -> None:
        sink = JetStreamSink(settings(server, outstanding_max=500), around.context())
        task = asyncio.create_task(run_until_done(sink, around, batch))
        for _ in range(3):
            await asyncio.wait_for(around.wait_for("md", around.cursors["md"] + 800), 20)
            assert not task.done()
            server.kill()
            server.start()
        await task
        await sink.close()
        assert around.cursors["md"] == 6000
        check_stream(await server.read(MD), batch)
        assert ("", "") in around.statuses
        assert "disconnected" in {cause for cause, _ in around.statuses}
        assert around.statuses[-1] == ("", "")

    asyncio.run(main())


def test_an_outage_longer_than_the_duplicate_window_doubles_nothing(make_server, surroundings, records) -> None:
    """The gateway dies with its cursor behind the stream; the server has forgotten the message ids when it comes back."""
    server, around, batch = make_server(), surroundings, records(1, 300)

    async def main() -> None:
        sink = JetStreamSink(settings(server, duplicate_window_s=0.1), around.context())
        await run_until_done(sink, around, batch[:200])
        await sink.close()
        around.cursors["md"] = 50  # the cursor that kill -9 left behind
        await asyncio.sleep(0.3)  # as long as the server needs to forget; there is nothing to wait for
        again = JetStreamSink(settings(server, duplicate_window_s=0.1), around.context())
        assert (await again.connect(dict(around.cursors)))["md"] == 200
        await again.write(batch[200:])
        await again.flush()
        await again.close()
        check_stream(await server.read(MD), batch)

    asyncio.run(main())


def test_what_the_server_lost_is_sent_again(make_server, surroundings, records) -> None:
    server, around, batch = make_server(), surroundings, records(1, 300)

    async def main() -> None:
        sink = JetStreamSink(settings(server), around.context())
        await run_until_done(sink, around, batch[:100])
        around.cursors["md"] = 200  # acknowledged, and then lost with the server's disk
        around.statuses.clear()
        assert (await sink.connect({"md": 200, "st": 0, "ex": 0}))["md"] == 100
        assert around.statuses == [("stream_behind", f"{MD} ends at position 100, 200 was acknowledged: sending again")]
        around.cursors["md"] = 100
        await sink.write(batch[100:])
        await sink.flush()
        await sink.close()
        assert around.statuses[-1] == ("", "")
        check_stream(await server.read(MD), batch)

    asyncio.run(main())


def test_a_new_stream_is_filled_from_the_journal_unless_told_otherwise(make_server, surroundings) -> None:
    server = make_server()
    cursors = {"md": 70, "st": 0, "ex": 9}

    async def main() -> None:
        sink = JetStreamSink(settings(server), surroundings.context())
        assert await sink.connect(cursors) == {"md": 0, "st": 0, "ex": 0}
        await sink.close()
        sink = JetStreamSink(settings(server, refill=False), surroundings.context())
        assert await sink.connect(cursors) == cursors
        await sink.close()

    asyncio.run(main())


def test_the_tail_of_another_state_directory_is_not_ours(
    make_server, surround, surroundings, records, tmp_path
) -> None:
    server, other = make_server(), surround(MemoryStorage(), tmp_path)

    async def main() -> None:
        first = JetStreamSink(settings(server), surroundings.context())
        await run_until_done(first, surroundings, records(1, 40))
        await first.close()
        second = JetStreamSink(settings(server), other.context())
        assert (await second.connect(other.cursors))["md"] == 0
        await second.write(records(1, 10, session_id="01OTHER"))
        await second.flush()
        await second.close()
        assert len(await server.read(MD)) == 50

    asyncio.run(main())


def test_a_second_writer_is_fenced_and_named(make_server, surroundings, surround, records, tmp_path) -> None:
    server, other = make_server(), surround(MemoryStorage(), tmp_path)

    async def main() -> None:
        mine = JetStreamSink(settings(server), surroundings.context())
        theirs = JetStreamSink(settings(server), other.context())
        await mine.connect(surroundings.cursors)
        await theirs.connect(other.cursors)
        await theirs.write(records(1, 5, session_id="01OTHER"))
        await theirs.flush()
        with pytest.raises(NotConnected, match="fenced"):
            await write_all(mine, records(1, 5))
        assert surroundings.statuses[-1][0] == "fenced"
        await run_until_done(mine, surroundings, records(1, 5))
        await mine.close()
        await theirs.close()
        ids = [message.headers["Nats-Msg-Id"] for message in await server.read(MD)]
        assert ids == [f"01OTHER:{n}" for n in range(1, 6)] + [f"01SESSION:{n}" for n in range(1, 6)]

    asyncio.run(main())


def test_one_message_of_another_writer_lets_none_of_ours_slip_through(make_server, surroundings, records) -> None:
    """The one that was refused for it may not be missing below those that were on their way behind it."""
    server, batch = make_server(), records(1, 40)

    async def main() -> None:
        sink = JetStreamSink(settings(server), surroundings.context())
        await sink.connect(surroundings.cursors)
        await write_all(sink, batch[:10])
        client = await nats.connect(server.url)
        await client.jetstream().publish("gwlog.sim.toy.md.strange", b"{}")
        await client.close()
        with pytest.raises(NotConnected, match="fenced"):
            await write_all(sink, batch[10:])
        await run_until_done(sink, surroundings, batch)
        await sink.close()
        check_stream([message for message in await server.read(MD) if message.data != b"{}"], batch)

    asyncio.run(main())


def test_what_may_be_stored_already_is_probed_one_by_one(make_server, surroundings, records, monkeypatch) -> None:
    """Our last message lies too far below another writer's to be found: message ids decide, and the chain begins anew."""
    monkeypatch.setattr(jetstream_streams, "LOOK_BACK", 5)
    server, batch = make_server(), records(1, 60)

    async def main() -> None:
        sink = JetStreamSink(settings(server), surroundings.context())
        await run_until_done(sink, surroundings, batch[:30])
        client = await nats.connect(server.url)
        for _ in range(10):
            await client.jetstream().publish("gwlog.sim.toy.md.strange", b"{}")
        await client.close()
        await sink.close()
        surroundings.cursors["md"] = 20
        sink = JetStreamSink(settings(server), surroundings.context())  # it remembers nothing
        assert (await sink.connect(surroundings.cursors))["md"] == 20
        await write_all(sink, batch[20:])
        await sink.close()
        check_stream([message for message in await server.read(MD) if message.data != b"{}"], batch)

    asyncio.run(main())


def test_our_tail_is_found_below_another_writers(make_server, surroundings, surround, records, tmp_path) -> None:
    """Message ids are forgotten, the cursor is behind, and somebody else wrote last: nothing is doubled all the same."""
    server, other = make_server(), surround(MemoryStorage(), tmp_path)

    async def main() -> None:
        chosen = settings(server, duplicate_window_s=0.1)
        mine, theirs = JetStreamSink(chosen, surroundings.context()), JetStreamSink(chosen, other.context())
        await run_until_done(mine, surroundings, records(1, 700))
        await theirs.connect(other.cursors)
        await write_all(theirs, records(1, 300, session_id="01OTHER"))
        assert (await mine.connect({"md": 100, "st": 0, "ex": 0}))["md"] == 700
        await write_all(mine, records(701, 800))
        await mine.close()
        await theirs.close()
        assert len(await server.read(MD)) == 1100

    asyncio.run(main())


def test_no_server_is_not_connected_and_heals(make_server, surroundings, records) -> None:
    server = make_server()
    server.kill()

    async def main() -> None:
        sink = JetStreamSink(settings(server), surroundings.context())
        with pytest.raises(NotConnected, match="no_server"):
            await sink.connect(surroundings.cursors)
        with pytest.raises(NotConnected):
            await sink.write(records(1, 1))
        with pytest.raises(NotConnected):
            await sink.flush()
        assert [cause for cause, _ in surroundings.statuses] == ["no_server"]
        server.start()
        await run_until_done(sink, surroundings, records(1, 10))
        assert surroundings.statuses[-1] == ("", "")
        await sink.close()
        assert surroundings.cursors["md"] == 10

    asyncio.run(main())


def test_a_silent_server_is_given_up_and_gets_each_record_once(make_server, surroundings, records) -> None:
    server, around, batch = make_server(), surroundings, records(1, 400)

    async def main() -> None:
        sink = JetStreamSink(settings(server, ack_timeout_s=0.3), around.context())
        await sink.connect(around.cursors)
        await sink.write(batch[:100])
        await sink.flush()
        server.pause()
        with pytest.raises(NotConnected, match="ack_timeout"):
            await write_all(sink, batch[100:300])
        assert around.statuses[-1][0] == "ack_timeout"
        server.resume()
        await run_until_done(sink, around, batch)
        await sink.close()
        check_stream(await server.read(MD), batch)

    asyncio.run(main())


def test_a_deleted_stream_is_named_made_again_and_filled(make_server, surroundings, records) -> None:
    server, around = make_server(), surroundings

    async def main() -> None:
        sink = JetStreamSink(settings(server), around.context())
        await run_until_done(sink, around, records(1, 20))
        client = await nats.connect(server.url)
        await client.jetstream().delete_stream(MD)
        await client.close()
        with pytest.raises(NotConnected, match="no_stream"):
            await write_all(sink, records(21, 30))
        assert around.statuses[-1][0] == "no_stream"
        positions = await sink.connect(around.cursors)
        assert positions["md"] == 0
        around.cursors["md"] = 0
        await sink.write(records(1, 30))
        await sink.flush()
        await sink.close()
        check_stream(await server.read(MD), records(1, 30))

    asyncio.run(main())


def test_executions_wait_at_the_limit_and_none_is_dropped(make_server, surroundings, records) -> None:
    server, around = make_server(), surroundings
    executed = records(1, 60, partition="ex.main", account="main", kind="trade_update")

    async def main() -> None:
        sink = JetStreamSink(settings(server, ex_bytes_max=10_000), around.context())
        await sink.connect(around.cursors)
        with pytest.raises(NotConnected, match="stream_limit"):
            await write_all(sink, executed)
        assert around.statuses[-1][0] == "stream_limit"
        stored = around.cursors["ex"]
        assert 0 < stored < 60
        client = await nats.connect(server.url)
        js = client.jetstream()
        config = (await js.stream_info(EX)).config
        config.max_bytes = 1_000_000
        await js.update_stream(config)
        await client.close()
        positions = await sink.connect(around.cursors)
        assert positions["ex"] == stored
        await sink.write(executed[stored:])
        await sink.flush()
        await sink.close()
        assert around.statuses[-1] == ("", "")
        check_stream(await server.read(EX), executed)

    asyncio.run(main())


def test_a_stream_that_forgets_executions_is_refused_until_it_is_edited(
    make_server, surroundings, records, make_config
) -> None:
    server = make_server()

    async def main() -> None:
        client = await nats.connect(server.url)
        js = client.jetstream()
        wrong = make_config("ex", max_bytes=100_000, discard=DiscardPolicy.OLD)
        await js.add_stream(wrong)
        sink = JetStreamSink(settings(server), surroundings.context())
        with pytest.raises(NotConnected, match=r"wrong_config: .*discard must be new.*ex_stream"):
            await sink.connect(surroundings.cursors)
        await js.delete_stream(EX)
        await sink.connect(surroundings.cursors)
        assert surroundings.statuses[-1] == ("", "")
        await sink.close()
        await client.close()

    asyncio.run(main())


def test_the_plugin_registers_it() -> None:
    from gw_sinks import jetstream

    assert jetstream.gw_register_sinks() == [SPEC]
    assert isinstance(SPEC.settings(), JetStreamSettings)
