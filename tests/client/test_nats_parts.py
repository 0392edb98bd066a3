"""The parts of a client over NATS that do no I/O: subjects, what is news, what may be dropped, what is asked."""

from __future__ import annotations

from typing import Any

import pytest

from gwcore.client.nats.asks import asks_of
from gwcore.client.nats.backlog import NatsBacklog
from gwcore.client.nats.news import News, read_news
from gwcore.client.nats.order import ArrivalOrder
from gwcore.client.nats.selection import (
    EXACT_SUBJECTS_MAX,
    NatsSelection,
    must_be_granted,
    patterns,
)
from gwcore.engine.clients.selection import part_wants
from gwcore.errors import NotConnected, ProtocolError
from gwcore.model import ACCOUNT_KINDS, MARKET_KINDS, TYPE_OF_KIND, Record
from gwcore.subjects import Subjects
from gwcore.testing.client_port import SmallPort
from gwcore.testing.events import book_snapshot, trade
from gwcore.wire import RequestError, SnapshotEnd, SnapshotRequest, Subscribe, Subscribed, frame_event

PREFIX = "gw.sim.kraken"
SYMBOLS = (None, "BTC/USD", "ETH/USD", "A-B.S", "XBT/EUR")
SELECTIONS: list[dict[str, Any]] = [
    {},
    {"symbols": ("BTC/USD",)},
    {"symbols": ("BTC/*", "A-B.S"), "kinds": ("trade_summary", "gap")},
    {"symbols": ("BTC/USD", "A-B.S"), "kinds": ("trade_summary", "stream_status", "order_update")},
    {"kinds": ("market_by_price", "no_such_kind")},
    {"symbols": ("[BX]*",)},
]


def matches(pattern: str, subject: str) -> bool:
    """As a NATS server does it."""
    wanted, found = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == ">":
            return len(found) > index
        if index >= len(found) or token not in ("*", found[index]):
            return False
    return len(wanted) == len(found)


def news(sequence: int = 1, kind: str = "trade_summary", symbol: str | None = "BTC/USD", **fields: Any) -> News:
    partition, session = fields.get("partition", "md.0"), fields.get("session", "S1")
    return News(b"x" * 10, partition, session, sequence, kind, symbol)


@pytest.mark.parametrize("options", SELECTIONS)
def test_subjects_hold_all_that_the_gateway_would_send(options: dict[str, Any]) -> None:
    request = Subscribe(request_id=1, **options)
    found = patterns(PREFIX, request)
    assert len(found) == len(set(found))
    subjects = Subjects("sim", "kraken")
    for kind in TYPE_OF_KIND:
        for partition in ("md.0", "st", "ex.main"):
            if (kind in ACCOUNT_KINDS) != (partition == "ex.main") and kind in ACCOUNT_KINDS | MARKET_KINDS:
                continue
            for symbol in SYMBOLS:
                record = Record(partition, "S1", 1, kind, symbol, None, None, 1, b"")
                if part_wants(request.symbols, request.kinds, (), kind, symbol, None):
                    assert any(matches(pattern, subjects.of_record(record)) for pattern in found), (kind, symbol)
    for subject in (f"{PREFIX}.md.gap._", f"{PREFIX}.st.gap"):
        assert any(matches(pattern, subject) for pattern in found)


def test_exact_symbols_are_exact_subjects_up_to_a_limit() -> None:
    found = patterns(PREFIX, Subscribe(request_id=1, symbols=("BTC/USD",), kinds=("trade_summary",)))
    assert f"{PREFIX}.md.trade_summary.BTC-USD" in found
    assert f"{PREFIX}.md.trade_summary.*" not in found
    assert not any(".ex." in pattern for pattern in found)
    many = tuple(f"S{number}/USD" for number in range(EXACT_SUBJECTS_MAX + 1))
    assert f"{PREFIX}.md.trade_summary.*" in patterns(
        PREFIX, Subscribe(request_id=1, symbols=many, kinds=("trade_summary",))
    )


def test_accounts_are_missed_only_where_they_were_asked_for() -> None:
    everything, orders = Subscribe(request_id=1), Subscribe(request_id=2, kinds=("order_ack",))
    assert not must_be_granted(PREFIX, everything, f"{PREFIX}.ex.>")
    assert must_be_granted(PREFIX, everything, f"{PREFIX}.md.>")
    assert must_be_granted(PREFIX, orders, f"{PREFIX}.ex.*.order_ack")


def test_what_an_answer_holds_is_no_news_to_who_asked() -> None:
    selection = NatsSelection()
    selection.add(Subscribe(request_id=1, symbols=("BTC/*",)))
    selection.joined(1, {"md.0": ("S1", 5)})
    assert [number for number in range(3, 8) if selection.is_news(news(number))] == [6, 7]
    assert selection.is_news(news(3, session="S0"))
    assert selection.is_news(news(3, partition="md.1"))
    assert not selection.is_news(news(9, symbol="ETH/USD"))
    selection.add(Subscribe(request_id=2))
    selection.joined(2, {"md.0": ("S1", 8)})
    assert [number for number in range(3, 8) if selection.is_news(news(number))] == [6, 7]  # still news to the first
    assert [number for number in range(7, 10) if selection.is_news(news(number, symbol="ETH/USD"))] == [9]
    selection.remove(1)
    assert [number for number in range(5, 10) if selection.is_news(news(number))] == [9]


