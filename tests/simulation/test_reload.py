"""Symbols come and go, and the configuration is read anew, while the gateway runs, on virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from gwcore.client.book import BookState
from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.errors import ConfigError, GatewayError
from gwcore.model import MarketByPriceUpdate, ReferenceData, TradeSummary
from gwcore.runtime.control.reload import GlobArguments, Reload, waiting_settings
from gwcore.settings import GatewayConfig, UserSettings

_STAGE = Path(__file__).with_name("stage.py")
ANNA = Operator("anna", Grant(user="anna", verbs=frozenset({"admin"})))
BTC, ETH, SOL = "BTC/USD", "ETH/USD", "SOL/USD"


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


async def _inline(work: Any, *args: Any) -> Any:
    return work(*args)


def reload_of(stage: Any, config: GatewayConfig | Exception | None = None) -> Reload:
    def read() -> GatewayConfig:
        if isinstance(config, Exception):
            raise config
        assert config is not None
        return config

    return Reload(stage.gateway, read if config is not None else None, _inline)


def changed(config: GatewayConfig, table: str, **values: Any) -> GatewayConfig:
    return dataclasses.replace(config, **{table: msgspec.structs.replace(getattr(config, table), **values)})


def globs(*texts: str) -> GlobArguments:
    return GlobArguments(globs=texts)


def test_a_symbol_comes_and_goes_and_comes_again_and_the_others_do_not_notice() -> None:
    async def play(stage: Any) -> None:
        reload = reload_of(stage)
        answer = await reload.add_symbols(globs("ETH/*"), ANNA)
        assert answer.text == "added ETH/USD; 2 symbols are subscribed"
        await asyncio.sleep(10.0)
        assert stage.book(ETH).state is BookState.LIVE
        assert stage.events(ReferenceData, ETH)
        assert stage.events(TradeSummary, ETH)

        assert (await reload.remove_symbols(globs(ETH), ANNA)).text == "left ETH/USD; 1 symbols are subscribed"
        assert "ETH/USD" not in stage.gateway.state.symbols()
        await asyncio.sleep(10.0)
        assert stage.faults(ETH)[-1] == ("STALE", "UNSUBSCRIBED")
        assert stage.book(ETH).state is BookState.STALE
        count = len(stage.events(MarketByPriceUpdate, ETH))
        await asyncio.sleep(10.0)
        assert len(stage.events(MarketByPriceUpdate, ETH)) == count

        await reload.add_symbols(globs(ETH), ANNA)
        await asyncio.sleep(10.0)
        assert stage.book(ETH).state is BookState.LIVE
        assert stage.faults(BTC) == [("SNAPSHOT", "")]
        assert stage.client.session.gaps == 0

    on_stage(play, sim={"pairs": 3}, symbols=(BTC,))


def test_what_was_left_stays_left_when_the_venue_tells_its_instruments_again() -> None:
    async def play(stage: Any) -> None:
        await reload_of(stage).remove_symbols(globs(ETH), ANNA)
        stage.network.links[0].cut("so that the venue tells all again")
        await asyncio.sleep(20.0)
        assert sorted(stage.gateway.machine.instruments) == [BTC, SOL]
        assert stage.faults(ETH)[-1] == ("STALE", "UNSUBSCRIBED")

    on_stage(play, sim={"pairs": 3})


@pytest.mark.parametrize(
    ("action", "asked", "said"),
    [
        ("add", ("NO/*",), "no symbol of the venue's 3 matches 'NO/*': names look like BTC/USD"),
        ("add", (), "no glob is given: BTC/* or ETH/USD, say"),
        ("add", ("",), "no glob is given"),
        ("remove", ("SOL/*",), "nothing that is subscribed matches SOL/*: `gw symbols` lists what is"),
        ("remove", ("*",), "no symbol would be left: stop the gateway instead"),
        ("add", tuple(f"X{n}/*" for n in range(1000)), "more than 1000 globs of symbols"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(action: str, asked: tuple[str, ...], said: str) -> None:
    async def play(stage: Any) -> None:
        reload, before = reload_of(stage), stage.gateway.machine.choice.globs
        run = reload.add_symbols if action == "add" else reload.remove_symbols
        with pytest.raises(GatewayError, match=re.escape(said)):
            await run(globs(*asked), ANNA)
        assert stage.gateway.machine.choice.globs == before
        assert sorted(stage.gateway.machine.instruments) == [BTC, ETH]

    on_stage(play, sim={"pairs": 3}, exclude=("SOL/*",))


def test_an_operator_of_some_symbols_moves_no_others() -> None:
    async def play(stage: Any) -> None:
        some = Operator("bert", Grant(user="bert", symbols=("BTC/*",), verbs=frozenset({"admin"})))
        with pytest.raises(GatewayError, match=r"\* matches symbols that are not granted to bert"):
            await reload_of(stage).add_symbols(globs("*"), some)

    on_stage(play, symbols=(BTC,))


def test_a_reload_takes_symbols_users_and_limits_and_names_what_it_can_not_take() -> None:
    async def play(stage: Any) -> None:
        gateway = stage.gateway
        config = changed(gateway.config, "gateway", symbols=("BTC/*", "SOL/*"), book_depth=25)
        config = changed(config, "clients", buffer_bytes_max=1_000_000, heartbeat_s=9.0)
        config = changed(config, "healing", quarantine_after=9)
        config = dataclasses.replace(config, users={"bert": UserSettings(uids=(12345,))})
        gateway.on_reload.append(lambda after: [f"{len(after.users)} users' limits"])
        answer = await reload_of(stage, config).reload(None, ANNA)
        assert answer.text == (
            "added SOL/USD; left ETH/USD; 2 symbols are subscribed; users changed, which is news for 0 clients; "
            "clients.buffer_bytes_max is 1000000; 1 users' limits; "
            "NOT in force before a restart: gateway.book_depth, clients.heartbeat_s, healing.quarantine_after"
        )
        assert answer.result["waiting"] == ["gateway.book_depth", "clients.heartbeat_s", "healing.quarantine_after"]
        assert gateway.fanout.settings.buffer_bytes_max == 1_000_000
        assert gateway.fanout.settings.heartbeat_s == 5.0
        assert (gateway.config.gateway.book_depth, gateway.config.healing.quarantine_after) == (10, 5)
        await asyncio.sleep(10.0)
        assert stage.book(SOL).state is BookState.LIVE
        assert stage.faults(BTC) == [("SNAPSHOT", "")]
        again = await reload_of(stage, config).reload(None, ANNA)
        assert again.text.startswith("no symbol changed; 2 symbols are subscribed")
        assert again.result["waiting"] == answer.result["waiting"]

    on_stage(play, sim={"pairs": 3}, symbols=("BTC/*", "ETH/*"))


def test_a_configuration_with_a_fault_changes_nothing() -> None:
    async def play(stage: Any) -> None:
        fault = ConfigError("no setting gateway.symbol", place="k.toml line 3", hint='did you mean "symbols"?')
        with pytest.raises(ConfigError, match=r"k\.toml line 3"):
            await reload_of(stage, fault).reload(None, ANNA)
        nothing = changed(stage.gateway.config, "gateway", symbols=("NO/*",))
        users = dataclasses.replace(nothing, users={"bert": UserSettings(uids=(12345,))})
        access = stage.gateway.fanout.access
        with pytest.raises(ConfigError, match=r"no symbol of the venue matches 'NO/\*'"):
            await reload_of(stage, users).reload(None, ANNA)
        assert stage.gateway.fanout.access is access
        with pytest.raises(GatewayError, match="without a configuration that could be read again"):
            await reload_of(stage).reload(None, ANNA)
        assert sorted(stage.gateway.machine.instruments) == [BTC, ETH]

    on_stage(play)


def test_before_the_venue_told_its_instruments_nothing_can_be_chosen() -> None:
    async def play(stage: Any) -> None:
        stage.gateway.machine.choice.offered.clear()
        for ask in (
            reload_of(stage).add_symbols(globs(BTC), ANNA),
            reload_of(stage, stage.gateway.config).reload(None, ANNA),
        ):
            with pytest.raises(GatewayError, match="the venue has not told its instruments yet: ask again when it has"):
                await ask

    on_stage(play)


def test_every_other_setting_waits_for_a_restart() -> None:
    async def play(stage: Any) -> None:
        config = stage.gateway.config
        assert waiting_settings(config, config) == []
        settings = msgspec.structs.replace(config.venue.settings, rest_url="http://127.0.0.1:1/")
        other = dataclasses.replace(config, venue=dataclasses.replace(config.venue, settings=settings))
        assert waiting_settings(config, other) == ["venue.kraken"]
        assert waiting_settings(config, changed(config, "journal", segment_bytes=1)) == ["journal.segment_bytes"]
        assert waiting_settings(config, changed(config, "gateway", sinks=("file",))) == ["gateway.sinks"]

    on_stage(play)
