"""Each fault of a stream or its server: named, kept to its class, healed. Real servers."""

from __future__ import annotations

import asyncio
import os
import subprocess

import nats
import pytest
from gw_sinks.embedded import read_embedded, sink_directory
from gw_sinks.jetstream import JetStreamSink
from gw_sinks.jetstream_causes import Tail, name_fence, name_health, name_refusal
from gw_sinks.jetstream_monitor import Monitor
from gw_sinks.jetstream_settings import JetStreamSettings

from gwcore.errors import ConfigError, NotConnected
from gwcore.runtime.journal.storage import DirectoryStorage

MD, ST, EX = "gw-sim-toy-md", "gw-sim-toy-st", "gw-sim-toy-ex"
DISK_FULL = "JetStream stream '$G > gw-sim-toy-md' write error: write /x/1.blk: no space left on device"


def settings(server, **changes) -> JetStreamSettings:
    quick = {"ack_timeout_s": 2.0, "connect_timeout_s": 2.0, "check_interval_s": 0.1, "health_interval_s": 0.1}
    return JetStreamSettings(**{"url": server.url} | quick | changes)


async def heal(sink, cursors, *, attempts_max: int = 100):
    """Connect until it works, as the core does."""
    for _ in range(attempts_max):
        try:
            return await sink.connect(cursors)
        except NotConnected:
            await asyncio.sleep(0.02)
    raise AssertionError("never connected again")


async def write_all(sink, batch) -> None:
    await sink.write(batch)
    await sink.flush()


async def fail_with(cause, sink, around, batch, *, attempts_max: int = 50) -> str:
    """Write what is missing, as the core does, until the last status has this cause; returns its detail."""
    positions = dict(around.cursors)
    for _ in range(attempts_max):
        try:
            await write_all(sink, batch[positions["md"] :])
        except NotConnected:
            if around.statuses[-1][0] == cause:
                return around.statuses[-1][1]
            positions = await heal(sink, around.cursors)
    raise AssertionError(f"never {cause}: {around.statuses}")


def test_a_full_stream_holds_up_its_own_class_only(make_server, surroundings, records) -> None:
    server, around = make_server(), surroundings
    executed = records(1, 60, partition="ex.main", account="main", kind="trade_update")

    async def main() -> None:
        whole = JetStreamSink(settings(server, ex_bytes_max=10_000), around.context())
        await whole.connect(around.cursors)
        ex, md = whole.of_class("ex"), whole.of_class("md")
        with pytest.raises(NotConnected, match="stream_limit"):
            await write_all(ex, executed)
        assert around.statuses[-1][0] == "stream_limit"
        assert around.classes[-1] == "ex"
        await md.write(records(1, 300))
        await md.flush()
        assert around.cursors["md"] == 300
        assert around.statuses[-1][0] == "stream_limit", "what md does takes nothing back"
        await whole.close()

    asyncio.run(main())


def test_windows_are_per_stream(make_server, surroundings, records) -> None:
    """A server that is stopped holds the window of one class full; another class is taken up to its own."""
    server, around = make_server(), surroundings

    async def main() -> None:
        whole = JetStreamSink(settings(server, outstanding_max=64, ack_timeout_s=30.0), around.context())
        await whole.connect(around.cursors)
        server.pause()
        await whole.of_class("md").write(records(1, 64))
        full = asyncio.create_task(whole.of_class("md").write(records(65, 66)))
        await whole.of_class("st").write(records(1, 64, partition="st", kind="gateway_status"))
        assert not full.done()
        server.resume()
        await full
        await whole.flush()
        assert around.cursors == {"md": 66, "st": 64, "ex": 0}
        await whole.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["st", "ex"])
def test_an_idle_class_learns_that_its_stream_was_deleted(make_server, surroundings, name) -> None:
    server, around = make_server(), surroundings

    async def main() -> None:
        whole = JetStreamSink(settings(server), around.context())
        await whole.connect(around.cursors)
        client = await nats.connect(server.url)
        await client.jetstream().delete_stream(f"gw-sim-toy-{name}")
        await client.close()
        detail = await asyncio.wait_for(around.wait_cause("no_stream"), 20)
        assert f"gw-sim-toy-{name} does not exist any more" in detail
        assert around.classes[-1] == name
        with pytest.raises(NotConnected, match="no_stream"):
            await whole.of_class(name).flush()
        await heal(whole.of_class(name), around.cursors)
        await whole.close()

    asyncio.run(main())


def test_a_stream_that_is_edited_out_of_use_is_named_and_heals(make_server, surroundings, records) -> None:
    server, around = make_server(), surroundings

    async def main() -> None:
        whole = JetStreamSink(settings(server), around.context())
        await whole.connect(around.cursors)
        md = whole.of_class("md")
        client = await nats.connect(server.url)
        js = client.jetstream()
        config = (await js.stream_info(MD)).config
        right = config.subjects, config.subject_transform
        config.subjects, config.subject_transform = ["elsewhere.>"], None
        await js.update_stream(config)
        detail = await asyncio.wait_for(around.wait_cause("wrong_config"), 20)
        assert "it does not take gwlog.sim.toy.md.>" in detail
        assert "it does not store what it takes as gw.sim.toy.md.>" in detail
        assert "md_stream" in detail
        config.subjects, config.subject_transform = right
        await js.update_stream(config)
        await client.close()
        await heal(md, around.cursors)
        await md.write(records(1, 5))
        await md.flush()
        assert around.statuses[-1] == ("", "")
        assert len(await server.read(MD)) == 5
        await whole.close()

    asyncio.run(main())


