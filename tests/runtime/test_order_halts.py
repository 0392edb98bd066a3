"""Halts over restarts: durable before they are answered, and everything halted where they can't be read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.engine.orders.halts import Halt, Halts
from gwcore.errors import GatewayError
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.runtime.orders.halts import FILE, HaltArguments, Known, OrderHalts, ScopeArguments, load_halts
from gwcore.testing.storage import MemoryStorage

ANN = Operator("ann", Grant())


def made(disk: MemoryStorage, halts: Halts, cancel: Any = lambda halt: 0) -> OrderHalts:
    return OrderHalts(halts, disk, SystemClock(), cancel, lambda: Known(("ann", "bob"), ("main",), ("BTC/USD",)))


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({"account": "mian"}, "nothing was halted: there is no account 'mian'; did you mean \"main\"? known: main"),
        ({"account": ""}, "nothing was halted: there is no account ''; known: main"),
        ({"user": "eve", "account": "main"}, "nothing was halted: there is no user 'eve'; known: ann, bob"),
    ],
)
def test_a_name_that_is_not_there_is_not_halted_and_that_is_said(scope: dict[str, str], said: str) -> None:
    disk, halts = MemoryStorage(), Halts()
    with pytest.raises(GatewayError) as caught:
        asyncio.run(made(disk, halts).halt(HaltArguments(reason="r", **scope), ANN))
    assert str(caught.value) == said
    assert len(halts) == len(load_halts(disk, 0)) == 0


@pytest.mark.parametrize(("glob", "is_there"), [("BTC/*", True), ("BTCUSD", False)])
def test_a_glob_that_matches_nothing_is_in_force_and_said(glob: str, is_there: bool) -> None:
    halts = Halts()
    told = asyncio.run(made(MemoryStorage(), halts).halt(HaltArguments(reason="r", symbol=glob), ANN))
    assert ("no symbol of this gateway is like that now" in told.text) is not is_there
    assert len(halts) == 1


def test_a_halt_is_there_after_a_restart_and_gone_after_a_resume() -> None:
    disk, halts = MemoryStorage(), Halts()
    told = asyncio.run(made(disk, halts).halt(HaltArguments(reason="odd fills", symbol="BTC/*"), ANN))
    assert "symbol BTC/* is halted" in told.text
    again = load_halts(disk, 0)
    assert [(halt.symbol, halt.reason, halt.by) for halt in again] == [("BTC/*", "odd fills", "ann")]
    assert "symbol BTC/*: odd fills (by ann)" in made(disk, again).list(ScopeArguments(), ANN).text
    asyncio.run(made(disk, again).resume(ScopeArguments(symbol="BTC/*"), ANN))
    assert len(load_halts(disk, 0)) == 0


def test_open_orders_are_cancelled_where_that_was_asked() -> None:
    asked: list[Halt] = []

    def cancel(halt: Halt) -> int:
        asked.append(halt)
        return 3

    told = asyncio.run(
        made(MemoryStorage(), Halts(), cancel).halt(HaltArguments(reason="r", user="bob", cancel=True), ANN)
    )
    assert [halt.user for halt in asked] == ["bob"]
    assert told.result == {"halts": 1, "cancels": 3}


def test_a_scope_that_is_not_halted_is_told() -> None:
    halts = Halts((Halt(reason="r", user="bob"),))
    with pytest.raises(GatewayError, match="no halt is for just user eve: `gw halt --list` shows"):
        asyncio.run(made(MemoryStorage(), halts).resume(ScopeArguments(user="eve"), ANN))
    assert len(halts) == 1


@pytest.mark.parametrize("spoilt", [b"", b"[{}", b"\xff", b'[{"reason":1}]'])
def test_what_can_not_be_read_halts_everything(spoilt: bytes) -> None:
    disk = MemoryStorage()
    disk.replace(FILE, spoilt)
    (halt,) = load_halts(disk, 7)
    assert halt.stops("anybody", "any", "BTC/USD")
    assert "halts.json in the state directory can't be read" in halt.reason


def test_a_file_that_can_not_be_opened_halts_everything(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("[]")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    (halt,) = load_halts(DirectoryStorage(tmp_path), 7)
    assert halt.stops("anybody", "any", "BTC/USD")