def test_notices_of_gaps_go_to_all_and_gaps_as_events_to_who_asked() -> None:
    selection = NatsSelection()
    assert not selection.wants(news(0, "gap", None))
    selection.add(Subscribe(request_id=1, kinds=("trade_summary",)))
    assert selection.wants(news(0, "gap", None))
    assert not selection.wants(news(4, "gap", None))


def test_fresh_state_is_of_the_market_data_asked_for() -> None:
    selection = NatsSelection()
    selection.add(Subscribe(request_id=1, symbols=("BTC/*",), kinds=("trade_summary", "stream_status")))
    selection.add(Subscribe(request_id=2, kinds=("order_update",)))
    selection.add(Subscribe(request_id=3))
    first, second = selection.state_requests(-1)
    assert first == SnapshotRequest(request_id=-1, symbols=("BTC/*",), kinds=("trade_summary",))
    assert (second.request_id, second.symbols, set(second.kinds)) == (-2, (), MARKET_KINDS)


def test_only_numbered_market_data_is_dropped() -> None:
    backlog = NatsBacklog(events_max=5, bytes_max=1000)
    backlog.add_answer(b"answer")
    for number in range(1, 4):
        backlog.add_news(news(number), hold=False)
    backlog.add_news(news(1, "order_update", partition="ex.a"), hold=True)
    backlog.add_news(news(0, "gap", None), hold=True)
    assert backlog.is_over
    backlog.conflate()
    backlog.add_news(news(4), hold=False)
    backlog.release(lambda one: True)
    assert not backlog.is_over
    assert backlog.take(9) == b"answer" + frame_event(b"x" * 10) * 2
    [gap] = backlog.take_gaps()
    assert (gap.partition, gap.session_id, gap.first_sequence, gap.last_sequence, gap.dropped) == (
        "md.0",
        "S1",
        1,
        4,
        4,
    )
    assert not backlog.is_dropping
    assert not backlog.is_ready


def test_bytes_have_a_limit_too() -> None:
    backlog = NatsBacklog(events_max=100, bytes_max=25)
    for number in range(1, 4):
        backlog.add_news(news(number), hold=True)
    assert backlog.is_over
    backlog.release(lambda one: one.sequence == 3)
    assert not backlog.is_over
    backlog.add_answer(b"y" * 20)
    assert backlog.is_over


def test_repeated_events_and_other_sessions() -> None:
    order = ArrivalOrder()
    assert [order.is_repeated(news(number), 1) for number in (1, 3, 3, 2, 4)] == [False, False, True, True, False]
    notice = news(0, "gap", None)
    assert [order.is_repeated(notice, one) for one in (1, 2)] == [False, True]
    assert not order.is_repeated(notice, 2)  # said twice on one subject
    with pytest.raises(NotConnected, match=r"started anew: session S2 of md\.0 follows S1"):
        order.is_repeated(news(1, session="S2"), 1)
    with pytest.raises(NotConnected, match="started anew"):
        order.expect({"md.0": ("S3", 4)})


def test_replays_of_one_write_are_asked_as_one() -> None:
    first = Subscribe(request_id=1, symbols=("A/B",), kinds=("gap",), resume={"md.0": ("S1", 4)})
    second = Subscribe(request_id=2, kinds=("trade_summary",), resume={})
    snapshot = SnapshotRequest(request_id=3)
    together, alone = asks_of([first, snapshot, second])
    assert together.request == Subscribe(request_id=1, kinds=("gap", "trade_summary"), resume={"md.0": ("S1", 4)})
    assert together.answers(SnapshotEnd(request_id=1)) == [SnapshotEnd(request_id=1), SnapshotEnd(request_id=2)]
    assert together.answers(Subscribed(request_id=1, symbols=("A/B", "C/D"))) == [
        Subscribed(request_id=1, symbols=("A/B",)),
        Subscribed(request_id=2, symbols=("A/B", "C/D")),
    ]
    error = RequestError(request_id=3, code="x", text="y")
    assert (alone.verb, alone.answers(error)) == ("snapshot", [error])
    assert [ask.request.request_id for ask in asks_of([Subscribe(request_id=4), Subscribe(request_id=5)])] == [4, 5]


def test_an_event_is_read_as_far_as_needed() -> None:
    port = SmallPort()
    [book, one] = port.publish(book_snapshot(), trade())
    assert read_news(one.payload) == News(one.payload, "md.0", "S1", 2, "trade_summary", "BTC/USD")
    assert read_news(port.private(trade(), "md.0").payload).sequence == 0
    assert read_news(book.payload).may_go
    for garbage in (b"", b"{}", b"\xff", b'{"header":{},"event":{}}'):
        with pytest.raises(ProtocolError):
            read_news(garbage)


def test_who_sees_his_own_orders_alone_asks_for_their_subjects() -> None:
    """The server may let him hear nothing of `ex`."""
    kinds = ("order_ack", "trade_update", "funds")
    assert patterns("p", Subscribe(request_id=1, kinds=kinds), ["main"], "a b") == [
        "p.own.a_20b.*.order_ack",
        "p.own.a_20b.*.trade_update",
        "p.ex.main.funds",
        "p.md.gap.*",
        "p.st.gap",
        "p.st.gap.*",
    ]
    everything = patterns("p", Subscribe(request_id=1), ["main"], "a b")
    assert {"p.own.a_20b.>", "p.ex.main.funds", "p.ex.main.ready"} < set(everything)
    assert not [one for one in everything if one.endswith("order_update") or one.startswith("p.ex.main.>")]
