"""`gw order` and `gw orders` as a trader runs them, against the simulated Kraken; and a gateway that is killed meanwhile."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gwcore.client import connect_sync
from gwcore.testing.processes import ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
_spec = importlib.util.spec_from_file_location("order_shell", Path(__file__).with_name("order_shell.py"))
assert _spec is not None
assert _spec.loader is not None
order_shell: Any = sys.modules.setdefault("order_shell", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(order_shell)
play, Shell = order_shell.play, order_shell.Shell


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    shell = Shell(tmp_path_factory.mktemp("orders"))
    with ending(shell.sim, shell.gateway):
        yield shell


BUY = ("create", "BTC/USD", "buy", "--quantity", "0.001")


def test_an_order_from_its_creation_to_its_end(shell: Any) -> None:
    code, out, errors = shell.run(*BUY, "--price", "20000.0", "--order-id", "mine", "--strategy", "s", "--post-only")
    assert (code, out.splitlines()[0]) == (0, "accepted")
    assert out.splitlines()[1].startswith("mine  BUY 0.001")
    first, second = errors.splitlines()
    assert first.startswith("gw: account account1 of kraken (sim) at http://127.0.0.1:")
    assert first.endswith(": simulated, no real money; you are me")
    assert second == "gw: sending order mine"
    [order] = [each for each in play.rows(shell.gateway, "orders") if each.get("order_id") == "mine"]
    assert (order["order_status"], order["user"], order["strategy"]) == ("WORKING", "me", "s")
    code, told = shell.json("modify", "mine", "--price", "20001.0")
    assert (code, told["fate"], told["order"]["price"]) == (0, "DONE", "20001.0")
    assert shell.run("cancel", "mine")[0] == 0
    code, out, _ = shell.run("cancel", "mine")
    assert (code, out) == (1, "refused: ORDER_DONE: the order is CANCELED already\n")


def test_a_market_order_is_waited_for(shell: Any) -> None:
    code, told = shell.json(*BUY, "--wait")
    assert (code, told["fate"], told["order"]["order_status"]) == (0, "DONE", "FILLED")
    assert [fill["quantity"] for fill in told["fills"]] == ["0.00100000"]


def test_all_are_cancelled_by_what_they_have_in_common(shell: Any) -> None:
    for name, side, price in (("a", "buy", "20000"), ("b", "buy", "20000"), ("c", "sell", "200000")):
        code = shell.run("create", "BTC/USD", side, "--quantity", "0.001", "--price", price, "--order-id", name)[0]
        assert code == 0
    code, out, _ = shell.run("cancel-all", "--side", "buy")
    assert (code, out) == (0, "accepted\n2 orders cancelled\n")
    assert [each["order_id"] for each in play.rows(shell.gateway, "orders")] == ["c"]
    assert shell.json("cancel-all")[1]["ack"]["number_of_affected_orders"] == 1


def test_a_dry_run_places_nothing(shell: Any) -> None:
    code, out, errors = shell.run(*BUY, "--price", "20000", "--dry-run", "--order-id", "dry")
    assert (code, out) == (0, "accepted\n")
    assert "sending order dry (dry run)" in errors
    assert play.rows(shell.gateway, "orders") == []


LINE = '{"symbol":"BTC/USD","side":"buy","quantity":%s,"price":%s,"order_id":"%s"}'


def test_a_batch_is_told_order_by_order_and_cancelled_together(shell: Any) -> None:
    lines = [LINE % (0.001, "20000.0", "b1"), LINE % ('"0.002"', "1.23456", "b2"), LINE % (0.003, '"20001.0"', "b3")]
    code, out, errors = shell.run("batch", "-", stdin="\n".join(lines))
    assert code == 1
    first, second, third = out.splitlines()
    assert (first, third) == ("b1  accepted", "b3  accepted")
    assert second.startswith("b2  refused: TICK_SIZE: price 1.23456")
    assert errors.splitlines()[-1] == "gw: sending 3 orders: b1 b2 b3"
    assert sorted(each["order_id"] for each in play.rows(shell.gateway, "orders")) == ["b1", "b3"]
    code, out, _ = shell.run("cancel", "b1", "b3", "nope", "--json")
    fates = {told["request"]["order_id"]: (told["fate"], told["error"]) for told in map(json.loads, out.splitlines())}
    assert fates == {"b1": ("DONE", None), "b3": ("DONE", None), "nope": ("NOT_DONE", "UNKNOWN_ORDER")}
    assert code == 1
    assert play.rows(shell.gateway, "orders") == []


def test_a_batch_that_is_only_checked_and_one_that_can_not_be_read_place_nothing(shell: Any) -> None:
    code, out, errors = shell.run("batch", "-", "--dry-run", stdin=LINE % (0.001, 20000, "c1"))
    assert (code, out) == (0, "c1  accepted\n")
    assert errors.splitlines()[-1] == "gw: sending 1 order (dry run): c1"
    code, out, errors = shell.run("batch", "-", stdin=LINE % (0.001, 20000, "c2") + "\n{}")
    assert (code, out) == (2, "")
    assert "line 2: symbol is missing, or no text" in errors
    assert play.rows(shell.gateway, "orders") == []


def test_the_timer_of_the_account_is_not_everybodys(shell: Any) -> None:
    code, out, _ = shell.run("cancel-all-after", "60")
    assert (code, out) == (
        1,
        "refused: DENIED: the verb admin is not granted: the timer cancels everybody's orders\n",
    )


REFUSED = [
    ((*BUY, "--price", "1.23456"), 1, "refused: TICK_SIZE: price 1.23456 of BTC/USD is no multiple of 0.1"),
    ((*BUY, "--price", "1", "--time-in-force", "gtd"), 1, "refused: BAD_REQUEST: expire_time_ns and time_in_force GTD"),
    (("create", "NO/SUCH", "buy", "--quantity", "1"), 1, "refused: UNKNOWN_SYMBOL: 'NO/SUCH' is not subscribed"),
    (("cancel", "nope"), 1, "refused: UNKNOWN_ORDER: there is no order nope of yours"),
    (("cancel-all", "--user", "*"), 1, "refused: DENIED: the verb admin is not granted"),
    ((*BUY, "--price", "1e5"), 2, "price '1e5' is no decimal number: write it like 0.25"),
    ((*BUY, "--close-price", "5"), 2, "--close-price and its like go with --close-type"),
    (("create", "BTC/USD", "long"), 2, "'long' is not one of 'buy', 'sell'"),
    (("create", "BTC/USD", "buy", "--type", "peg"), 2, "'peg' is not one of"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), REFUSED)
def test_rubbish_ends_in_one_sentence(shell: Any, arguments: tuple[str, ...], code: int, text: str) -> None:
    found, out, errors = shell.run(*arguments)
    assert (found, text in out + errors) == (code, True), out + errors


def test_another_account_is_denied(shell: Any) -> None:
    code, out, _ = shell.run(*BUY, account="nobodys")
    assert code == 1
    assert out.startswith("refused: ")


def test_an_answer_that_does_not_come_is_unknown(shell: Any) -> None:
    shell.sim.fault("delay_executions", ms=3000)
    shell.sim.fault("lose_replies", count=1, method="add_order")
    code, out, errors = shell.run(*BUY, "--price", "20000", "--order-id", "late", "--timeout", "0.1")
    shell.sim.fault("restore")
    assert (code, out.splitlines()[0]) == (5, "UNKNOWN: no answer within 0.1 s")
    assert "look with `gw orders` before you act" in errors
    shell.gateway.wait_for(
        "the order", lambda: [o for o in play.rows(shell.gateway, "orders") if o["order_id"] == "late"]
    )
    assert shell.run("cancel", "late")[0] == 0


def test_a_killed_gateway_forgets_nothing(shell: Any) -> None:
    with connect_sync(shell.gateway.socket_path, reconnect_s=60.0) as client:
        trader = client.trader("account1")
        before = trader.create("BTC/USD", "buy", "0.001", "20000", order_id="before")
        assert before.is_done
        shell.sim.fault("delay_executions", ms=4000)
        shell.sim.fault("lose_replies", count=1, method="add_order")
        during = trader.create("BTC/USD", "buy", "0.001", "20000", order_id="during", timeout_s=0.2)
        shell.gateway.kill()
        assert during.fate.value == "UNKNOWN"
        shell.gateway = play.start(shell.folder, shell.sim, shell.config)
        with ending(shell.gateway):
            shell.gateway.wait_ready()
            shell.wait_traded()
            assert trader.settle(during, timeout_s=90)
            assert len(shell.open_orders()) == len(trader.orders()) == 1 + during.is_done
            assert trader.cancel_all().is_done
            code, _, errors = shell.run("cancel", "x")
        assert code == 1
    code, out, errors = shell.run("cancel", "x")
    assert (code, out) == (3, "")
    assert "is the gateway running?" in errors
