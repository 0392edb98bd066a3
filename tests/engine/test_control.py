"""How a session treats what operators ask for: unknown actions, rights, and answers that come late."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from gwcore.engine.clients.access import Access
from gwcore.engine.clients.control import Operator
from gwcore.engine.clients.fanout import Fanout, Identity
from gwcore.engine.clients.session import Session
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.publisher import Partition, Publisher
from gwcore.journal import Journal
from gwcore.model import Control, Event, Record, TopOfBook, UpdateType
from gwcore.runtime.clock import SystemClock, SystemIds
from gwcore.secrets import Secret
from gwcore.settings import ClientSettings, JournalSettings, UserSettings
from gwcore.testing.storage import MemoryStorage
from gwcore.transport import ClientInfo
from gwcore.wire import ControlRequest, Hello, Outcome, RequestError, ServerMessage, Subscribe

USERS = {
    "anna": UserSettings(uids=(7,), verbs=("md", "admin"), symbols=("BTC/*",), accounts=("main",)),
    "bert": UserSettings(uids=(8,), verbs=("md", "read")),
}


class Port:
    """Controls that know one action; `late` answers it."""

    def __init__(self) -> None:
        self.asked: list[tuple[ControlRequest, Operator]] = []
        self.late: Callable[[ServerMessage], None] = print

    def verb_of(self, action: str) -> str | None:
        return {"act": "admin", "look": ""}.get(action)

    def submit(self, request: ControlRequest, operator: Operator, answer: Callable[[ServerMessage], None]) -> None:
        self.asked.append((request, operator))
        self.late = answer


class Writer:
    """The client's end."""

    def __init__(self) -> None:
        self.messages: list[ServerMessage] = []
        self.symbols: list[str | None] = []  # of the events it got
        self.closed = ""

    def write_events(self, records: Sequence[Record]) -> None:
        self.symbols += [record.symbol for record in records]

    def write_message(self, message: ServerMessage) -> None:
        self.messages.append(message)

    def close(self, reason: str) -> None:
        self.closed = reason


