"""Accounts against the simulated Kraken on virtual time: exact after every outage, restart and kill; bad keys end quietly.

The venue's own lists are the judge: fills, orders and funds to the last digit (faults F16 to F19).
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from gwcore.model import Discrepancy, GatewayStatus, Origin, TradeUpdate
from gwcore.settings import UserSettings
from gwcore.wire import decode_envelope

_spec = importlib.util.spec_from_file_location("account_play", Path(__file__).with_name("account_play.py"))
assert _spec is not None
assert _spec.loader is not None
account_play = sys.modules.setdefault("account_play", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(account_play)
Play = account_play.AccountPlay
perform, violations = account_play.perform, account_play.violations


async def settled(play: Any, seconds: float = 260.0) -> None:
    """Until the comparisons that follow a download are over."""
    await play.ready()
    await asyncio.sleep(seconds)


def test_two_accounts_are_told_as_the_venue_has_them() -> None:
    async def act(play: Any) -> None:
        await play.ready()
        for _ in range(10):
            await asyncio.sleep(7.0)
            for name in play.names:
                play.do("fills", count=2, account=name)
        await settled(play)
        play.fault("freeze")  # holds are told some seconds behind what changes them
        await asyncio.sleep(30.0)
        assert violations(play) == []
        assert play.events(Discrepancy) == []
        assert {update.origin for update in play.events(TradeUpdate)} == {Origin.VENUE}
        await play.stop()

    perform(act, sim={"account_rate": 0.2})


@pytest.mark.parametrize("lag_ms", [0, 50_000])
@pytest.mark.parametrize("count", [51, 500])
def test_fills_while_disconnected_come_once_and_in_order(count: int, lag_ms: int) -> None:
    async def act(play: Any) -> None:
        await play.ready()
        play.fault("rest_lag", ms=lag_ms)
        play.fault("refuse", count=1_000, status=503)
        play.fault("end_session")
        await asyncio.sleep(1.0)
        for number in range(5):
            play.do(
                "fills", count=count // 5 + (count % 5 if not number else 0), account="account1", maker=number % 2 == 0
            )
            await asyncio.sleep(1.0)
        play.fault("restore")
        play.fault("rest_lag", ms=lag_ms)
        for _ in range(10):
            play.do("fills", count=3, account="account1", maker=True)
            await asyncio.sleep(2.0)
        await settled(play)
        assert violations(play) == []
        assert len(play.events(TradeUpdate, "account1")) == count + 30
        assert play.events(Discrepancy) == []
        await play.stop()

    perform(act)


def test_old_fills_that_are_replayed_are_not_told_again() -> None:
    async def act(play: Any) -> None:
        await play.ready()
        play.do("fills", count=80, account="account1")
        await asyncio.sleep(5.0)
        for kind in ("snapshot", "update"):
            play.fault("replay_fills", account="account1", count=50, kind=kind)
            await asyncio.sleep(2.0)
        play.fault("duplicate_executions", count=5)
        play.do("fills", count=5, account="account1")
        await settled(play)
        assert violations(play) == []
        assert play.gateway.accounts.connections[0].machine.memory.duplicates >= 100
        await play.stop()

    perform(act)


@pytest.mark.parametrize("gap", [True, False])
def test_frames_that_are_lost_are_made_good(gap: bool) -> None:
    async def act(play: Any) -> None:
        await play.ready()
        play.fault("drop_executions", count=2, gap=gap)
        play.do("fills", count=3, account="account1", maker=True)
        await asyncio.sleep(3.0)
        play.do("fills", count=3, account="account1", maker=True)
        await settled(play, 400.0)
        assert violations(play) == []
        await play.stop()

    perform(act)


def test_a_kill_in_the_middle_of_fills_loses_and_doubles_nothing() -> None:
    async def act(play: Any) -> None:
        for number in range(6):
            await play.ready()
            play.do("fills", count=30, account="account1", maker=number % 2 == 0)
            await asyncio.sleep(0.02 * number)
            await play.crash()
            play.do("fills", count=60, account="account1", maker=True)
            play.start()
        await settled(play)
        assert violations(play) == []
        assert play.simulator.stats()["invalid_nonces"] == 0
        await play.stop()

    perform(act)


def test_clients_are_told_what_is_durable_and_late_ones_what_stands() -> None:
    async def act(play: Any) -> None:
        first = account_play.client_of(play)
        await play.ready()
        first.start(play.gateway.fanout)
        symbol = next(iter(play.simulator.feed.listing.pairs))
        play.do("order", symbol=symbol, side="buy", quantity="0.01", price="1000", account="account1")
        play.do("fills", count=20, account="account1")
        await asyncio.sleep(10.0)
        synced = play.storage.crash(account_play.Crash.VANISH)
        told = [payload for session in first.log.received.values() for _, payload in session]
        await play.stop()
        play.storage = synced
        durable = {record.payload for record in play.records()}
        executions = [each for each in told if decode_envelope(each).header.partition.startswith("ex.")]
        numbered = [each for each in executions if decode_envelope(each).header.sequence is not None]
        assert len([each for each in numbered if isinstance(decode_envelope(each).event, TradeUpdate)]) == 20
        assert set(numbered) <= durable

    perform(act)


def test_who_has_no_grant_sees_no_account() -> None:
    async def act(play: Any) -> None:
        client = account_play.client_of(play)
        client.start(play.gateway.fanout)
        await play.ready()
        play.do("fills", count=5, account="account1")
        await asyncio.sleep(10.0)
        told = [decode_envelope(p) for session in client.log.received.values() for _, p in session]
        assert told
        assert not [each for each in told if each.header.partition.startswith("ex.")]
        assert not [each for each in told if getattr(each.event, "account", None)]
        await play.stop()

    perform(act, users={"other": UserSettings(uids=(1,), accounts=("*",))})


def test_a_key_that_is_revoked_ends_its_account_alone() -> None:
    async def act(play: Any) -> None:
        await play.ready()
        play.fault("revoke_key", account="account1")
        await asyncio.sleep(600.0)
        first, second = play.gateway.accounts.connections
        assert first.is_halted
        assert first.connects <= 3  # no storm
        assert second.machine.state.value == "READY"
        assert all(connection.machine.is_open for connection in play.gateway.hub.connections)
        states = [event for _, event in play.gateway.state.events(lambda *_: True) if isinstance(event, GatewayStatus)]
        [account] = [event for event in states if event.component == "account.account1"]
        assert "Invalid key" in (account.cause or "")
        play.do("fills", count=3, account="account2")
        await asyncio.sleep(5.0)
        assert len(play.events(TradeUpdate, "account2")) == 3
        await play.stop()

    perform(act)


def test_a_key_that_may_withdraw_is_refused_unless_it_is_allowed() -> None:
    async def act(play: Any, allowed: bool) -> None:
        await asyncio.sleep(30.0)
        assert [each.is_halted for each in play.gateway.accounts.connections] == [not allowed] * 2
        await play.stop()

    for allowed in (False, True):

        async def main(play: Any, allowed: bool = allowed) -> None:
            play.fault("key_permissions", permissions=",".join(WITHDRAWING))
            await act(play, allowed)

        perform(main, account={"allow_withdraw_key": allowed})


WITHDRAWING = (
    "query-funds",
    "query-open-trades",
    "query-closed-trades",
    "create-ws-token",
    "withdraw-funds",
)


def test_tokens_are_made_for_each_connection_and_renewed() -> None:
    async def act(play: Any) -> None:
        await play.ready()
        play.fault("end_session", account="account1")
        await settled(play, 1_500.0)  # longer than a token lasts
        first = play.gateway.accounts.connections[0]
        assert first.connects == 2
        play.fault("refuse_token", where="rest", error="EGeneral:Internal error")
        play.fault("end_session", account="account1")
        await asyncio.sleep(20.0)
        play.fault("restore")
        await settled(play)
        assert violations(play) == []
        assert play.simulator.stats()["invalid_keys"] == 0
        await play.stop()

    perform(act)


def test_the_clock_may_go_back_an_hour_and_the_venues_may_differ() -> None:
    async def act(play: Any) -> None:
        await play.ready()
        for skew_s in (-3_600, 3_600, 0):
            play.clock.skew_ns = skew_s * 1_000_000_000
            play.fault("end_session", account="account1")
            play.do("fills", count=20, account="account1")
            await settled(play)
        await play.crash()
        play.clock.skew_ns = -7_200 * 1_000_000_000
        play.start()
        await settled(play)
        assert violations(play) == []
        assert play.simulator.stats()["invalid_nonces"] == 0
        offset = play.gateway.accounts.offset
        assert offset is not None
        assert offset.low_ns <= 7_200 * 1_000_000_000 <= offset.high_ns
        await play.stop()

    perform(act)


def test_a_start_asks_once_for_what_all_accounts_need() -> None:
    """The venue lets us ask for a list a second: with questions for each account the last one would be Ready in 13 s."""

    async def act(play: Any) -> None:
        began_s = play.loop.time()
        await play.ready()
        assert play.loop.time() - began_s < 3.0
        await play.crash()
        play.start()
        began_s = play.loop.time()
        await play.ready()
        assert play.loop.time() - began_s < 3.0
        await play.stop()

    perform(act, sim={"accounts": 5})
