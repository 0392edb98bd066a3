"""The examples that trade, as their user runs them, on a simulated Kraken that misbehaves."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gwcore.testing.processes import ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]
_spec = importlib.util.spec_from_file_location("order_shell", Path(__file__).with_name("order_shell.py"))
assert _spec is not None
assert _spec.loader is not None
order_shell: Any = sys.modules.setdefault("order_shell", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(order_shell)
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Any]:
    shell = order_shell.Shell(tmp_path)
    with ending(shell.sim, shell.gateway):
        yield shell


def command(shell: Any, name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), str(shell.gateway.socket_path), "account1", "BTC/USD", *arguments]


def truth(shell: Any) -> Any:
    return order_shell.play.truth(shell.sim, "account1")


def test_an_order_is_placed_waited_for_and_cancelled(shell: Any) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            command(shell, "place_order.py", *arguments), capture_output=True, text=True, timeout=90, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def run_in_time(*arguments: str) -> tuple[int, str]:
        # On a machine under load an order may come to the venue behind its deadline, and is refused then.
        code, out = 1, "DEADLINE"
        while code == 1 and "deadline" in out.lower():
            code, out = run(*arguments)
        return code, out

    code, out = run_in_time("buy", "0.001", "200000")
    assert (code, "FILLED" in out, "traded 0.00100000" in out) == (0, True, True), out
    code, out = run_in_time("buy", "0.001", "20000", "0.2")
    assert (code, "CANCELED" in out) == (0, True), out
    code, out = run("buy", "0.001", "1.23456")
    assert (code, "TICK_SIZE" in out) == (1, True), out


def test_a_market_maker_survives_and_keeps_within_its_limit(shell: Any, tmp_path: Path) -> None:
    fills_before = len(truth(shell)["fills"])
    with (tmp_path / "maker.txt").open("w") as told:
        maker = subprocess.Popen(command(shell, "market_maker.py", "25"), stdout=told, stderr=told)
        try:
            shell.gateway.wait_for("quotes", lambda: len(shell.open_orders()) == 2)
            shell.sim.fault("lose_replies", count=2)
            shell.sim.fault("wrong_checksum", symbol="BTC/USD", count=1)
            shell.sim.fault("double_replies", count=2)
            shell.sim.fault("close")
            shell.gateway.kill()
            shell.gateway = order_shell.play.start(shell.folder, shell.sim, shell.config)
            with ending(shell.gateway):
                shell.gateway.wait_ready()
                shell.gateway.wait_for("quotes again", lambda: len(shell.open_orders()) == 2)
                assert maker.wait(timeout=150) == 0
                assert shell.open_orders() == []
        finally:
            maker.kill()
            maker.wait(timeout=10)
    out = (tmp_path / "maker.txt").read_text()
    [inventory] = re.findall(r"^inventory (\S+)", out, re.MULTILINE)
    held, fills = Decimal(0), truth(shell)["fills"][fills_before:]
    for fill in fills:
        held += Decimal(fill["quantity"]) if fill["side"] == "buy" else -Decimal(fill["quantity"])
        assert abs(held) <= Decimal("0.003")
    assert fills, "it never traded"
    assert Decimal(inventory) == held, out