class Desk:
    """A fan-out with users, and what it published."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.events: list[Event] = []
        self.port = Port()
        journal = Journal(MemoryStorage(), clock, JournalSettings())
        self.publisher = Publisher(
            venue="toy",
            source="t",
            clock=clock,
            ids=SystemIds(),
            journal=journal,
            on_record=self._on_record,
        )
        self.fanout = Fanout(
            identity=Identity(version="1", venue="toy", environment="sim", source="t"),
            publisher=self.publisher,
            state=CurrentState(),
            journal=journal,
            settings=ClientSettings(),
            clock=clock,
            wake=lambda: None,
            access=Access(USERS, owner="uid:9"),
        )
        self.fanout.controls = self.port

    def _on_record(self, record: Record, event: Event, partition: Partition) -> None:
        self.events.append(event)
        self.fanout.on_record(record, event, partition)

    def client(self, identity: str, token: str = "") -> tuple[Session, Writer]:
        writer = Writer()
        session = self.fanout.open(ClientInfo(transport="toy", identity=identity), writer)
        session.submit(Hello(token=token))
        return session, writer


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ask(session: Session, action: str = "act", **arguments: str) -> None:
    session.submit(ControlRequest(request_id=3, action=action, arguments=arguments))


def test_an_answer_reaches_who_asked_also_later_and_not_after_he_left(desk: Desk) -> None:
    session, writer = desk.client("uid:7")
    ask(session, symbol="BTC/USD")
    (asked,) = desk.port.asked
    assert asked[0].arguments == {"symbol": "BTC/USD"}
    assert asked[1].name == "anna"
    done = Outcome(request_id=3, text="done")
    desk.port.late(done)
    assert writer.messages[-1] == done
    ask(session)
    session.closed()
    writer.messages.clear()
    desk.port.late(done)
    assert writer.messages == []


@pytest.mark.parametrize(
    ("identity", "arguments", "why"),
    [
        ("uid:8", {}, "the verb admin is not granted"),
        ("uid:10", {}, "the verb admin is not granted"),
        ("user:9", {}, "the verb admin is not granted"),
        ("uid:7", {"symbol": "ETH/USD"}, "the symbol ETH/USD is not granted"),
        ("uid:7", {"account": "second"}, "the account second is not granted"),
        ("uid:9", {"account": "main"}, "the account main is not granted"),
    ],
)
def test_who_may_not_is_told_why_and_it_is_an_event(
    desk: Desk, identity: str, arguments: dict[str, str], why: str
) -> None:
    session, writer = desk.client(identity)
    ask(session, **arguments)
    assert not desk.port.asked
    assert writer.messages[-1] == RequestError(request_id=3, code="denied", text=f"{why}: ask the operator")
    event = desk.events[-1]
    assert isinstance(event, Control)
    assert (event.action, event.allowed, event.detail) == ("act", False, why)
    assert (event.symbol, event.account) == (arguments.get("symbol"), arguments.get("account"))


def test_who_runs_the_gateway_operates_it_unless_a_user_has_his_identity(desk: Desk) -> None:
    session, _ = desk.client("uid:9")
    ask(session, symbol="ETH/USD")
    assert desk.port.asked[-1][1].name == "uid:9"
    desk.fanout.access = Access(USERS, owner="uid:8")
    session, writer = desk.client("uid:8")
    ask(session)
    assert isinstance(writer.messages[-1], RequestError)
    assert len(desk.port.asked) == 1


def test_a_question_needs_no_verb(desk: Desk) -> None:
    session, _ = desk.client("uid:10")
    ask(session, "look")
    assert desk.port.asked[-1][1].name == "uid:10"


def test_what_is_not_known_is_refused_also_where_nothing_can_be_asked(desk: Desk) -> None:
    session, writer = desk.client("uid:7")
    refusal = RequestError(request_id=3, code="unknown_action", text='there is no action "dance": see `gw ctl`')
    ask(session, "dance")
    assert writer.messages[-1] == refusal
    desk.fanout.controls = None
    ask(session, "dance")
    assert writer.messages[-1] == refusal
    assert not desk.events


# --- other users while it runs ---------------------------------------------------------------------------------------


def test_other_rights_hold_at_once_and_a_client_that_was_told_other_terms_has_to_come_again(desk: Desk) -> None:
    anna, heard_anna = desk.client("uid:7")
    bert, heard_bert = desk.client("uid:8")
    other, _ = desk.client("uid:10")
    more = {"anna": USERS["anna"], "bert": UserSettings(uids=(8,), verbs=("md", "read", "admin"))}
    assert desk.fanout.regrant(Access(more, owner="uid:9")) == 1
    ask(bert)
    assert desk.port.asked[-1][1].name == "bert"
    assert len(desk.fanout.sessions) == 3

    fewer = more | {"bert": UserSettings(uids=(8,), verbs=("md",), symbols=("BTC/*",))}
    assert desk.fanout.regrant(Access(fewer, owner="uid:9")) == 1
    assert desk.fanout.sessions == (anna, other)
    assert heard_bert.closed == "what is granted to you has changed: connect again"
    assert heard_anna.closed == ""


def test_a_token_that_is_no_more_ends_its_client_and_a_new_user_is_known(desk: Desk) -> None:
    robot = {"robot": UserSettings(token="env:TOKEN", verbs=("md",))}
    desk.fanout.access = Access(robot, {"robot": Secret("robots-own-token")})
    session, writer = desk.client("uid:7", token="robots-own-token")
    assert desk.fanout.regrant(Access(robot, {"robot": Secret("robots-own-token")})) == 0
    assert desk.fanout.sessions == (session,)
    assert desk.fanout.regrant(Access(robot, {"robot": Secret("another-token")})) == 1
    assert writer.closed == "the token is not known any more: ask the operator"
    assert desk.fanout.sessions == ()


def test_what_is_granted_now_is_told_with_its_state_and_without_another_connection(desk: Desk) -> None:
    def users(*symbols: str) -> Access:
        return Access({"anna": UserSettings(uids=(7,), symbols=symbols)})

    def publish(*symbols: str) -> None:
        for symbol in symbols:
            top = TopOfBook(symbol=symbol, update_type=UpdateType.SNAPSHOT, bid_price="1.0")
            desk.publisher.publish(desk.publisher.partition("md.0"), top)
        desk.fanout.flush()

    desk.fanout.access = users("BTC/*")
    session, writer = desk.client("uid:7")
    session.submit(Subscribe(request_id=1))
    publish("BTC/USD", "ETH/USD")
    assert writer.symbols == ["BTC/USD"]
    assert desk.fanout.regrant(users("BTC/*", "ETH/*")) == 1
    assert writer.symbols == ["BTC/USD", "ETH/USD"]
    publish("ETH/USD", "SOL/USD")
    assert writer.symbols == ["BTC/USD", "ETH/USD", "ETH/USD"]
    desk.fanout.regrant(users("ETH/*"))
    publish("BTC/USD", "ETH/USD")
    assert writer.symbols == ["BTC/USD", "ETH/USD", "ETH/USD", "ETH/USD"]
    assert writer.closed == ""
