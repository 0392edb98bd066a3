"""Two connections for a shard, in the whole gateway on virtual time: one fails, the other goes on, and no client notices."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gwcore.client.book import BookState
from gwcore.model import (
    Gap,
    GatewayStatus,
    MarketByPriceUpdate,
    Origin,
    StreamState,
    StreamStatus,
    TradeSummary,
    UpdateType,
)
from gwcore.settings import HealingSettings
from gwcore.testing.links import Direction
from gwcore.testing.oracles import TrueLevels, check_books
from gwcore.testing.simulation import simulate


def _load(name: str) -> ModuleType:
    # Test folders are no packages: what is shared is loaded by its path.
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


on_stage = _load("stage").on_stage
HEALING = HealingSettings(reconnect_first_s=0.1, reconnect_max_s=1.0, standby=True)
CUTS = 4
SIM = {"pairs": 3, "rate": 100.0}


def _leader(stage: Any) -> Any:
    return next(connection for connection in stage.gateway.hub.connections if connection.leads)


def _cut(stage: Any, *, lead: bool, cause: str = "connection reset") -> None:
    chosen = [each for each in stage.gateway.hub.connections if each.leads is lead]
    for connection in chosen:
        connection._connection.cut(cause)


def _kinds(stage: Any, symbol: str) -> list[str]:
    return [kind for kind, _ in stage.faults(symbol)]


async def _compare(stage: Any) -> None:
    stage.network.freeze()
    await asyncio.sleep(3.0)
    books = {symbol: stage.simulator.book(symbol, 10) for symbol in stage.simulator.feed.listing.pairs}
    truth = {symbol: TrueLevels(book.bids, book.asks) for symbol, book in books.items()}
    assert check_books(stage.client.session.books, truth) == []


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_leader_fails_and_nobody_notices(seed: int) -> None:
    async def play(stage: Any) -> None:
        for _ in range(CUTS):
            first = _leader(stage)
            _cut(stage, lead=True)
            await asyncio.sleep(0.5)
            assert _leader(stage) is not first
            await asyncio.sleep(4.5)
        for symbol in stage.simulator.feed.listing.pairs:
            assert _kinds(stage, symbol) == ["SNAPSHOT"]
        await _compare(stage)
        trades = [trade.trade_id for each in stage.events(TradeSummary, "BTC/USD") for trade in each.trades]
        assert trades == [str(number) for number in range(int(trades[0]), int(trades[0]) + len(trades))]
        assert stage.events(Gap) == []
        taken = [each.cause for each in stage.events(GatewayStatus) if each.component == "standby.md.0"]
        # At the start the first to be connected leads; that is no failure.
        assert taken[-CUTS:] == ["takes over: connection reset"] * CUTS

    on_stage(play, sim=SIM, healing=HEALING, seed=seed)


def test_what_differs_goes_out_as_one_increment_of_the_gateways() -> None:
    async def play(stage: Any) -> None:
        # The leader hears nothing for a while, so that the books differ by much.
        _leader(stage)._connection.stall(Direction.DOWN)
        await asyncio.sleep(5.0)
        _cut(stage, lead=True)
        await asyncio.sleep(3.0)
        for symbol in stage.simulator.feed.listing.pairs:
            updates = [each for each in stage.events(MarketByPriceUpdate, symbol) if each.origin is Origin.GATEWAY]
            assert [each.update_type for each in updates] == [UpdateType.INCREMENTAL]
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_a_standby_that_is_behind_catches_up_before_it_speaks() -> None:
    async def play(stage: Any) -> None:
        standby = next(each for each in stage.gateway.hub.connections if not each.leads)
        standby._connection.stall(Direction.DOWN)
        await asyncio.sleep(0.4)
        _cut(stage, lead=True)
        await asyncio.sleep(0.3)
        standby._connection.resume(Direction.DOWN)
        await asyncio.sleep(5.0)
        times = [each.venue_time_ns for each in stage.events(MarketByPriceUpdate, "BTC/USD") if each.venue_time_ns]
        assert times == sorted(times)
        assert _kinds(stage, "BTC/USD") == ["SNAPSHOT"]
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_a_standby_that_does_not_catch_up_is_not_believed_in_silence() -> None:
    async def play(stage: Any) -> None:
        standby = next(each for each in stage.gateway.hub.connections if not each.leads)
        standby._connection.stall(Direction.DOWN)
        await asyncio.sleep(1.5)
        _cut(stage, lead=True)
        await asyncio.sleep(3.0)
        assert ("STALE", "DISCONNECT") in stage.faults("BTC/USD")
        standby._connection.resume(Direction.DOWN)
        await asyncio.sleep(10.0)
        assert stage.book("BTC/USD").state is BookState.LIVE
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_a_standby_without_a_sign_of_life_does_not_take_over() -> None:
    async def play(stage: Any) -> None:
        standby = next(each for each in stage.gateway.hub.connections if not each.leads)
        standby._connection.half_open()
        await asyncio.sleep(5.0)
        _cut(stage, lead=True)
        await asyncio.sleep(0.05)
        assert stage.faults("BTC/USD")[-1] == ("STALE", "DISCONNECT")
        await asyncio.sleep(30.0)
        assert stage.book("BTC/USD").state is BookState.LIVE
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_the_loss_of_the_standby_is_told_and_changes_no_book() -> None:
    async def play(stage: Any) -> None:
        leader = _leader(stage)
        _cut(stage, lead=False)
        await asyncio.sleep(0.2)
        assert _leader(stage) is leader
        of_book = [each for each in stage.events(StreamStatus, "BTC/USD") if each.channel == "book"]
        assert (of_book[-1].state, of_book[-1].standby) == (StreamState.LIVE, StreamState.STALE)
        await asyncio.sleep(5.0)
        of_book = [each for each in stage.events(StreamStatus, "BTC/USD") if each.channel == "book"]
        assert (of_book[-1].state, of_book[-1].standby) == (StreamState.LIVE, StreamState.LIVE)
        assert _kinds(stage, "BTC/USD") == ["SNAPSHOT"]
        component = {each.component for each in stage.events(GatewayStatus) if each.component}
        assert {"connection.md.0", "connection.md.0.b"} <= component

    on_stage(play, sim=SIM, healing=HEALING)


def test_both_lost_is_an_outage_like_any_other() -> None:
    async def play(stage: Any) -> None:
        for link in stage.network.links:
            link.cut()
        await asyncio.sleep(20.0)
        for symbol in stage.simulator.feed.listing.pairs:
            assert ("STALE", "DISCONNECT") in stage.faults(symbol)
            assert stage.book(symbol).state is BookState.LIVE
        await _compare(stage)
        assert all(gap.state.value != "LOST" for gap in stage.events(Gap))

    on_stage(play, sim=SIM, healing=HEALING)


def _delay(stage: Any, *, lead: bool, seconds: float) -> None:
    """All that comes is so old from now on."""
    (chosen,) = (each for each in stage.gateway.hub.connections if each.leads is lead)
    chosen._connection.down.spike_ns = int(seconds * 1e9)


def test_a_leader_that_is_late_is_replaced_by_one_in_time() -> None:
    async def play(stage: Any) -> None:
        await asyncio.sleep(10.0)  # the clocks are known
        first = _leader(stage)
        _delay(stage, lead=True, seconds=8.0)
        await asyncio.sleep(17.0)
        assert _leader(stage) is not first
        taken = [each.cause for each in stage.events(GatewayStatus) if each.component == "standby.md.0"]
        assert taken[-1] == "takes over: what the other connection brings is late"
        for symbol in stage.simulator.feed.listing.pairs:
            assert _kinds(stage, symbol) == ["SNAPSHOT", "STALE", "SNAPSHOT"]
            assert ("STALE", "LAG") in stage.faults(symbol)
            assert stage.book(symbol).state is BookState.LIVE
        assert first.machine.is_open  # and goes on as the standby, until it is in time or is renewed
        assert first.machine.watch.lag.is_late
        await asyncio.sleep(60.0)
        assert not first.machine.watch.lag.is_late
        assert stage.book("BTC/USD").state is BookState.LIVE
        trades = [trade.trade_id for each in stage.events(TradeSummary, "BTC/USD") for trade in each.trades]
        assert trades == [str(number) for number in range(int(trades[0]), int(trades[0]) + len(trades))]
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_a_standby_that_is_late_is_not_taken_for_one_in_time() -> None:
    async def play(stage: Any) -> None:
        await asyncio.sleep(10.0)
        _delay(stage, lead=False, seconds=8.0)
        await asyncio.sleep(17.0)
        _cut(stage, lead=True)
        await asyncio.sleep(0.05)
        assert stage.faults("BTC/USD")[-1][0] == "STALE"
        await asyncio.sleep(20.0)
        # The one that was cut is back, and in time.
        assert stage.book("BTC/USD").state is BookState.LIVE
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_two_that_are_late_do_not_change_places() -> None:
    async def play(stage: Any) -> None:
        await asyncio.sleep(10.0)
        first = _leader(stage)
        _delay(stage, lead=True, seconds=8.0)
        _delay(stage, lead=False, seconds=8.0)
        await asyncio.sleep(20.0)
        assert all(each.machine.watch.lag.is_late for each in stage.gateway.hub.connections)
        takeovers = first._seat.pair.takeovers
        await asyncio.sleep(10.0)
        assert first._seat.pair.takeovers == takeovers
        await asyncio.sleep(60.0)
        assert stage.book("BTC/USD").state is BookState.LIVE
        await _compare(stage)

    on_stage(play, sim=SIM, healing=HEALING)


def test_symbols_that_come_and_go_are_on_both() -> None:
    async def play(stage: Any) -> None:
        stage.fault("list_pair", symbol="NEW/USD")
        await asyncio.sleep(5.0)
        _cut(stage, lead=True)
        await asyncio.sleep(5.0)
        assert _kinds(stage, "NEW/USD") == ["SNAPSHOT"]
        assert stage.book("NEW/USD").state is BookState.LIVE
        stage.fault("pair_status", symbol="NEW/USD")
        await asyncio.sleep(1.0)
        assert stage.faults("NEW/USD")[-1] == ("STALE", "VENUE_STATUS")

    on_stage(play, sim=SIM, healing=HEALING)


@pytest.mark.parametrize("seed", [1, 2])
def test_seeds_with_every_fault_end_well(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="gwcore")
    outcome = simulate(seed, _load("kraken_scenario").scenario(healing=HealingSettings(standby=True)))
    assert outcome.violations == []
