"""Orders through a whole gateway and the simulated Kraken, in virtual time: who may, who sees what, what comes back."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import msgspec
from account_play import AccountPlay, _inline, perform

from gwcore.engine.clients.access import Grant
from gwcore.engine.clients.control import Operator
from gwcore.model import CancelOrder, CreateOrder, ModifyOrder, OrderAck, OrderType, OrderUpdate, Side
from gwcore.runtime.control.reload import Reload
from gwcore.settings import UserSettings
from gwcore.testing.clients import SimClient
from gwcore.wire import RequestError, decode_envelope

VERBS = ("md", "create", "modify", "cancel")
USERS = {
    "ann": UserSettings(uids=(1,), accounts=("account1",), verbs=VERBS),
    "bob": UserSettings(uids=(2,), accounts=("*",), verbs=VERBS),
    "eve": UserSettings(uids=(3,), accounts=("*",), verbs=("md", "read"), drop_copy=True),
}
SIM = {"pairs": 2, "rate": 1.0, "levels": 20, "deep_pairs": 0}


class Client(SimClient):
    """Keeps the refusals it was sent."""

    def __init__(self, play: AccountPlay, uid: int) -> None:
        super().__init__(play.loop, f"uid:{uid}", play.clock, play.rng.stream(f"client.{uid}"))
        self.refusals: list[RequestError] = []
        self.start(play.gateway.fanout)

    def _take(self, data: bytes) -> None:
        for item in self.session.on_bytes(data):
            if isinstance(item, RequestError):
                self.refusals.append(item)
            elif hasattr(item, "envelope"):
                self.log.add(item.envelope, item.payload)
        self._send_later()

    def events(self, kind: type[Any]) -> list[Any]:
        payloads = [payload for received in self.log.received.values() for _, payload in received]
        return [event for payload in payloads if isinstance(event := decode_envelope(payload).event, kind)]


def order(order_id: str, account: str = "account1") -> CreateOrder:
    return CreateOrder(
        account=account,
        order_id=order_id,
        symbol="BTC/USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity="0.01",
        price="100.0",
        request_id=5,
    )


def test_an_order_lives_and_only_who_may_sees_it() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob, eve = (Client(play, uid) for uid in (1, 2, 3))
        await asyncio.sleep(2.0)
        assert ann.submit(order("a1"))
        await asyncio.sleep(2.0)
        assert ann.submit(CancelOrder(account="account1", order_id="a1"))
        await asyncio.sleep(2.0)
        words = [(ack.request, ack.status.value) for ack in ann.events(OrderAck)]
        assert words == [
            ("create_order", "FORWARDED"),
            ("create_order", "ACCEPTED"),
            ("cancel_order", "FORWARDED"),
            ("cancel_order", "ACCEPTED"),
        ]
        states = [update.order_status.value for update in ann.events(OrderUpdate)]
        assert states[0] == "PENDING"
        assert states[-1] == "CANCELED"
        assert eve.events(OrderAck) == ann.events(OrderAck)
        assert not bob.events(OrderAck)
        assert not bob.events(OrderUpdate)
        [row] = [row for row in play.simulator.account("account1")["orders"] if row["cl_ord_id"]]
        assert row["status"] == "canceled"
        await _end(play, ann, bob, eve)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


def test_who_may_not_and_what_is_not_there_is_said_to_the_client_alone() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob, eve = (Client(play, uid) for uid in (1, 2, 3))
        await asyncio.sleep(2.0)
        for client, request in (
            (ann, order("a1", "account2")),
            (eve, order("e1")),
            (bob, order("b1", "account9")),
        ):
            assert client.submit(request)
        await asyncio.sleep(2.0)
        assert [(one.code, one.request_id) for one in ann.refusals] == [("denied", 5)]
        assert [one.code for one in eve.refusals] == ["denied"]
        assert [one.code for one in bob.refusals] == ["unknown_account"]
        assert not play.events(OrderAck)
        await _end(play, ann, bob, eve)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


def test_who_trades_two_accounts_has_his_limits_once() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        bob = Client(play, 2)
        await asyncio.sleep(2.0)
        assert bob.submit(order("one"))
        await asyncio.sleep(1.0)
        assert bob.submit(order("two", "account2"))
        await asyncio.sleep(1.0)
        [refused] = [ack for ack in bob.events(OrderAck) if ack.order_id == "two"]
        assert (refused.error, refused.account) == ("USER_LIMIT", "account2")
        assert bob.submit(CancelOrder(account="account1", order_id="one"))
        await asyncio.sleep(1.0)
        assert bob.submit(order("three", "account2"))
        await asyncio.sleep(1.0)
        assert [ack.status.value for ack in bob.events(OrderAck) if ack.order_id == "three"] == [
            "FORWARDED",
            "ACCEPTED",
        ]
        await _end(play, bob)

    users = {"bob": msgspec.structs.replace(USERS["bob"], open_orders_max=1)}
    perform(act, sim=SIM, account={"trading": "live"}, users=users)


def test_an_account_is_read_only_until_trading_is_set() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann = Client(play, 1)
        await asyncio.sleep(2.0)
        assert ann.submit(order("a1"))
        await asyncio.sleep(2.0)
        [ack] = ann.events(OrderAck)
        assert (ack.status.value, ack.error, ack.client_request_id) == ("REJECTED", "NOT_LIVE", 5)
        assert not [row for row in play.simulator.account("account1")["orders"] if row["cl_ord_id"]]
        await _end(play, ann)

    perform(act, sim=SIM, users=USERS)


def test_a_journal_that_fails_holds_creates_back_and_lets_cancels_go() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann = Client(play, 1)
        await asyncio.sleep(2.0)
        assert ann.submit(order("a1"))
        await asyncio.sleep(2.0)
        play.storage.sync_error = "EIO"
        assert ann.submit(order("a2"))
        await asyncio.sleep(3.0)
        assert ann.submit(order("a3"))
        assert ann.submit(CancelOrder(account="account1", order_id="a1"))
        await asyncio.sleep(3.0)
        rows = [row for row in play.simulator.account("account1")["orders"] if row["cl_ord_id"]]
        assert [row["status"] for row in rows] == ["canceled"]
        assert [one.code for one in ann.refusals] == ["journal", "journal"]
        play.storage.sync_error = ""
        await asyncio.sleep(5.0)
        ends = {ack.order_id: ack.error for ack in ann.events(OrderAck) if ack.status.value in ("ACCEPTED", "REJECTED")}
        assert ends == {"a1": None, "a2": "JOURNAL"}
        await _end(play, ann)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


async def _end(play: AccountPlay, *clients: SimClient) -> None:
    for client in clients:
        client.end()
    await play.stop()


def test_orders_of_a_user_whom_a_reload_takes_away_end_as_he_was_set() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob = (Client(play, uid) for uid in (1, 2))
        await asyncio.sleep(2.0)
        assert ann.submit(order("a1"))
        assert bob.submit(order("b1"))
        await asyncio.sleep(2.0)
        config = dataclasses.replace(play.gateway.config, users={"bob": users["bob"]})
        reload = Reload(play.gateway, lambda: config, _inline)
        await reload.reload(None, Operator("ops", Grant(user="ops", verbs=frozenset({"admin"}))))
        await asyncio.sleep(10.0)
        rows = [row for row in play.simulator.account("account1")["orders"] if row["cl_ord_id"]]
        assert sorted(row["status"] for row in rows) == ["canceled", "new"]
        await _end(play, bob)

    gone = {"on_disconnect": "own_orders", "disconnect_grace_s": 3.0}
    users = {name: msgspec.structs.replace(USERS[name], **gone) for name in ("ann", "bob")}
    perform(act, sim=SIM, account={"trading": "live"}, users=users)


def test_no_request_is_left_without_a_word_when_its_account_is_halted() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann = Client(play, 1)
        await asyncio.sleep(2.0)
        assert ann.submit(order("a1"))
        await asyncio.sleep(2.0)
        play.fault("take_late", ms=3_000, count=1)
        for number in (6, 7):
            assert ann.submit(ModifyOrder(account="account1", order_id="a1", price=f"10{number}.0", request_id=number))
        await asyncio.sleep(0.5)  # the second one waits for an answer to the first
        play.fault("revoke_key", account="account1")
        play.fault("end_session")
        await asyncio.sleep(120.0)
        assert play.gateway.accounts.connections[0].is_halted
        last = {ack.client_request_id: ack for ack in ann.events(OrderAck) if ack.request == "modify_order"}
        assert [last[number].status.value for number in (6, 7)] == ["UNKNOWN", "REJECTED"]
        assert last[7].error == "NOT_READY"
        await _end(play, ann)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


def test_a_request_that_the_gateway_fails_on_ends_that_clients_connection_alone() -> None:
    class Broken:
        """Orders of a plugin that can't say what it can."""

        def __getattr__(self, name: str) -> Any:
            raise KeyError(name)

    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob = (Client(play, uid) for uid in (1, 2))
        await asyncio.sleep(2.0)
        before = {one.number for one in play.gateway.fanout.sessions}
        sender = play.gateway.accounts.connections[0].machine.desk.sender
        good, sender.orders = sender.orders, Broken()  # type: ignore[assignment]
        assert ann.submit(order("a1"))
        await asyncio.sleep(0.01)
        sender.orders = good
        assert bob.submit(order("b1", "account2"))
        await asyncio.sleep(2.0)
        assert [ack.status.value for ack in bob.events(OrderAck)] == ["FORWARDED", "ACCEPTED"]
        assert not ann.events(OrderAck)
        stayed = [one.gate.grant.user for one in play.gateway.fanout.sessions if one.number in before]
        assert stayed == ["bob"]
        await _end(play, ann, bob)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)
