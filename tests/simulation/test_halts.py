"""Halts through a whole gateway: what was taken before one and still waits for its turn does not leave either."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from account_play import AccountPlay, perform
from test_orders import SIM, VERBS, Client, _end, order

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.model import CancelOrder, ModifyOrder, OrderAck
from gwcore.settings import UserSettings
from gwcore.wire import ControlRequest, RequestError

USERS = {
    "ann": UserSettings(uids=(1,), accounts=("account1",), verbs=VERBS),
    "bob": UserSettings(uids=(2,), accounts=("account1",), verbs=VERBS),
}
OPERATOR = Operator("operator", Grant(accounts=("*",), symbols=("*",), verbs=frozenset({"admin"})))


async def operate(play: AccountPlay, action: str, **arguments: str) -> None:
    answer: asyncio.Future[Any] = play.loop.create_future()
    request = ControlRequest(request_id=1, action=action, arguments=arguments)
    play.gateway.controls.submit(request, OPERATOR, answer.set_result)
    assert not isinstance(await answer, RequestError)


def words(play: AccountPlay, order_id: str, request: str) -> list[str]:
    acks = [ack for ack in play.events(OrderAck) if (ack.order_id, ack.request) == (order_id, request)]
    return [f"{ack.status.value} {ack.error or ''}".strip() for ack in acks]


def test_a_change_that_waits_for_an_answer_is_stopped_and_a_cancel_is_not() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob = (Client(play, uid) for uid in (1, 2))
        await asyncio.sleep(2.0)
        play.fault("late_replies", ms=3_000, count=4, method="add_order")
        play.fault("delay_executions", ms=3_000)  # else the order's own report is the answer
        for client, name in ((ann, "a1"), (ann, "a2"), (bob, "b1")):
            assert client.submit(order(name))
        await asyncio.sleep(0.5)
        assert ann.submit(ModifyOrder(account="account1", order_id="a1", price="101.0"))
        assert ann.submit(CancelOrder(account="account1", order_id="a2"))
        assert bob.submit(ModifyOrder(account="account1", order_id="b1", price="101.0"))
        await asyncio.sleep(0.5)
        await operate(play, "halt", reason="odd fills", user="ann")
        await asyncio.sleep(20.0)
        assert words(play, "a1", "create_order") == ["FORWARDED", "ACCEPTED"]  # it had left
        assert words(play, "a1", "modify_order") == ["REJECTED HALTED"]
        assert words(play, "a2", "cancel_order") == ["FORWARDED", "ACCEPTED"]
        assert words(play, "b1", "modify_order") == ["FORWARDED", "ACCEPTED"]
        await operate(play, "resume", user="ann")
        assert ann.submit(ModifyOrder(account="account1", order_id="a1", price="102.0"))
        await asyncio.sleep(20.0)
        assert words(play, "a1", "modify_order") == ["REJECTED HALTED", "FORWARDED", "ACCEPTED"]
        await _end(play, ann, bob)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


def test_new_orders_that_wait_for_the_venues_counter_are_stopped() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann = Client(play, 1)
        await asyncio.sleep(2.0)
        for number in range(147):
            assert ann.submit(order(f"a{number}"))
        await asyncio.sleep(0.2)
        left = Counter(ack.status.value for ack in play.events(OrderAck))["FORWARDED"]
        assert 130 < left < 147  # the counter has room for no more
        await operate(play, "halt", reason="odd fills", symbol="BTC/*")
        await asyncio.sleep(10.0)
        acks = Counter(f"{ack.status.value} {ack.error or ''}".strip() for ack in play.events(OrderAck))
        assert acks == {"FORWARDED": left, "ACCEPTED": left, "REJECTED HALTED": 147 - left}
        assert len([row for row in play.simulator.account("account1")["orders"] if row["cl_ord_id"]]) == left
        await _end(play, ann)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)
