"""What is stuck is found, and what only waits is not: on virtual time, against the simulated Kraken."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gwcore.errors import VenueUnavailable
from gwcore.model import Channel, ConnectionState, GatewayStatus, StreamState
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.runtime.beat import ATTEMPT_S
from gwcore.runtime.observability.liveness import has_live_snapshot, stuck_parts
from gwcore.runtime.observability.telemetry import Telemetry
from gwcore.settings import HealingSettings

_STAGE = Path(__file__).with_name("stage.py")


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("stage", _STAGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["stage"] = module
    spec.loader.exec_module(module)
    return module


on_stage = _load().on_stage


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="gwcore")


async def watched(stage: Any, seconds: int) -> None:
    """Let time go by, and look each second, as the watchdog does."""
    for _ in range(seconds):
        await asyncio.sleep(1.0)
        assert stuck_parts(stage.gateway) == []


@pytest.mark.parametrize("standby", [False, True], ids=["alone", "standby"])
def test_nothing_that_the_venue_does_is_taken_for_a_part_that_is_stuck(standby: bool) -> None:
    async def play(stage: Any) -> None:
        assert has_live_snapshot(stage.gateway)
        await watched(stage, 60)
        stage.fault("corrupt_level", symbol="BTC/USD", count=8)  # quarantined
        await watched(stage, 240)
        stage.fault("downtime", sockets="abort", connects=503)  # longer than an attempt may take
        await watched(stage, int(ATTEMPT_S) + 300)
        assert not has_live_snapshot(stage.gateway)
        stage.fault("downtime", on=False)
        await watched(stage, 180)
        assert has_live_snapshot(stage.gateway)

    on_stage(play, healing=HealingSettings(standby=standby))


def test_a_discovery_that_waits_for_its_turn_is_not_taken_for_stuck() -> None:
    async def play(stage: Any) -> None:
        asked: list[str] = []

        async def hang(request: HttpRequest) -> HttpResponse:
            asked.append(request.url)
            await asyncio.sleep(10.0)  # the time-out of one request
            raise VenueUnavailable("no answer")

        answering, stage.network.request = stage.network.request, hang
        # Trades of hundreds of pairs are asked for after an outage, and REST of the venue hangs.
        urls = [f"https://rest/{number}" for number in range(400)]
        before = [HttpRequest(method="GET", url=url, pace=url) for url in urls]
        fills = [asyncio.ensure_future(stage.gateway.network.request(request)) for request in before]
        await asyncio.sleep(1.0)
        stage.gateway.machine.ask_details()  # a pair was listed
        await watched(stage, int(ATTEMPT_S) * 2)
        assert asked
        assert {url for url in asked if "rest/" not in url} == set()  # it waits still
        (told,) = (each for each in stage.events(GatewayStatus)[-1:] if each.component == "discovery")
        assert told.cause == "no answer in 240 s; other questions to the venue may come first"
        await asyncio.gather(*fills, return_exceptions=True)
        stage.network.request = answering
        await watched(stage, 60)
        told = next(each for each in reversed(stage.events(GatewayStatus)) if each.component == "discovery")
        assert told.connection is ConnectionState.CONNECTED

    on_stage(play, symbols=("BTC/*",))


def test_an_attempt_to_connect_that_never_ends_is_found() -> None:
    async def play(stage: Any) -> None:
        async def never(*arguments: Any) -> None:
            await asyncio.get_running_loop().create_future()

        stage.network.connect = never  # a network that neither connects nor fails
        (connection,) = stage.gateway.hub.connections
        connection.close("a test")
        await asyncio.sleep(5.0)
        assert not connection.machine.is_open
        await watched(stage, int(ATTEMPT_S) - 10)
        await asyncio.sleep(20.0)
        (sentence,) = stuck_parts(stage.gateway)
        assert sentence.startswith("connection md.0 has been stuck for ")
        telemetry = Telemetry(stage.gateway, 0)
        assert telemetry.status()["problems"][0] == sentence
        assert [sample.value for sample in telemetry.samples() if sample.name == "gw_parts_stuck"] == [1]

    on_stage(play, symbols=("BTC/*",))


def test_a_timer_that_nobody_set_is_found() -> None:
    async def play(stage: Any) -> None:
        (connection,) = stage.gateway.hub.connections
        stage.network.freeze()  # no frame comes any more, so nothing but its timer would tell the connection
        await asyncio.sleep(1.0)
        connection._wake.cancel()  # the mistake that this is about
        await asyncio.sleep(150.0)
        assert connection.machine.is_open
        (sentence,) = stuck_parts(stage.gateway)
        assert sentence.startswith("connection md.0 has been stuck for ")

    on_stage(play, symbols=("BTC/*",))


def test_only_a_book_makes_it_live_where_books_are_subscribed() -> None:
    async def play(stage: Any) -> None:
        assert has_live_snapshot(stage.gateway)
        stage.fault("starve", symbol="BTC/USD")
        stage.fault("close")
        await asyncio.sleep(5.0)
        (machine,) = stage.gateway.machine.machines
        live = {topic.channel for topic, each in machine.subscriptions.topics.items() if each.state is StreamState.LIVE}
        assert {Channel.INSTRUMENT, Channel.STATUS, Channel.TRADE} <= live
        assert not has_live_snapshot(stage.gateway)
        stage.fault("starve", symbol="BTC/USD", on=False)
        await asyncio.sleep(30.0)
        assert has_live_snapshot(stage.gateway)

    on_stage(play, symbols=("BTC/*",))
