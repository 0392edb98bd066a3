"""The account machine: every fill once and in order, orders whole from deltas, REST behind the stream, nothing invented."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.accounts.fills import FillMemory
from gwcore.engine.accounts.state import AccountState
from gwcore.errors import AuthenticationError, VenueUnavailable
from gwcore.model import (
    Discrepancy,
    DownloadBegin,
    DownloadEnd,
    FundsUpdate,
    OrderStatus,
    OrderUpdate,
    Origin,
    PositionUpdate,
    Ready,
    TradeBalance,
    TradeUpdate,
)
from gwcore.venue import AccountSnapshot, Refused, Renew

_spec = importlib.util.spec_from_file_location("account_stage", Path(__file__).with_name("account_stage.py"))
assert _spec is not None
assert _spec.loader is not None
stage_module = sys.modules["account_stage"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stage_module)
AccountStage: Any = stage_module.AccountStage
START_NS, SECOND_NS = stage_module.START_NS, stage_module.SECOND_NS
order, new_order, trade, funds = stage_module.order, stage_module.new_order, stage_module.trade, stage_module.funds


def test_a_connection_downloads_and_is_ready() -> None:
    stage = AccountStage()
    stage.connect()
    assert stage.sent == [b"subscribe"]
    stage.tell(AccountSnapshot(orders=(new_order(),)))
    assert not stage.flows  # the funds' snapshot is still due
    stage.tell(AccountSnapshot(funds=(funds(),)))
    stage.answer(AccountSnapshot(orders=(), balance=TradeBalance(account="main", asset="USD", equity="1")))
    kinds = [type(event) for event in stage.events]
    assert kinds[0] is DownloadBegin
    assert kinds[-2:] == [DownloadEnd, Ready]
    assert {OrderUpdate, FundsUpdate, TradeBalance} <= set(kinds)
    assert stage.machine.state is AccountState.READY


def test_orders_are_told_whole_from_deltas() -> None:
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order(order_status=OrderStatus.PENDING))
    stage.tell(order())
    stage.tell(trade(1), order(order_status=OrderStatus.PARTIALLY_FILLED, traded_quantity="0.1"))
    stage.tell(order(order_status=OrderStatus.CANCELED, traded_quantity="0.1", reason="User requested"))
    last = stage.of(OrderUpdate)[-1]
    assert (last.symbol, last.price, last.quantity) == ("BTC/USD", "100.0", "1.00000000")
    assert (last.traded_quantity, last.remaining_quantity) == ("0.1", "0.90000000")
    assert (last.order_status, last.reason, last.external) == (OrderStatus.CANCELED, "User requested", True)
    [fill] = stage.of(TradeUpdate)
    assert (fill.symbol, fill.side.value) == ("BTC/USD", "BUY")


def test_why_an_order_was_changed_is_not_why_it_ended() -> None:
    """What python-kraken-sdk found: `amended` has a reason, the fills and `filled` after it have none (sheet 4.12)."""
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order())
    stage.tell(order(quantity="2.00000000", reason="User requested"))
    assert stage.of(OrderUpdate)[-1].reason == "User requested"
    stage.tell(trade(1), order(order_status=OrderStatus.PARTIALLY_FILLED, traded_quantity="0.1"))
    assert stage.of(OrderUpdate)[-1].reason is None
    stage.tell(order(price="101.0", reason="User requested"))
    stage.tell(order(order_status=OrderStatus.CANCELED, reason="Out of funds"))
    stage.tell(order(order_status=OrderStatus.CANCELED, average_price="100.0"))
    last = stage.of(OrderUpdate)[-1]
    assert (last.average_price, last.reason) == ("100.0", "Out of funds")


def test_a_lifecycle_ends_the_same_in_any_order() -> None:
    frames = [
        (new_order(order_status=OrderStatus.PENDING),),
        (order(),),
        (trade(1), order(order_status=OrderStatus.PARTIALLY_FILLED, traded_quantity="0.1")),
        (order(order_status=OrderStatus.CANCELED, traded_quantity="0.1"),),
    ]
    for permutation in itertools.permutations(frames):
        stage = AccountStage()
        stage.ready()
        for frame in permutation:
            stage.tell(*frame)
        last = stage.of(OrderUpdate)[-1]
        assert (last.order_status, last.traded_quantity) == (OrderStatus.CANCELED, "0.1")
        assert stage.fills() == ["T1"]


def test_fills_of_an_outage_come_once_and_before_those_that_followed() -> None:
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order())
    stage.tell(trade(1), order(traded_quantity="0.1"))
    stage.lose()
    stage.connect()
    stage.tell(AccountSnapshot(orders=(order(traded_quantity="0.4"),), trades=(trade(4), trade(3))))
    stage.tell(AccountSnapshot(funds=()))
    stage.tell(trade(5), order(traded_quantity="0.5"))  # while REST is being asked
    known = stage.answer(AccountSnapshot(orders=(), trades=(trade(3), trade(2), trade(1))))
    assert known.trade_id == "T1"
    assert stage.fills() == ["T1", "T2", "T3", "T4", "T5"]
    assert [event.origin for event in stage.of(TradeUpdate)] == [
        Origin.VENUE,
        *[Origin.RECONCILIATION] * 3,
        Origin.VENUE,
    ]


def test_a_live_fill_waits_for_the_one_rest_does_not_have_yet() -> None:
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order())
    stage.lose()
    stage.ready(AccountSnapshot(orders=(order(traded_quantity="0.1"),)))  # traded meanwhile, and REST lags
    stage.tell(trade(2), order(traded_quantity="0.2"))
    assert stage.fills() == []
    stage.wait(2.0)
    assert stage.answer(AccountSnapshot(orders=(), trades=())).since_ns <= START_NS
    assert stage.fills() == []
    stage.wait(3.0)
    stage.answer(AccountSnapshot(orders=(order(traded_quantity="0.2"),), trades=(trade(2), trade(1))))
    assert stage.fills() == ["T1", "T2"]
    assert stage.of(Discrepancy) == []


def test_no_fill_is_invented_and_a_missing_one_is_told() -> None:
    stage = AccountStage(hold_s=60.0)
    stage.ready()
    stage.tell(new_order())
    stage.tell(trade(2), order(traded_quantity="0.2"))
    for _ in range(20):
        stage.wait(5.0)
        stage.answer_all(AccountSnapshot(orders=(order(traded_quantity="0.2"),)))
    assert stage.fills() == ["T2"]
    [event] = stage.of(Discrepancy)
    assert (event.subject, event.expected, event.found) == ("fills of order O1", "0.2", "fills of 0.1 did not come")


def test_fills_of_orders_older_than_the_first_start_do_not_wait() -> None:
    stage = AccountStage(history_s=10.0)
    old = new_order(opened_ns=START_NS - 100 * SECOND_NS, traded_quantity="0.7")
    stage.ready(AccountSnapshot(orders=(old,)), AccountSnapshot(orders=(old,)))
    stage.tell(trade(8), order(traded_quantity="0.8"))
    assert stage.fills() == ["T8"]


def test_old_fills_of_a_first_start_are_not_told_and_live_ones_are_whatever_the_clock_says() -> None:
    stage = AccountStage(history_s=10.0)
    stage.skew_ns = 3_600 * SECOND_NS
    stage.ready(AccountSnapshot(orders=(), trades=(trade(1, at_s=-3_000.0),)))
    assert stage.fills() == []
    stage.tell(new_order(), trade(2), order(traded_quantity="0.1"))
    assert stage.fills() == ["T2"]


def test_a_restart_knows_from_the_journal_what_was_told() -> None:
    before = AccountStage()
    before.ready()
    before.tell(new_order())
    before.tell(trade(1), order(traded_quantity="0.1"))
    after = AccountStage()
    for event in before.events:
        after.machine.recall(event)
    open_now = AccountSnapshot(orders=(new_order(traded_quantity="0.2"),), trades=(trade(2), trade(1)))
    known = after.ready(open_now)
    assert known.trade_id == "T1"
    assert after.fills() == ["T2"]
    assert after.of(DownloadBegin)[0].since_ns == before.of(DownloadBegin)[0].since_ns
    assert len(after.of(OrderUpdate)) == 1  # clients of the new process are told what is open


def test_an_order_that_ended_in_an_outage_is_asked_for_by_id() -> None:
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order())
    stage.lose()
    stage.connect()
    stage.tell(AccountSnapshot(orders=()), AccountSnapshot(funds=()))
    ended = new_order(order_status=OrderStatus.CANCELED, traded_quantity="0.1")
    known = stage.answer(AccountSnapshot(orders=(), closed=(ended,), trades=(trade(1),)))
    assert known.orders == ("O1",)
    last = stage.of(OrderUpdate)[-1]
    assert (last.order_status, last.origin) == (OrderStatus.CANCELED, Origin.RECONCILIATION)
    assert stage.fills() == ["T1"]


def test_rest_that_lags_changes_nothing() -> None:
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order())
    stage.tell(trade(1, quantity="1.00000000"), order(order_status=OrderStatus.FILLED, traded_quantity="1.00000000"))
    told = len(stage.events)
    stage.wait(15.0)
    stage.answer(AccountSnapshot(orders=(new_order(),)))
    assert stage.events[told:] == []


def test_a_difference_that_lasts_is_told_once() -> None:
    stage = AccountStage()
    stage.ready()
    stage.tell(new_order())
    for _ in range(8):
        stage.wait(100.0)
        stage.answer_all(AccountSnapshot(orders=()))
    [event] = stage.of(Discrepancy)
    assert (event.subject, event.expected, event.found) == ("status of order O1", "WORKING", "not found")
    assert stage.of(OrderUpdate)[-1].order_status is OrderStatus.WORKING


def test_an_order_the_stream_never_told_is_adopted_and_told_as_a_difference() -> None:
    stage = AccountStage()
    stage.ready()
    seen = AccountSnapshot(orders=(new_order("O9", opened_ns=START_NS + 90 * SECOND_NS),))
    stage.wait(101.0)
    stage.answer_all(seen)
    assert stage.of(OrderUpdate) == []  # REST may be ahead of the stream for once
    stage.wait(300.0)
    stage.answer_all(seen)
    assert [event.venue_order_id for event in stage.of(OrderUpdate)] == ["O9"]
    assert [event.subject for event in stage.of(Discrepancy)] == ["status of order O9"]


def test_funds_have_totals_of_the_stream_and_holds_of_rest() -> None:
    stage = AccountStage(funds_s=5.0)
    stage.connect()
    stage.tell(AccountSnapshot(orders=()), AccountSnapshot(funds=(funds(),)))
    stage.answer(AccountSnapshot(orders=(), funds=(funds(hold="10.00", available="90.00"),)))
    stage.tell(funds(total="80.00"))
    assert [(each.total, each.hold, each.available) for each in stage.of(FundsUpdate)] == [
        ("100.00", None, None),
        ("100.00", "10.00", "90.00"),
        ("80.00", None, None),  # the hold of another total is not known
    ]
    stage.wait(6.0)
    stage.answer([funds(hold="10.00", available="90.00")])  # REST lags: not told
    assert len(stage.of(FundsUpdate)) == 3
    stage.wait(6.0)
    stage.answer([funds(total="80.0", hold="0", available="80.0")])
    last = stage.of(FundsUpdate)[-1]
    assert (last.total, last.hold, last.available) == ("80.00", "0", "80.0")


def test_a_total_that_stays_different_is_told_and_asked_for_anew() -> None:
    stage = AccountStage(funds_s=5.0)
    stage.ready(AccountSnapshot(orders=()))
    stage.tell(funds(total="80.00"))
    for _ in range(12):
        stage.wait(10.0)
        for kind, _asked, done in [*stage.flows]:
            stage.flows.clear()
            rest = [funds(total="95.00")]  # the stream lost what came last
            done(AccountSnapshot(orders=(), funds=tuple(rest)) if kind == "download" else rest, stage.now_ns)
    [event] = stage.of(Discrepancy)
    assert (event.subject, event.expected, event.found) == ("total of USD", "80.00", "95.00")
    assert len(stage.closed) == 1


def test_a_position_that_is_gone_is_told() -> None:
    stage = AccountStage()
    held = PositionUpdate(account="main", symbol="BTC/USD", long_quantity="1", short_quantity="0", cost="100")
    stage.ready(None, AccountSnapshot(orders=(), positions=(held,)))
    stage.wait(16.0)
    stage.answer(AccountSnapshot(orders=(), positions=()))
    assert [event.long_quantity for event in stage.of(PositionUpdate)] == ["1", "0"]


def test_a_revoked_key_halts_and_a_venue_that_is_away_does_not() -> None:
    stage = AccountStage()
    stage.connect()
    stage.tell(AccountSnapshot(orders=()), AccountSnapshot(funds=()))
    stage.answer(VenueUnavailable("EAPI:Rate limit exceeded", retry_after_s=3.0))
    assert stage.halted == []
    stage.wait(2.9)
    assert not stage.flows
    stage.wait(10.0)
    stage.answer(AuthenticationError("EAPI:Invalid key"))
    assert stage.halted == ["EAPI:Invalid key"]
    assert stage.machine.state is AccountState.HALTED


def test_a_bad_session_gets_a_new_connection_and_a_bad_right_ends_the_account() -> None:
    stage = AccountStage()
    stage.connect()
    stage.tell(Refused("ESession:Invalid session", request_id=1, retryable=True))
    assert stage.closed == ["refused: ESession:Invalid session"]
    stage.tell(Refused("EGeneral:Permission denied", request_id=1, fatal=True))
    assert stage.halted == ["EGeneral:Permission denied"]


def test_lost_frames_mean_a_new_connection_and_unread_ones_a_comparison() -> None:
    stage = AccountStage()
    stage.ready()
    stage.machine.on_frame(b"bad", 0, stage.now_ns)
    stage.wait(1.0)
    assert [kind for kind, _, _ in stage.flows] == ["download"]
    stage.tell(Renew("frames 3 to 4 are missing"))
    assert stage.closed == ["renew: frames 3 to 4 are missing"]


def test_the_token_is_renewed_ahead_of_its_end() -> None:
    stage = AccountStage(check_s=10_000.0)
    stage.ready()
    for _ in range(60):
        stage.wait(10.0)
        for flow in [flow for flow in stage.flows if flow[0] == "download"]:
            stage.flows.remove(flow)
            flow[2](AccountSnapshot(orders=()), stage.now_ns)
    assert [kind for kind, _, _ in stage.flows] == ["refresh"]
    assert stage.now_ns < 900 * SECOND_NS


def test_snapshots_that_do_not_come_end_the_connection() -> None:
    stage = AccountStage()
    stage.connect()
    stage.wait(15.0)
    assert stage.closed == ["the snapshots of the private channels did not come"]


@pytest.mark.parametrize("count", [1, 5, 100])
def test_what_is_remembered_of_fills_is_bounded_and_stays_safe(count: int) -> None:
    memory = FillMemory(fills_max=count)
    every = [trade(number).fills[0] for number in range(1, 201)]
    for fill in every:
        assert not memory.had(fill, is_live=False)
        memory.add(fill)
    assert len(memory) == count
    assert all(memory.had(fill, is_live=False) for fill in every)


def test_what_a_change_made_of_an_order_that_ended_meanwhile_is_believed() -> None:
    stage = AccountStage()
    stage.ready(AccountSnapshot(orders=(new_order(),)))
    stage.lose()
    ended = new_order(
        order_status=OrderStatus.FILLED, price="101", quantity="1", traded_quantity="1", venue_time_ns=START_NS
    )
    stage.ready(rest=AccountSnapshot(orders=(), closed=(ended,), trades=(trade(1, quantity="1"),)))
    last = stage.of(OrderUpdate)[-1]
    assert (last.order_status, last.price) == (OrderStatus.FILLED, "101")
    assert last.quantity == "1.00000000"  # the same number keeps the stream's digits