def test_rights_that_are_taken_away_are_named_and_heal(make_server, surroundings, records) -> None:
    def users(rights: str) -> str:
        return f"authorization {{ users: [ {{ user: a, password: b {rights} }} ] }}"

    server, around = make_server(extra=users("")), surroundings

    async def main() -> None:
        url = server.url.replace("nats://", "nats://a:b@")
        whole = JetStreamSink(settings(server, url=url), around.context())
        await whole.connect(around.cursors)
        md = whole.of_class("md")
        await md.write(records(1, 5))
        await md.flush()
        await asyncio.to_thread(server.reload, users(', permissions: { publish: { deny: ["gwlog.sim.toy.md.>"] } }'))
        await fail_with("no_rights", md, around, records(1, 10))  # the reload may cut the connection first
        await asyncio.to_thread(server.reload, users(""))
        positions = await heal(md, around.cursors)
        await md.write(records(positions["md"] + 1, 10))
        await md.flush()
        assert around.statuses[-1] == ("", "")
        assert len(await server.read(MD, user="a", password="b")) == 10
        await whole.close()

    asyncio.run(main())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, 48 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_by_the_servers_health(make_server, surroundings, records, small_disk) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(47 * 1024 * 1024))
    server, around = make_server(store=small_disk / "store"), surroundings
    batch = records(1, 4000)

    async def main() -> None:
        whole = JetStreamSink(settings(server, monitor_url=server.monitor_url), around.context())
        md = whole.of_class("md")
        await md.connect(around.cursors)
        assert "no space left on device" in await fail_with("disk_full", md, around, batch)
        # Before its health is asked, the server only seems to have lost a message. Right after the first failed write its
        # health may say that the stream can't be recovered, and only then why.
        assert {cause for cause, _ in around.statuses[:-1]} <= {"not_stored", "store_error"}, around.statuses
        stored = around.cursors["md"]
        assert 0 < stored < 4000
        filler.unlink()
        await asyncio.to_thread(server.stop)  # it does not write again before
        await asyncio.to_thread(server.start)
        positions = await heal(md, around.cursors)
        assert positions["md"] >= stored, "what was acknowledged is stored"
        await md.write(batch[positions["md"] :])
        await md.flush()
        await whole.close()
        assert around.statuses[-1] == ("", "")
        found = await server.read(MD)
        assert [message.data for message in found] == [record.payload for record in batch]

    asyncio.run(main())


def test_a_server_of_our_own_is_started_again_when_its_disk_has_room(
    surround, records, small_disk, read_stream
) -> None:
    state_dir = small_disk / "state"
    around = surround(DirectoryStorage(sink_directory(state_dir)), state_dir)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(47 * 1024 * 1024))
    batch = records(1, 4000)
    small = 2 * 1024 * 1024

    async def main() -> None:
        chosen = JetStreamSettings(
            **{"ack_timeout_s": 2.0, "health_interval_s": 0.1, "embedded_store_bytes_max": 2**40},
            **{"md_bytes_max": 2**30, "st_bytes_max": small, "ex_bytes_max": small},
        )
        whole = JetStreamSink(chosen, around.context())
        md = whole.of_class("md")
        await md.connect(around.cursors)
        await fail_with("disk_full", md, around, batch)
        filler.unlink()
        positions = await heal(md, around.cursors)
        await write_all(md, batch[positions["md"] :])
        assert around.statuses[-1] == ("", "")
        server = read_embedded(state_dir)
        client = await nats.connect(server.url, user=server.user, password=server.password.reveal())
        assert [message.data for message in await read_stream(client, MD)] == [record.payload for record in batch]
        await client.close()
        await whole.close()

    asyncio.run(main())


def test_an_account_at_its_limit_is_named(make_server, surroundings, records) -> None:
    accounts = "accounts { A { jetstream: { max_file: 30000 }, users: [ { user: a, password: b } ] } }"
    server, around = make_server(extra=accounts), surroundings

    async def main() -> None:
        url = server.url.replace("nats://", "nats://a:b@")
        changes = {"md_bytes_max": 2**40, "st_bytes_max": 2**40, "ex_bytes_max": 2**40}
        md = JetStreamSink(settings(server, url=url, **changes), around.context()).of_class("md")
        with pytest.raises(NotConnected):
            await md.connect(around.cursors)
        assert around.statuses[-1][0] in ("storage_limit", "account_limit", "server_resources")
        await md.close()

    asyncio.run(main())


