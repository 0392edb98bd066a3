"""The master account's fees against the simulated Kraken: told, told again where they change, and nobody else's."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gwcore.model import DownloadEnd, FeesUpdate, UpdateType
from gwcore.runtime.accounts.fee_watch import AGAIN_S, LOOK_S

_spec = importlib.util.spec_from_file_location("account_play", Path(__file__).with_name("account_play.py"))
assert _spec is not None
assert _spec.loader is not None
account_play = sys.modules.setdefault("account_play", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(account_play)
perform, violations = account_play.perform, account_play.violations

MASTER = "account2"
FEES_S = 300.0


def told(play: Any) -> dict[str, tuple[str, str]]:
    return {each.symbol: (each.maker_fee, each.taker_fee) for each in play.events(FeesUpdate)}


async def asked(play: Any) -> None:
    await play.ready()
    await asyncio.sleep(3 * LOOK_S)


def test_the_master_accounts_fees_are_told_in_every_market_and_only_news_again() -> None:
    async def act(play: Any) -> None:
        await asked(play)
        symbols = set(play.gateway.machine.instruments)
        assert told(play) == dict.fromkeys(symbols, ("0.2500", "0.4000"))
        assert {each.account for each in play.events(FeesUpdate)} == {MASTER}
        await asyncio.sleep(3 * FEES_S)
        assert len(play.events(FeesUpdate)) == len(symbols)

        def traded() -> Decimal:
            return Decimal(play.simulator.account(MASTER)["volume_usd"])

        while traded() < 10_000:
            for side in ("buy", "sell"):
                play.do("order", account=MASTER, symbol="BTC/USD", side=side, quantity="0.05")
            await asyncio.sleep(2.0)
        await asyncio.sleep(FEES_S + 2 * LOOK_S)
        assert told(play) == dict.fromkeys(symbols, ("0.2000", "0.3500"))
        assert all(Decimal(each.volume) >= 10_000 for each in play.events(FeesUpdate)[len(symbols) :])
        assert violations(play) == []
        assert len(play.events(DownloadEnd)) == 2
        await play.stop()

    perform(act, master=MASTER, account={"fees_s": FEES_S})


def test_without_a_master_nobody_is_asked() -> None:
    async def act(play: Any) -> None:
        await asked(play)
        assert play.events(FeesUpdate) == []
        assert play.gateway.accounts.fees is None
        await play.stop()

    perform(act)


def test_a_venue_that_does_not_answer_costs_nothing_but_the_fees(caplog: pytest.LogCaptureFixture) -> None:
    async def act(play: Any) -> None:
        play.fault("http", path="TradeVolume", status=503, count=100_000)
        await play.ready()
        await asyncio.sleep(3 * AGAIN_S)
        assert play.events(FeesUpdate) == []
        assert play.gateway.accounts.fees.questions > 1
        play.fault("restore")
        await asyncio.sleep(2 * AGAIN_S)
        assert len(told(play)) == len(play.gateway.machine.instruments)
        assert [each.machine.is_open for each in play.gateway.accounts.connections] == [True, True]
        await play.stop()

    with caplog.at_level(logging.WARNING, "gwcore.account"):
        perform(act, master=MASTER)
    assert [text for text in caplog.messages if "its fees can't be read" in text] == [
        f"account {MASTER}: its fees can't be read: TradeVolume: HTTP status 503 instead of an answer"
    ]


@pytest.mark.parametrize("fault", [{"name": "http", "path": "TradeVolume", "status": 503}, {"name": "revoke_key"}])
def test_fees_that_can_not_be_asked_for_are_stale_and_then_as_they_are(fault: dict[str, Any]) -> None:
    async def act(play: Any) -> None:
        await asked(play)
        count = len(told(play))
        play.fault(**fault, **({"count": 100_000} if "path" in fault else {"account": MASTER}))
        await asyncio.sleep(3 * FEES_S)
        *_, last = play.events(FeesUpdate)
        assert (last.update_type, last.maker_fee, last.taker_fee) == (UpdateType.STALE, None, None)
        assert len(play.events(FeesUpdate)) == 2 * count
        play.fault("restore")
        await asyncio.sleep(2 * AGAIN_S)
        if "path" in fault:
            assert told(play) == dict.fromkeys(play.gateway.machine.instruments, ("0.2500", "0.4000"))
        await play.stop()

    perform(act, master=MASTER, account={"fees_s": FEES_S})


def test_an_account_that_ends_while_its_fees_are_asked_for_is_told_of() -> None:
    async def act(play: Any) -> None:
        await asked(play)
        count = len(told(play))
        [connection] = [each for each in play.gateway.accounts.connections if each.account.name == MASTER]
        connection.rest._count = 10_000.0  # the next call waits for hours
        await asyncio.sleep(FEES_S + LOOK_S)
        assert play.gateway.accounts.fees.questions == 2
        connection.halt("by hand")
        await asyncio.sleep(2 * LOOK_S)
        assert [each.update_type for each in play.events(FeesUpdate)[count:]] == [UpdateType.STALE] * count
        await play.stop()

    perform(act, master=MASTER, account={"fees_s": FEES_S})


def test_the_download_comes_first() -> None:
    async def act(play: Any) -> None:
        play.fault("http", path="OpenOrders", status=503, count=100_000)
        await asyncio.sleep(60.0)
        assert play.gateway.machine.instruments
        assert play.gateway.accounts.fees.questions == 0
        play.fault("restore")
        await asked(play)
        assert play.gateway.accounts.fees.questions == 1
        await play.stop()

    perform(act, master=MASTER)


def test_a_restart_tells_them_again() -> None:
    async def act(play: Any) -> None:
        await asked(play)
        before = len(play.events(FeesUpdate))
        await play.crash()
        play.start()
        await asked(play)
        assert len(play.events(FeesUpdate)) == 2 * before > 0
        await play.stop()

    perform(act, master=MASTER)
