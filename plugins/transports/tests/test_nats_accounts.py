"""Accounts over a real nats-server: who asks is whom the server lets publish on his subject; the bus has its own grant."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from gwcore import wire
from gwcore.engine.clients.access import Access
from gwcore.engine.clients.control import Operator
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.publisher import Publisher
from gwcore.journal import Journal
from gwcore.model import CancelAllOrders, FundsUpdate, OrderStatus, OrderUpdate, RateLimitsUpdate
from gwcore.runtime.clock import SystemClock
from gwcore.runtime.control.controls import Action, Answer, Controls
from gwcore.settings import ClientSettings, JournalSettings, UserSettings
from gwcore.testing.events import trade
from gwcore.testing.storage import MemoryStorage
from gwcore.transport import ClientInfo, ClientWriter

#: Two clients and the gateway, each with the rights that conf/nats gives such users; the environment is any.
RIGHTS = """
authorization { users: [
  { user: gw, password: g, permissions: {
      publish: ["gw.*.toy.md.>", "gw.*.toy.st.>", "gw.*.toy.ex.>", "gw.*.toy.own.>", "_INBOX.>"],
      subscribe: ["gw.*.toy.cmd.>"] } }
  { user: alice, password: a, permissions: {
      publish: ["gw.*.toy.cmd.alice.*"], subscribe: ["gw.*.toy.ex.>", "gw.*.toy.md.>", "gw.*.toy.st.>", "_INBOX.alice.>"] } }
  { user: bob, password: b, permissions: {
      publish: ["gw.*.toy.cmd.bob.*"], subscribe: ["gw.*.toy.own.bob.>", "gw.*.toy.md.>", "_INBOX.bob.>"] } }
] }
"""
USERS = {
    "alice": UserSettings(nats=("alice",), accounts=("main",), drop_copy=True),
    "bob": UserSettings(nats=("bob",), accounts=("other",), drop_copy=True),
}


class Core:
    """The gateway's own fan-out and journal as a `ClientPort`."""

    def __init__(self, users: dict[str, UserSettings]) -> None:
        clock, numbers = SystemClock(), count(1)

        class Ids:
            def session_id(self) -> str:
                return f"S{next(numbers)}"

        self.journal = Journal(MemoryStorage(), clock, JournalSettings())
        self.publisher = Publisher(
            venue="toy", source="gw1", clock=clock, ids=Ids(), journal=self.journal, on_record=self._on_record
        )
        self.fanout = Fanout(
            identity=Identity(version="0", venue="toy", environment="test", source="gw1"),
            publisher=self.publisher,
            state=CurrentState(),
            journal=self.journal,
            settings=ClientSettings(),
            clock=clock,
            wake=lambda: asyncio.get_running_loop().call_soon(self.fanout.flush),
            access=Access(users),
        )

    def _on_record(self, *published: Any) -> None:
        self.fanout.on_record(*published)

    def open(self, client: ClientInfo, writer: ClientWriter) -> Any:
        return self.fanout.open(client, writer)

    def tell_accounts(self, number: int) -> None:
        """An order and the funds of two accounts, and then a trade; not durable yet."""
        for account in ("main", "other"):
            partition = self.publisher.partition(f"ex.{account}")
            order = OrderUpdate(
                account=account, symbol="BTC/USD", venue_order_id=f"O{number}", order_status=OrderStatus.WORKING
            )
            self.publisher.publish(partition, order)
            self.publisher.publish(partition, FundsUpdate(account=account, asset="USD", total=str(number)))
            self.publisher.publish(self.publisher.partition("st"), RateLimitsUpdate(account=account, limits=()))
        self.publisher.publish(self.publisher.partition("md.0"), trade(trade_id=str(number)))

    def sync(self) -> None:
        self.journal.commit()
        self.fanout.release()


@pytest.fixture
def play_core(play_nats: Any, make_nats: Any, tmp_path: Path) -> Any:
    """Run a scene with these users on a server that knows the gateway, alice and bob."""
    (tmp_path / "password").write_text("g")
    (tmp_path / "password").chmod(0o600)

    def run(scene: Any, **users: UserSettings) -> None:
        server = make_nats(extra=RIGHTS)
        core = Core(USERS | users)
        play_nats(scene, server=server, port=core, user="gw", password=f"file:{tmp_path / 'password'}")

    return run


