"""Accounts as their user runs them: real processes, keys in files, the commands, kill -9, a second process on a key."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gwcore.testing.processes import ending, wait_for

pytestmark = pytest.mark.e2e

_spec = importlib.util.spec_from_file_location("account_processes", Path(__file__).with_name("account_processes.py"))
assert _spec is not None
assert _spec.loader is not None
processes: Any = sys.modules.setdefault("account_processes", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(processes)


def wait_accounts(gateway: Any) -> None:
    gateway.wait_ready()
    wait_for(
        "the accounts",
        lambda: b'gw_account_ready{account="account1"} 1.0' in processes.ask(f"{gateway.metrics_url}/metrics"),
    )


def fill_ids(events: list[Any]) -> list[str]:
    return [fill["trade_id"] for event in events for fill in event["fills"]]


@pytest.mark.timeout(180)  # five processes start one after the other
def test_the_whole_of_two_accounts(tmp_path: Path) -> None:
    sim = processes.make_sim(tmp_path)
    config = processes.config_file(tmp_path, "account1", "account2")
    gateway = processes.start(tmp_path, sim, config, "--sink", "file", GW_ACCOUNT__ACCOUNT1__MASTER="true")
    with ending(gateway, sim):
        wait_accounts(gateway)
        order = processes.do(
            sim, "order", symbol="BTC/USD", side="buy", quantity="0.01", price="1000", account="account1"
        )
        made = processes.do(sim, "fills", count=5, account="account1", maker=True)["exec_ids"]
        wait_for("the fills", lambda: len(processes.rows(gateway, "fills", "--account", "account1")) == 5)
        assert fill_ids(processes.rows(gateway, "fills", "--account", "account1")) == made
        assert processes.rows(gateway, "fills", "--account", "account2") == []

        wait_for("the order", lambda: processes.rows(gateway, "orders"))
        [told] = processes.rows(gateway, "orders")
        assert (told["venue_order_id"], told["price"], told["external"]) == (order["order_id"], "1000.0", True)

        held = processes.truth(sim, "account1")["balances"]
        wait_for("the funds", lambda: totals(gateway)["USD"] == Decimal(held["USD"]))
        assert totals(gateway)["BTC"] == Decimal(held["BTC"])
        assert processes.rows(gateway, "positions") == []
        fees = wait_for("the fees", lambda: processes.rows(gateway, "fees"))
        assert {(each["account"], each["maker_fee"], each["taker_fee"]) for each in fees} == {
            ("account1", "0.2500", "0.4000")
        }
        assert len(fees) == 3

        second = processes.start(tmp_path, sim, config, state="second")
        assert second.wait() == 2
        assert "the API key is in use by another process" in second.errors()

        gateway.kill()
        processes.do(sim, "fills", count=60, account="account1", maker=True)
        again = processes.start(tmp_path, sim, config, "--sink", "file")
        with ending(again):
            wait_accounts(again)
            everything = [fill["exec_id"] for fill in processes.truth(sim, "account1")["fills"]]
            told_ids = wait_for(
                "all fills",
                lambda: (ids := fill_ids(processes.log_events(again, "trade_update"))) and len(ids) >= 65 and ids,
            )
            assert sorted(told_ids) == sorted(everything)
            again.send(signal.SIGTERM)
            assert again.wait() == 0
        mode = {
            path.stat().st_mode & 0o777
            for path in (again.state_dir / "journal" / "ex").iterdir()
            if path.suffix == ".seg"
        }
        assert mode <= {0o600}


def totals(gateway: Any) -> dict[str, Decimal]:
    rows = [each for each in processes.rows(gateway, "funds", "--account", "account1") if "wallet" in each]
    return {each["asset"]: Decimal(each["total"]) for each in rows}


def test_who_is_not_granted_is_told_so(tmp_path: Path) -> None:
    sim = processes.make_sim(tmp_path, accounts=1)
    config = processes.config_file(tmp_path, "account1")
    config.write_text(config.read_text().replace("uids = [", "uids = [1"))
    gateway = processes.start(tmp_path, sim, config)
    with ending(gateway, sim):
        gateway.wait_ready()
        result = subprocess.run(
            [processes.GW, "funds", "--unix-path", str(gateway.socket_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 1
        assert "funds is of accounts, and none is granted" in result.stderr
        [denial] = wait_for("the event", lambda: processes.log_events(gateway, "control"))
        assert (denial["action"], denial["allowed"]) == ("snapshot", False)