# --- what an acknowledgement is worth ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("sync_interval", "meaning"), [("always", "fsynced"), ("1s", "flushed"), (None, "unknown")])
def test_the_servers_say_what_an_acknowledgement_means(make_server, surroundings, sync_interval, meaning) -> None:
    server, around = make_server(sync_interval=sync_interval or "always"), surroundings

    async def main() -> None:
        monitor_url = server.monitor_url if sync_interval else ""
        whole = JetStreamSink(settings(server, monitor_url=monitor_url), around.context())
        await whole.connect(around.cursors)
        await whole.close()
        assert set(around.meanings) == {meaning}

    asyncio.run(main())


def test_a_stream_in_memory_promises_nothing(make_server, surroundings, make_config) -> None:
    server, around = make_server(sync_interval="always"), surroundings

    async def main() -> None:
        client = await nats.connect(server.url)
        await client.jetstream().add_stream(make_config("md", storage="memory"))
        await client.close()
        whole = JetStreamSink(settings(server, monitor_url=server.monitor_url), around.context())
        await whole.connect(around.cursors)
        await whole.close()
        assert around.meanings[-1] == "unknown", "of all classes together, the weakest"

    asyncio.run(main())


def test_require_fsync_publishes_nothing_where_the_server_does_not(make_server, surroundings, records) -> None:
    server, around = make_server(), surroundings

    async def main() -> None:
        chosen = settings(server, monitor_url=server.monitor_url, require_fsync=True)
        whole = JetStreamSink(chosen, around.context())
        with pytest.raises(NotConnected, match=r"not_fsynced: .*sync_interval: always"):
            await whole.connect(around.cursors)
        assert around.statuses[-1][0] == "not_fsynced"
        with pytest.raises(NotConnected):
            await whole.write(records(1, 1))
        await asyncio.to_thread(server.stop)
        server.sync_interval = "always"
        server.write_config()
        await asyncio.to_thread(server.start)
        for name in ("md", "st", "ex"):
            await heal(whole.of_class(name), around.cursors)
        assert around.statuses[-1] == ("", "")
        await whole.close()

    asyncio.run(main())


def test_require_fsync_without_monitor_url_is_one_sentence(make_server, surroundings) -> None:
    server = make_server()
    with pytest.raises(ConfigError, match="require_fsync needs monitor_url"):
        JetStreamSink(settings(server, require_fsync=True), surroundings.context())


@pytest.mark.parametrize("require_fsync", [False, True])
def test_a_server_of_our_own_is_known(surroundings, require_fsync) -> None:
    async def main() -> None:
        whole = JetStreamSink(JetStreamSettings(require_fsync=require_fsync), surroundings.context())
        await whole.connect(surroundings.cursors)
        await whole.close()
        assert set(surroundings.meanings) == {"fsynced" if require_fsync else "flushed"}

    asyncio.run(main())


# --- words ------------------------------------------------------------------------------------------------------------


def test_health_is_named_as_far_as_it_bears_upon_a_stream() -> None:
    assert name_health(DISK_FULL, MD).cause == "disk_full"
    assert name_health(DISK_FULL, ST).cause == "disk_full", "the disk is shared"
    assert name_health("JetStream stream '$G > other' is not current", MD) is None
    assert name_health("JetStream has not established contact with a meta leader", MD).cause == "no_leader"
    assert name_health(f"JetStream stream '$G > {MD}' could not be recovered", MD).cause == "store_error"
    assert name_health("the roof is on fire", MD).cause == "unhealthy"


def test_refusals_have_one_word() -> None:
    known = (10077, 10071, 10002, 10047, 10059)
    assert [name_refusal(code) for code in known] == [
        "stream_limit",
        "fenced",
        "account_limit",
        "storage_limit",
        "no_stream",
    ]
    tail = Tail(11, 7, last_id="01BEFORE:7")
    assert name_fence("wrong last sequence: 12", tail, ()) == "fenced", "somebody else wrote"
    assert name_fence("wrong last sequence: 10", tail, ()) == "not_stored", "one of ours is missing"
    assert name_fence("wrong last msg ID: 01OTHER:3", tail, {"01OURS"}) == "fenced"
    assert name_fence("wrong last msg ID: ", tail, {"01OURS"}) == "fenced", "a message without an id is another's"
    assert name_fence("wrong last msg ID: 01OURS:9", tail, {"01OURS"}) == "not_stored"
    assert name_fence("wrong last msg ID: 01BEFORE:7", tail, {"01OURS"}) == "not_stored", "our first one"
    assert (name_refusal(0, 503), name_refusal(1, 400)) == ("no_stream", "refused")


def test_a_port_that_does_not_answer_is_no_cause_but_part_of_the_sentence() -> None:
    async def main() -> None:
        monitor = Monitor(["http://127.0.0.1:1/secret"], 1.0)
        await monitor.look()
        assert monitor.explain(MD) is None
        assert monitor.silence == "; no answer from 127.0.0.1:1 either"
        assert await monitor.read_durability() == []

    asyncio.run(main())