async def heard_until_trade(peer: Any) -> list[tuple[str, str | None]]:
    """(kind, account) of what comes on the subjects, up to a trade."""
    found = []
    while True:
        [message] = await peer.events(1)
        event = wire.decode_envelope(message.data).event
        if message.headers["Gw-Kind"] == "trade_summary":
            return found
        found.append((message.headers["Gw-Kind"], getattr(event, "account", None)))


async def say(peer: Any, request: Any) -> Any:
    await peer.request(request)
    return await peer.message()


def test_without_a_grant_no_account_is_on_the_bus(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        alice = await stage.peer("alice", "ex.>", "md.>", "st.>", user="alice", password="a")
        stage.port.tell_accounts(1)
        stage.port.sync()
        assert await heard_until_trade(alice) == []
        stage.port.tell_accounts(2)  # told together with what was held
        stage.port.sync()
        assert await heard_until_trade(alice) == []

    play_core(scene)


def test_the_grant_of_the_bus_decides_what_is_on_subjects_and_only_when_it_is_durable(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        alice = await stage.peer("alice", "ex.>", "md.>", "st.>", user="alice", password="a")
        stage.port.tell_accounts(1)
        assert await heard_until_trade(alice) == [("rate_limits", "main")]
        stage.port.sync()
        stage.port.tell_accounts(2)
        found = await heard_until_trade(alice)
        assert found == [("order_update", "main"), ("funds", "main"), ("rate_limits", "main")]

    play_core(scene, everybody=UserSettings(bus=True, accounts=("main",), drop_copy=True))


def test_a_request_is_answered_within_the_grant_of_who_may_publish_on_its_subject(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        alice = await stage.peer("alice", user="alice", password="a")
        bob = await stage.peer("bob", user="bob", password="b")
        stage.port.tell_accounts(1)
        stage.port.sync()
        stage.port.tell_accounts(2)  # not durable: nobody is told of it, by state, replay or position
        for peer, account, other in ((alice, "main", "other"), (bob, "other", "main")):
            welcome = await say(peer, wire.Hello(name="tester"))
            assert welcome.user == peer.user
            await peer.request(wire.SnapshotRequest(request_id=1, kinds=("funds",)))
            state, end = await peer.state()
            [funds] = [wire.decode_envelope(message.data).event for message in state]
            assert (funds.account, funds.total) == (account, "1")
            assert end.sessions[f"ex.{account}"][1] == 2
            await peer.request(wire.Subscribe(request_id=2, kinds=("funds", "order_update"), from_start=True))
            replay, end = await peer.state()
            lines = [wire.decode_envelope(message.data) for message in replay]
            assert [(line.event.account, line.header.sequence) for line in lines] == [(account, 1), (account, 2)]
            assert end.sessions[f"ex.{account}"][1] == 2
            denied = await say(peer, wire.SnapshotRequest(request_id=3, accounts=(other,)))
            assert (denied.code, denied.request_id) == ("denied", 3)
            assert (await say(peer, CancelAllOrders(account=other, request_id=4))).code == "denied"
        assert stage.port.fanout.denials == 4

    play_core(scene)


def test_nobody_asks_as_somebody_else(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        bob = await stage.peer("bob", user="bob", password="b")
        await bob.send(wire.encode(wire.SnapshotRequest(request_id=1, kinds=("funds",))), "snapshot", user="alice")
        assert isinstance(await say(bob, wire.Ping(request_id=2)), wire.Heartbeat)
        assert [session.client.identity for session in stage.port.fanout.sessions] == [
            "bus"
        ]  # the server let none through

    play_core(scene)


def test_an_operator_over_nats_is_whom_the_server_lets_publish_there(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        operated: list[str] = []

        async def note(asked: Any, operator: Operator) -> Answer:
            operated.append(operator.name)
            return Answer("noted", {"count": len(operated)})

        tasks: set[asyncio.Task[None]] = set()
        controls = Controls(lambda event: None, lambda work, name: tasks.add(asyncio.create_task(work)))
        controls.add("note", Action(verb="admin", run=note))
        stage.port.fanout.controls = controls
        alice = await stage.peer("alice", user="alice", password="a")
        bob = await stage.peer("bob", user="bob", password="b")
        request = wire.ControlRequest(request_id=5, action="note")
        # Without a hello, each request is served for itself; with one they are of a client that stays.
        assert await say(alice, request) == wire.Outcome(request_id=5, text="noted", result={"count": 1})
        assert (await say(bob, request)).code == "denied"
        assert [session.client.identity for session in stage.port.fanout.sessions] == ["bus"]
        assert (await say(alice, wire.Hello(name="tester"))).user == "alice"
        assert (await say(alice, request)).result == {"count": 2}
        assert operated == ["alice", "alice"]
        await asyncio.gather(*tasks)

    play_core(scene, alice=UserSettings(nats=("alice",), verbs=("md", "admin")))


def test_over_the_bus_a_client_sees_no_more_than_the_bus(play_core: Any) -> None:
    """What its sequences lack is then no loss: the client is told so."""

    async def scene(stage: Any) -> None:
        alice = await stage.peer("alice", user="alice", password="a")
        assert (await say(alice, wire.Hello(name="tester"))).partial == ("ex", "st")

    play_core(scene, alice=UserSettings(nats=("alice",), accounts=("*",), drop_copy=True))


EVERYBODY = UserSettings(bus=True, accounts=("*",), drop_copy=True)


def tell_orders(stage: Any, number: int) -> None:
    """Orders of alice, of bob and of nobody we know, and then a trade."""
    partition = stage.port.publisher.partition("ex.main")
    for user in ("alice", "bob", None):
        order = OrderUpdate(
            account="main", symbol="BTC/USD", order_id=f"{user}{number}", user=user, order_status=OrderStatus.WORKING
        )
        stage.port.publisher.publish(partition, order)
    stage.port.sync()
    stage.port.publisher.publish(stage.port.publisher.partition("md.0"), trade(trade_id=str(number)))


def test_who_trades_hears_his_own_orders_on_a_subject_of_his_own(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        bob = await stage.peer("bob", "own.bob.>", "md.>", user="bob", password="b")
        alice = await stage.peer("alice", "ex.>", "md.>", user="alice", password="a")
        for number in (1, 2):
            tell_orders(stage, number)
            heard = await bob.events(2)
            assert [message.headers["Gw-Kind"] for message in heard] == ["order_update", "trade_summary"]
            assert heard[0].subject.endswith(".own.bob.main.order_update")
            event = wire.decode_envelope(heard[0].data)
            assert (event.event.order_id, event.header.topic_sequence) == (f"bob{number}", number)
            everything = await alice.events(4)
            assert everything[1].data == heard[0].data
            assert everything[1].headers["Gw-Event"] == heard[0].headers["Gw-Event"]

    play_core(scene, everybody=EVERYBODY)


def test_what_a_broken_connection_took_comes_again_to_its_owner(play_core: Any) -> None:
    """Out of the journal, whose files do not say whose a record is."""

    async def scene(stage: Any) -> None:
        bob = await stage.peer("bob", "own.bob.>", "md.>", user="bob", password="b")
        tell_orders(stage, 1)
        first = await bob.events(2)
        bus = stage.transport.bus
        bus.on_lost()
        tell_orders(stage, 2)
        bus._confirmed = {}
        bus.on_back(replay=True)
        again = await bob.events(4)
        names = [getattr(wire.decode_envelope(one.data).event, "order_id", None) for one in [*first, *again]]
        assert [name for name in names if name] == ["bob1", "bob1", "bob2"]

    play_core(scene, everybody=EVERYBODY)


def test_orders_are_taken_from_clients_that_said_hello(play_core: Any) -> None:
    async def scene(stage: Any) -> None:
        bob = await stage.peer("bob", user="bob", password="b")
        refused = await say(bob, CancelAllOrders(account="other", request_id=5))
        assert (refused.code, refused.request_id) == ("hello_first", 5)
        await say(bob, wire.Hello(name="tester"))
        refused = await say(bob, CancelAllOrders(account="other", request_id=6))
        assert (refused.code, refused.request_id) == ("denied", 6)  # the verb is not his

    play_core(scene)
