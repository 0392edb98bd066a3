from __future__ import annotations

from typing import Any

import pytest

from gwcore.engine.clients.fanout import TURN_RECORDS_MAX, Fanout, Identity
from gwcore.engine.clients.state import CurrentState
from gwcore.engine.publisher import Publisher
from gwcore.model import Gap, Ready, Side, StreamStatus, TopOfBook, Trade, TradeSummary, UpdateType
from gwcore.settings import ClientSettings
from gwcore.transport import ClientInfo
from gwcore.wire import (
    Goodbye,
    Hello,
    Ping,
    RequestError,
    SnapshotEnd,
    SnapshotRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    decode_envelope,
)


class Clock:
    def now_ns(self):
        return 1

    def monotonic_ns(self):
        return 1


class Ids:
    def __init__(self):
        self.count = 0

    def session_id(self):
        self.count += 1
        return f"S{self.count}"


class Shelf:
    """A journal in memory; `first` is the oldest position kept."""

    def __init__(self):
        self.records = {"md": [], "st": [], "ex": []}
        self.earlier: dict[tuple[str, int], int] = {}

    def append(self, record):
        records = self.records[record.journal_class]
        records.append(record._replace(position=len(records) + 1))
        return len(records)

    def last_position(self, journal_class):
        return len(self.records[journal_class])

    def position_of(self, session_id, sequence):
        for records in self.records.values():
            for record in records:
                if (record.session_id, record.sequence) == (session_id, sequence):
                    return record.position
        return self.earlier.get((session_id, sequence))

    def reader(self, journal_class, after):
        shelf = self

        class Reader:
            position = after

            def read(self, count_max, *, synced_only=True):
                found = shelf.records[journal_class][self.position : self.position + count_max]
                self.position += len(found)
                return found

        return Reader()


class Writer:
    """The client's end."""

    def __init__(self):
        self.log: list[Any] = []
        self.calls = 0
        self.closed: str | None = None

    def write_events(self, records):
        self.calls += 1
        self.log.extend(decode_envelope(record.payload) for record in records)

    def write_message(self, message):
        self.log.append(message)

    def close(self, reason):
        self.closed = reason
        self.log.append(Goodbye(reason=reason))

    def events(self):
        return [entry.event for entry in self.log if hasattr(entry, "event")]

    def sequences(self):
        return [e.header.sequence for e in self.log if hasattr(e, "header") and e.header.sequence is not None]


class Desk:
    """A fan-out with its publisher; `turn` is the end of a loop turn."""

    def __init__(self, **settings):
        self.shelf = Shelf()
        self.woken = 0
        self.state = CurrentState()
        self.publisher = Publisher(
            venue="toy", source="t", clock=Clock(), ids=Ids(), journal=self.shelf, on_record=self._on_record
        )
        self.fanout = Fanout(
            identity=Identity(version="1", venue="toy", environment="sim", source="t"),
            publisher=self.publisher,
            state=self.state,
            journal=self.shelf,
            settings=ClientSettings(**settings),
            clock=Clock(),
            wake=self._wake,
        )
        self.md = self.publisher.partition("md.0")

    def _on_record(self, record, event, partition):
        self.fanout.on_record(record, event, partition)

    def _wake(self):
        self.woken += 1

    def turn(self):
        for _ in range(50):
            self.fanout.flush()

    def trade(self, symbol="BTC/USD", number=1):
        trade = Trade(price="1.0", quantity="1.00", side=Side.BUY, trade_id=str(number))
        self.publisher.publish(self.md, TradeSummary(symbol=symbol, trades=(trade,)))

    def top(self, symbol="BTC/USD"):
        self.publisher.publish(self.md, TopOfBook(symbol=symbol, update_type=UpdateType.SNAPSHOT, bid_price="1.0"))

    def client(self, **subscribe):
        writer = Writer()
        session = self.fanout.open(ClientInfo(transport="toy", identity="uid:0"), writer)
        session.submit(Hello(name="x"))
        if subscribe:
            session.submit(Subscribe(request_id=1, **subscribe))
        return session, writer


@pytest.fixture
def desk():
    return Desk()


def test_hello_comes_first_and_is_answered(desk):
    session, writer = desk.client()
    assert isinstance(writer.log[0], Welcome)
    other = Writer()
    desk.fanout.open(ClientInfo(transport="toy", identity="uid:0"), other).submit(Ping(request_id=1))
    assert other.closed == "the first request has to be hello"
    session.submit(Ping(request_id=7))
    assert writer.log[-1].request_id == 7


