"""Execution events reach clients when they are durable, each once, whichever way the client came; denials are events."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from gwcore.engine.clients.access import Access
from gwcore.model import Control, FundsUpdate, OrderStatus, OrderUpdate
from gwcore.settings import UserSettings
from gwcore.transport import ClientInfo
from gwcore.wire import Hello, RequestError, SnapshotEnd, SnapshotRequest, Subscribe, Welcome

_spec = importlib.util.spec_from_file_location("session_bench", Path(__file__).with_name("test_session.py"))
assert _spec is not None
assert _spec.loader is not None
bench: Any = sys.modules.setdefault("session_bench", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(bench)
Desk, Writer, Shelf = bench.Desk, bench.Writer, bench.Shelf
EVERYBODY = UserSettings(uids=(0,), accounts=("*",), drop_copy=True)


class SlowShelf(Shelf):  # type: ignore[misc,valid-type]
    """A journal that syncs when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.synced = 0

    def synced_position(self, journal_class: str) -> int:
        return self.synced

    def reader(self, journal_class: str, after: int) -> Any:
        inner, shelf = super().reader(journal_class, after), self

        class Reader:
            @property
            def position(self) -> int:
                return inner.position

            def read(self, count_max: int, *, synced_only: bool = True) -> Any:
                room = shelf.synced - inner.position if synced_only else count_max
                return inner.read(max(0, min(count_max, room)))

        return Reader()


@pytest.fixture
def desk() -> Any:
    desk = Desk()
    desk.shelf = SlowShelf()
    desk.publisher._append = desk.shelf.append
    desk.fanout.journal = desk.shelf
    desk.fanout.access = Access({"all": EVERYBODY})
    desk.ex = desk.publisher.partition("ex.main")
    return desk


def come(desk: Any, *, identity: str = "uid:0", token: str = "", **subscribe: Any) -> Any:
    writer = Writer()
    writer.session = desk.fanout.open(ClientInfo(transport="t", identity=identity), writer)
    writer.session.submit(Hello(token=token))
    if writer.closed is None:
        writer.session.submit(Subscribe(request_id=1, **subscribe))
    desk.turn()
    return writer


def tell(desk: Any, number: int) -> None:
    desk.publisher.publish(desk.ex, FundsUpdate(account="main", asset="USD", total=str(number)))


def sync(desk: Any, position: int) -> None:
    desk.shelf.synced = position
    desk.fanout.release()
    desk.turn()


def totals(writer: Any) -> list[str]:
    return [event.total for event in writer.events() if isinstance(event, FundsUpdate)]


def test_nothing_is_told_before_it_is_durable(desk: Any) -> None:
    client = come(desk)
    for number in (1, 2, 3):
        tell(desk, number)
    desk.turn()
    assert totals(client) == []
    sync(desk, 2)
    assert totals(client) == ["1", "2"]
    sync(desk, 3)
    assert totals(client) == ["1", "2", "3"]


@pytest.mark.parametrize("synced", [0, 1, 2, 3])
def test_who_comes_in_between_gets_each_once(desk: Any, synced: int) -> None:
    for number in (1, 2, 3):
        tell(desk, number)
    sync(desk, synced)
    replayed, late = come(desk, from_start=True), come(desk)
    tell(desk, 4)
    sync(desk, 4)
    assert totals(replayed) == ["1", "2", "3", "4"]
    assert totals(late) == ([str(synced)] if synced else []) + [str(n) for n in range(synced + 1, 5)]
    assert replayed.sequences() == [1, 2, 3, 4]


def test_what_synced_while_it_was_read_is_not_told_twice(desk: Any) -> None:
    for number in (1, 2, 3):
        tell(desk, number)
    desk.shelf.synced = 2  # the loop was not told yet
    client = come(desk, from_start=True)
    sync(desk, 3)
    assert totals(client) == ["1", "2", "3"]


def test_positions_of_other_classes_are_not_taken_for_those_of_executions(desk: Any) -> None:
    for number in (1, 2, 3):
        tell(desk, number)
    sync(desk, 3)
    client = come(desk, from_start=True)
    desk.trade(number=7)
    [record] = desk.shelf.records["md"]
    before = len(client.events())
    client.session.offer([record._replace(position=1)])  # a playback's records have theirs
    desk.turn()
    assert len(client.events()) == before + 2


