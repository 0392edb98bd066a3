"""Halts over a restart, orders whose client is gone or whose gateway stops, limits of a user, trading on paper."""

from __future__ import annotations

import contextlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gwcore.testing.processes import Gw, ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
_spec = importlib.util.spec_from_file_location("order_shell", Path(__file__).with_name("order_shell.py"))
assert _spec is not None
assert _spec.loader is not None
order_shell: Any = sys.modules.setdefault("order_shell", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(order_shell)
play, Shell = order_shell.play, order_shell.Shell

BUY = ("create", "BTC/USD", "buy", "--quantity", "0.001")
FAR = (*BUY, "--price", "20000.0")


ADMIN = order_shell.VERBS + ', "admin"'


@contextlib.contextmanager
def shell_with(folder: Path, *lines: str, **options: Any) -> Iterator[Any]:
    shell = Shell(folder, *lines, **options)
    with ending(shell.sim):
        yield shell
        shell.gateway.kill()


def gw(shell: Any, *arguments: str) -> tuple[int, str]:
    where = ("--unix-path", str(shell.gateway.socket_path))
    done = subprocess.run([play.GW, *arguments, *where], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_halt_outlives_the_gateway_and_lets_cancels_through(tmp_path: Path) -> None:
    with shell_with(tmp_path, verbs=ADMIN) as shell:
        assert shell.run(*FAR, "--order-id", "stands")[0] == 0
        code, told = gw(shell, "halt", "odd fills", "--symbol", "BTC/*")
        assert (code, "symbol BTC/* is halted" in told) == (0, True)
        code, out, _ = shell.run(*FAR)
        assert (code, out) == (
            1,
            "refused: HALTED: symbol BTC/* is halted (odd fills): cancels pass; ask the operator\n",
        )
        shell.gateway.kill()
        shell.gateway = play.start(shell.folder, shell.sim, shell.config)
        shell.gateway.wait_ready()
        assert "symbol BTC/*: odd fills" in gw(shell, "halt", "--list")[1]
        shell.gateway.wait_for("cancels to pass", lambda: shell.run("cancel", "stands")[0] == 0)
        assert shell.run(*FAR)[1].startswith("refused: HALTED")
        assert shell.open_orders() == []
        assert gw(shell, "resume")[0] == 0
        assert shell.run(*FAR)[0] == 0
        code, told = gw(shell, "halt", "the end", "--cancel")
        assert "everything is halted" in told
        shell.gateway.wait_for("all to be cancelled", lambda: shell.open_orders() == [])


@pytest.mark.parametrize(("policy", "left"), [("none", 2), ("own_orders", 1), ("account", 0)])
def test_orders_of_a_client_that_is_killed_end_as_its_user_is_set(tmp_path: Path, policy: str, left: int) -> None:
    """Row F35. The order that was placed elsewhere goes with `account` alone."""
    with shell_with(tmp_path, f'on_disconnect = "{policy}"', "disconnect_grace_s = 0.5") as shell:
        where = ("--account", "account1", "--unix-path", str(shell.gateway.socket_path))
        client = subprocess.Popen(
            [play.GW, "order", BUY[0], *where, *FAR[1:], "--order-id", "mine", "--wait"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # The other one comes while the client is there: what ran before has left nothing to be carried out.
            shell.gateway.wait_for("the order to stand", lambda: len(shell.open_orders()) == 1)
            play.do(
                shell.sim, "order", account="account1", symbol="BTC/USD", side="buy", quantity="0.001", price="15000"
            )
            shell.gateway.wait_for("both to be known", lambda: len(play.truth(shell.sim, "account1")["orders"]) >= 2)
        finally:
            client.kill()
            client.wait(20)
        if policy == "none":
            # Whoever comes and goes changes nothing: the last session is gone again and again.
            assert shell.run("cancel", "nope")[0] == 1
        shell.gateway.wait_for("the policy to be carried out", lambda: len(shell.open_orders()) == left)


@pytest.mark.parametrize(("policy", "left"), [("none", 2), ("own_orders", 1), ("account", 0)])
def test_orders_end_with_the_gateway_as_the_account_is_set(tmp_path: Path, policy: str, left: int) -> None:
    with shell_with(tmp_path, account=f'on_shutdown = "{policy}"') as shell:
        play.do(shell.sim, "order", account="account1", symbol="BTC/USD", side="buy", quantity="0.001", price="15000")
        assert shell.run(*FAR)[0] == 0
        assert shell.gateway.end() == 0
        assert len(shell.open_orders()) == left


def test_limits_of_a_user_are_kept_and_changed_while_running(tmp_path: Path) -> None:
    with shell_with(tmp_path, 'order_quantity_max = ["BTC/* 0.002"]', "open_orders_max = 1", verbs=ADMIN) as shell:
        code, out, _ = shell.run("create", "BTC/USD", "buy", "--quantity", "0.003", "--price", "20000.0")
        assert (code, out.startswith("refused: USER_LIMIT: 0.003 is more than the 0.002 of BTC/USD")) == (1, True)
        assert shell.run(*FAR, "--order-id", "one")[0] == 0
        assert shell.run(*FAR)[1] == "refused: USER_LIMIT: 1 orders of yours are open, and 1 may be: cancel one first\n"
        shell.config.write_text(shell.config.read_text().replace("open_orders_max = 1", "open_orders_max = 2"))
        code, told = gw(shell, "ctl", "reload")
        assert code == 0, told
        assert shell.run(*FAR)[0] == 0


def test_the_venues_timer_is_armed_and_cancels(tmp_path: Path) -> None:
    with shell_with(tmp_path, verbs=ADMIN) as shell:
        assert shell.run(*FAR)[0] == 0
        code, out, errors = shell.run("cancel-all-after", "3600")
        assert (code, out) == (0, "accepted\n")
        assert "gw: the venue's timer will cancel every order of account1 in 3600 s, unless asked again" in errors
        code, _, errors = shell.run("cancel-all-after", "0")
        assert (code, errors.splitlines()[-1]) == (0, "gw: the venue's timer is off")
        code, out, _ = shell.run("cancel-all-after", "86400")
        assert code == 1
        assert out.startswith("refused: BAD_REQUEST: timeout_s is 0 (off) to 86399, not 86400")
        assert len(shell.open_orders()) == 1
        assert shell.run("cancel-all-after", "1")[0] == 0
        shell.gateway.wait_for("the timer's end", lambda: not shell.open_orders())


def test_on_paper_the_same_commands_trade_and_nothing_reaches_the_venue(tmp_path: Path) -> None:
    sim = play.make_sim(tmp_path, accounts=1)
    with ending(sim):
        gateway = Gw(tmp_path, sim, "--transport", "unix", "--paper")
        with ending(gateway):
            gateway.wait_ready()
            shell = Shell.__new__(Shell)
            shell.folder, shell.sim, shell.gateway = tmp_path, sim, gateway

            def run(*arguments: str) -> tuple[int, str, str]:
                code, out, errors = shell.run(*arguments, account="paper")
                return code, out, errors

            gateway.wait_for("orders to be taken", lambda: run(*FAR, "--dry-run")[0] == 0)
            code, out, errors = run(*BUY, "--wait")
            assert (code, "FILLED" in out) == (0, True), out + errors
            assert run(*FAR, "--order-id", "rests")[0] == 0
            assert [row["order_id"] for row in play.rows(gateway, "orders")] == ["rests"]
            gateway.kill()
        gateway = Gw(tmp_path, sim, "--transport", "unix", "--paper")
        with ending(gateway):
            gateway.wait_ready()
            shell.gateway = gateway
            gateway.wait_for("the order to be known again", lambda: len(play.rows(gateway, "orders")) == 1)
            [fill] = play.log_events(gateway, "trade_update")
            assert fill["venue_order_id"].startswith("PAPER-")
            assert run("cancel", "rests")[0] == 0
        assert play.truth(sim, "account1")["orders_made"] == 0