def test_another_protocol_is_refused_with_the_reason(desk):
    writer = Writer()
    desk.fanout.open(ClientInfo(transport="toy", identity="uid:0"), writer).submit(Hello(protocol=99))
    assert "99" in (writer.closed or "")


def test_state_first_then_news_without_a_gap(desk):
    desk.top()
    desk.trade()
    _, writer = desk.client(symbols=("BTC/*",))
    kinds = [type(entry).__name__ for entry in writer.log]
    assert kinds == ["Welcome", "Subscribed", "Envelope", "SnapshotEnd"]
    state = writer.log[2]
    assert (state.header.sequence, state.header.after_sequence) == (None, 2)
    desk.trade()
    desk.turn()
    assert writer.sequences() == [3]


def test_only_what_was_asked_for_comes(desk):
    _, writer = desk.client(symbols=("ETH/*",), kinds=("trade_summary",))
    desk.trade("BTC/USD")
    desk.trade("ETH/USD")
    desk.top("ETH/USD")
    desk.turn()
    assert [event.symbol for event in writer.events()] == ["ETH/USD"]


def test_all_events_of_a_turn_are_one_write(desk):
    _, writer = desk.client(kinds=("trade_summary",))
    for number in range(5):
        desk.trade(number=number)
    desk.fanout.flush()
    assert writer.calls == 1
    assert len(writer.events()) == 5


def test_from_start_replays_the_session_then_goes_on(desk):
    for number in range(1200):
        desk.trade(number=number)
    _, writer = desk.client(from_start=True)
    desk.trade()
    desk.turn()
    desk.trade()
    desk.turn()
    assert writer.sequences() == list(range(1, 1203))


def test_resume_goes_on_behind_the_token(desk):
    for _ in range(5):
        desk.trade()
    _, writer = desk.client(resume={"md.0": (desk.md.session_id, 3)})
    desk.trade()
    desk.turn()
    assert writer.sequences() == [4, 5, 6]


def test_resume_of_an_earlier_session_of_market_data_is_a_gap_then_state(desk):
    desk.top()
    desk.trade()
    _, writer = desk.client(resume={"md.0": ("earlier", 77)})
    desk.trade()
    desk.turn()
    (gap,) = [event for event in writer.events() if isinstance(event, Gap)]
    assert (gap.session_id, gap.first_sequence) == ("earlier", 78)
    assert any(isinstance(event, TopOfBook) for event in writer.events())
    assert writer.sequences() == [3]


def test_resume_of_a_partition_that_is_not_there_yet_is_a_gap(desk):
    """After a restart, before the venue's first connection stands; and what a token names is not made for it."""
    _, writer = desk.client(resume={"md.7": ("earlier", 77), "zz.0": ("strange", 1)})
    desk.turn()
    gaps = [event for event in writer.events() if isinstance(event, Gap)]
    assert [(gap.partition, gap.session_id, gap.first_sequence) for gap in gaps] == [
        ("md.7", "earlier", 78),
        ("zz.0", "strange", 2),
    ]
    assert not {"md.7", "zz.0"} & desk.publisher.partitions.keys()


def test_resume_of_an_earlier_status_session_is_honoured(desk):
    status = desk.publisher.partition("st")
    desk.publisher.publish(status, Ready())
    desk.shelf.earlier[("earlier", 9)] = 0
    _, writer = desk.client(resume={"st": ("earlier", 9)})
    desk.turn()
    assert [type(event).__name__ for event in writer.events()] == ["Ready"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Subscribe(request_id=2, kinds=("books",)), "unknown_kind"),
        (Subscribe(request_id=2, on_slow="wait"), "bad_request"),
        (Subscribe(request_id=2, from_start=True), "bad_request"),
        (Unsubscribe(request_id=2, subscription=9), "unknown_subscription"),
        (SnapshotRequest(request_id=2, kinds=("books",)), "unknown_kind"),
    ],
)
def test_bad_requests_are_answered_not_punished(desk, request_, code):
    session, writer = desk.client(kinds=("ready",))
    session.submit(request_)
    assert isinstance(writer.log[-1], RequestError)
    assert (writer.log[-1].code, writer.log[-1].request_id) == (code, 2)
    assert writer.closed is None


def test_unsubscribe_ends_the_news(desk):
    session, writer = desk.client(kinds=("trade_summary",))
    session.submit(Unsubscribe(request_id=2, subscription=1))
    desk.trade()
    desk.turn()
    assert writer.events() == []


