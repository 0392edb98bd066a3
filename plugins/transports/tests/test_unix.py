"""The Unix transport on real sockets; the core is a SmallPort."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from gw_transports.settings import UnixSettings
from gw_transports.unix import SPEC, gw_register_transports

from gwcore import wire
from gwcore.errors import ConfigError
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import trade

HELLO = wire.frame_request(wire.Hello(name="tester"))


def test_it_is_registered() -> None:
    assert list(gw_register_transports()) == [SPEC]
    assert msgspec.convert({}, SPEC.settings) == UnixSettings()


def test_events_and_identity(play: Any, tmp_path: Path) -> None:
    async def scene(stage: Any) -> None:
        assert await stage.ready == f"unix://{tmp_path}/run/gw.sock"
        peer = await stage.peer()
        [info] = stage.port.opened
        assert (info.transport, info.identity, info.name) == ("unix", f"uid:{os.getuid()}", "tester")
        assert info.attributes == {"pid": str(os.getpid()), "gid": str(os.getgid())}
        peer.send(stage.subscribe())
        assert await peer.receive() == wire.Subscribed(request_id=1)
        assert await peer.receive() == wire.SnapshotEnd(request_id=1)
        records = stage.port.publish(trade(trade_id="1"), trade(trade_id="2"))
        for record in records:
            assert wire.encode(await peer.receive()) == record.payload

    stage = play(scene)
    assert not (tmp_path / "run" / "gw.sock").exists()
    assert stage.transport.connections == 0
    assert not stage.port.sessions


def test_one_batch_is_one_write(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        peer.send(stage.subscribe())
        await stage.until(lambda: len(stage.port.sessions[0].requests) == 2)
        connection = stage.port.sessions[0]._writer
        transport = connection._transport
        writes: list[int] = []

        class Counting:
            def write(self, data: bytes) -> None:
                writes.append(len(data))
                transport.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

        connection._transport = Counting()
        records = stage.port.publish(*[trade() for _ in range(100)])
        assert writes == [sum(len(record.payload) + 5 for record in records)]

    play(scene)


def test_an_idle_client_hears_heartbeats(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        assert await peer.receive() == wire.Heartbeat(time_ns=7)

    play(scene, SmallPort(heartbeat_s=0.01))


def test_the_core_closes_with_its_reason(play: Any) -> None:
    async def scene(stage: Any) -> None:
        peer = await stage.peer()
        stage.port.sessions[0].end("because")
        assert await peer.goodbye() == "because"
        await stage.until(lambda: stage.transport.connections == 0)

    play(scene)


def test_stopping_says_goodbye_to_everybody(make_stage: Any) -> None:
    reasons: list[str] = []

    async def main() -> None:
        stage = make_stage()
        serving = asyncio.create_task(stage.transport.run(stage.port))
        await stage.ready
        peers = [await stage.peer(), await stage.peer(hello=False)]
        await stage.until(lambda: stage.transport.connections == 2)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        reasons.extend([await peer.goodbye() for peer in peers])
        for peer in peers:
            peer.close()

    asyncio.run(main())
    assert reasons == ["the gateway stops"] * 2


def test_a_taken_path_is_a_config_error(play: Any, make_stage: Any) -> None:
    async def scene(stage: Any) -> None:
        second = make_stage()
        with pytest.raises(ConfigError, match="somebody listens"):
            await second.transport.run(second.port)
        await stage.peer()

    play(scene)


@pytest.mark.parametrize(
    ("settings", "place"),
    [({"connections_max": 0}, "connections_max"), ({"unsent_bytes_max": 5, "high_water_bytes": 6}, "unsent_bytes_max")],
)
def test_settings_without_sense_are_refused(play: Any, settings: dict[str, Any], place: str) -> None:
    async def scene(stage: Any) -> None:
        raise AssertionError("it must not serve")

    with pytest.raises(ConfigError, match=place):
        play(scene, **settings)