def test_positions_tell_what_was_told(desk: Any) -> None:
    tell(desk, 1)
    tell(desk, 2)
    sync(desk, 1)
    client = come(desk)
    [welcome] = [message for message in client.log if isinstance(message, Welcome)]
    [end] = [message for message in client.log if isinstance(message, SnapshotEnd)]
    assert welcome.sessions["ex.main"][1] == end.sessions["ex.main"][1] == 1


def test_what_can_not_be_journalled_is_told_at_once(desk: Any) -> None:
    client = come(desk)
    desk.publisher._append = lambda record: 0
    tell(desk, 1)
    desk.turn()
    assert totals(client) == ["1"]


def test_open_orders_are_state_until_they_end(desk: Any) -> None:
    for status in (OrderStatus.WORKING, OrderStatus.CANCELED):
        for key in ("O1", "O2") if status is OrderStatus.WORKING else ("O1",):
            update = OrderUpdate(account="main", venue_order_id=key, order_status=status)
            desk.publisher.publish(desk.ex, update)
    sync(desk, 3)
    client = come(desk)
    assert [event.venue_order_id for event in client.events() if isinstance(event, OrderUpdate)] == ["O2"]


def test_a_denial_is_an_answer_and_an_event(desk: Any) -> None:
    watcher = come(desk)
    client = come(desk, identity="uid:7", accounts=("main",))
    [error] = [message for message in client.log if isinstance(message, RequestError)]
    assert (error.code, error.text) == ("denied", "the account main is not granted: ask the operator")
    [event] = [event for event in watcher.events() if isinstance(event, Control)]
    assert (event.action, event.user, event.account, event.allowed) == ("subscribe", "uid:7", "main", False)
    assert desk.fanout.denials == 1


def test_a_wrong_token_ends_the_client(desk: Any) -> None:
    client = come(desk, token="wrong-token")
    assert client.closed == "the token is not known: leave it out, or ask the operator"
    assert desk.fanout.denials == 1


def test_who_is_denied_again_and_again_is_cut(desk: Any) -> None:
    client = come(desk, identity="uid:7")
    for number in range(200):
        client.session.submit(Subscribe(request_id=number + 2, accounts=("main",)))
    assert "100 requests were denied" in (client.closed or "")
    assert desk.fanout.denials == 100


@pytest.mark.parametrize("takes", [{}, {"symbols": ("*",)}])
def test_who_asks_for_everything_gets_what_is_granted(desk: Any, takes: dict[str, Any]) -> None:
    """Turns without an account's event are handed over whole; one with some of them is looked through."""
    desk.fanout.access = Access(
        {"all": EVERYBODY, "none": UserSettings(uids=(1,)), "md": UserSettings(uids=(2,), symbols=("ETH/*",))}
    )
    owner, stranger, narrow = (come(desk, identity=f"uid:{number}", **takes) for number in range(3))
    desk.trade(number=1)
    desk.turn()
    tell(desk, 1)
    desk.trade(number=2)
    sync(desk, 1)
    desk.trade(number=3)
    desk.turn()
    kinds = [[type(event).__name__ for event in writer.events()] for writer in (owner, stranger, narrow)]
    assert kinds == [["TradeSummary", "TradeSummary", "FundsUpdate", "TradeSummary"], ["TradeSummary"] * 3, []]


def test_the_end_of_a_snapshot_tells_what_was_handed_out(desk: Any) -> None:
    for number in (1, 2, 3):
        tell(desk, number)
    sync(desk, 2)
    client = come(desk)
    [end] = [message for message in client.log if isinstance(message, SnapshotEnd)]
    assert end.sessions["ex.main"] == (desk.ex.session_id, 2)
    desk.shelf.synced = 3
    desk.fanout.release()  # offered with this turn, and pending when the next answer ends
    client.session.pause()
    client.session.submit(SnapshotRequest(request_id=2))
    end = [message for message in client.log if isinstance(message, SnapshotEnd)][-1]
    assert end.sessions["ex.main"] == (desk.ex.session_id, 2)