def test_a_slow_client_is_conflated_with_a_gap_then_state():
    desk = Desk(buffer_bytes_max=4000)
    desk.top()
    session, writer = desk.client(symbols=("*",))
    healthy, other = desk.client(symbols=("*",))
    session.pause()
    for number in range(100):
        desk.trade(number=number)
        desk.fanout.flush()
    assert session.buffered_bytes <= 4000
    assert session.is_conflating
    desk.publisher.publish(desk.publisher.partition("st"), Ready())
    session.resume()
    desk.turn()
    (gap,) = [event for event in writer.events() if isinstance(event, Gap)]
    assert (gap.first_sequence, gap.last_sequence, gap.dropped) == (2, 101, 100)
    assert any(isinstance(event, Ready) for event in writer.events())
    assert isinstance(writer.events()[-1], TopOfBook)
    desk.trade()
    desk.turn()
    assert writer.sequences()[-1] == 102
    assert len([event for event in other.events() if isinstance(event, TradeSummary)]) == 101
    assert not healthy.is_conflating


def test_a_slow_client_that_chose_so_is_cut_with_a_reason():
    desk = Desk(buffer_bytes_max=4000)
    session, writer = desk.client(on_slow="disconnect", symbols=("*",))
    session.pause()
    for number in range(100):
        desk.trade(number=number)
    desk.turn()
    assert "too slow" in (writer.closed or "")
    assert desk.fanout.cut == {"slow": 1}
    assert desk.fanout.sessions == ()


def test_a_paused_client_does_not_read_the_journal(desk):
    for number in range(1000):
        desk.trade(number=number)
    session, writer = desk.client(from_start=True)
    session.pause()
    desk.turn()
    assert writer.events() == []
    session.resume()
    desk.turn()
    assert len(writer.events()) == 1000


def test_too_many_clients_are_told_so():
    desk = Desk(clients_max=1)
    desk.client()
    _, writer = desk.client()
    assert "limit" in (writer.closed or "")


def test_stream_status_is_state_by_channel_and_symbol(desk):
    status = desk.publisher.partition("st")
    for channel in ("book", "trade", "book"):
        desk.publisher.publish(status, StreamStatus(channel=channel, symbol="BTC/USD", state="LIVE"))  # type: ignore[arg-type]
    _, writer = desk.client(kinds=("stream_status",))
    assert len(writer.events()) == 2
    assert isinstance(writer.log[1], Subscribed)
    assert isinstance(writer.log[-1], SnapshotEnd)


def test_the_end_of_state_comes_behind_the_last_replayed_record(desk):
    for number in range(3):
        desk.trade(number=number)
    _, writer = desk.client(from_start=True)
    assert not any(isinstance(entry, SnapshotEnd) for entry in writer.log)
    desk.turn()
    assert isinstance(writer.log[-1], SnapshotEnd)
    assert writer.sequences() == [1, 2, 3]


def test_subscriptions_sent_with_a_resume_share_its_replay(desk):
    desk.top()
    for symbol in ("BTC/USD", "ETH/USD", "BTC/USD", "ETH/USD"):
        desk.trade(symbol)
    session, writer = desk.client(symbols=("BTC/*",), resume={"md.0": (desk.md.session_id, 3)})
    session.submit(Subscribe(request_id=2, symbols=("ETH/*",)))
    desk.turn()
    assert writer.sequences() == [4, 5]
    assert [entry.request_id for entry in writer.log if isinstance(entry, SnapshotEnd)] == [1, 2]


def test_a_subscription_in_the_middle_of_a_replay_is_told_to_wait(desk):
    for number in range(1000):
        desk.trade(number=number)
    session, writer = desk.client(symbols=("BTC/*",), from_start=True)
    desk.fanout.flush()
    session.submit(Subscribe(request_id=2, symbols=("ETH/*",)))
    assert (writer.log[-1].code, writer.log[-1].request_id) == ("busy", 2)


def test_a_turn_without_end_is_shared_in_parts_and_a_late_client_is_told_no_old_news():
    desk = Desk()
    session, writer = desk.client(symbols=("*",))
    for number in range(TURN_RECORDS_MAX):
        desk.trade(number=number)
    assert session.buffered_bytes > 0
    desk.trade(number=TURN_RECORDS_MAX)
    _, late = desk.client(symbols=("*",))
    desk.turn()
    assert len(writer.sequences()) == TURN_RECORDS_MAX + 1
    assert late.sequences() == []
