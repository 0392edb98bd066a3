"""Incidents: what becomes one, what its file holds, and that no limit, disk or plugin makes it hurt the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gwcore.capture import CapturedFrame, CaptureHead, read_frames, read_head
from gwcore.engine.market.frame_ring import BookMark, FrozenRing
from gwcore.engine.publisher import Partition
from gwcore.model import (
    Channel,
    Instrument,
    MarketByPriceUpdate,
    PriceLevel,
    StaleReason,
    StreamState,
    StreamStatus,
    UpdateType,
)
from gwcore.runtime.capture.connection import ConnectionCapture
from gwcore.runtime.capture.incidents import WAITING_MAX, IncidentWriter, incident_name
from gwcore.settings import CaptureSettings
from gwcore.testing.storage import MemoryStorage

DAY_NS = 86_400_000_000_000
NOW_NS = 1_786_000_000_123_456_789


class Clock:
    def now_ns(self) -> int:
        return NOW_NS

    def monotonic_ns(self) -> int:
        return 0


class Writer:
    """Frames in a language of its own."""

    def instrument_frame(self, instruments: Sequence[Instrument]) -> bytes:
        return b'{"instruments":%d}' % len(instruments)

    def snapshot_frames(self, book: MarketByPriceUpdate) -> Sequence[bytes]:
        return (b'{"ack":"%b"}' % book.symbol.encode(), b'{"book":"%b"}' % book.symbol.encode())


async def inline(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)


def make_ring(*frames: bytes, times: Sequence[int] = ()) -> FrozenRing:
    entries: list[int | bytes] = []
    for number, frame in enumerate(frames):
        entries += [times[number] if times else number + 1, frame]
    book = MarketByPriceUpdate(symbol="BTC/USD", update_type=UpdateType.SNAPSHOT, bids=(PriceLevel("1", "1"),))
    instrument = Instrument(
        symbol="BTC/USD",
        base="BTC",
        quote="USD",
        price_decimals=1,
        quantity_decimals=1,
        tick_size="0.1",
        lot_size="0.1",
    )
    return FrozenRing(1, {"BTC/USD": BookMark(1, 1, 0, book)}, {"BTC/USD": instrument}, (entries,))


def make_head(symbol: str | None = "BTC/USD", time_ns: int = NOW_NS, **fields: Any) -> CaptureHead:
    symbols = (symbol,) if symbol is not None else ()
    return CaptureHead(connection="md.0", symbols=symbols, reason="CHECKSUM", time_ns=time_ns, **fields)


class Kit:
    def __init__(self, *, writer: Any = None, capacity_bytes: int = 1 << 40, reserve_bytes: int = 0, **settings: int):
        self.root = MemoryStorage(capacity_bytes=capacity_bytes)
        self.incidents = IncidentWriter(
            CaptureSettings(**settings),
            self.root,
            head=CaptureHead(venue="toy", environment="sim", source="me"),
            writer=Writer() if writer is None else writer,
            offload=inline,
            reserve_bytes=reserve_bytes,
        )

    def write(self, head: CaptureHead, ring: FrozenRing | None = None) -> None:
        self.incidents.report(head, make_ring(b"{}") if ring is None else ring)
        asyncio.run(self.incidents.drain())

    @property
    def names(self) -> list[str]:
        return list(self.root.list("incidents"))

    def frames(self, name: str) -> list[CapturedFrame]:
        return list(read_frames(self.root.read(name).splitlines(keepends=True), name))


def test_the_file_opens_with_instruments_and_books_and_ends_with_the_cause() -> None:
    kit = Kit()
    kit.write(make_head(detail="venue says 1"), make_ring(b'{"a":1.10}', b'{"sub":1}', b"\xff", times=(5, -6, 7)))
    (name,) = kit.names
    assert name == "incidents/20260806T070640.123456Z-BTC_USD-CHECKSUM.frames.jsonl"
    head = read_head(kit.root.read(name).splitlines()[0])
    assert head is not None
    assert (head.venue, head.environment, head.source, head.detail) == ("toy", "sim", "me", "venue says 1")
    found = [(one.time_ns, one.direction, one.synthetic, one.frame) for one in kit.frames(name)]
    assert found == [
        (1, "rx", True, b'{"instruments":1}'),
        (1, "rx", True, b'{"ack":"BTC/USD"}'),
        (1, "rx", True, b'{"book":"BTC/USD"}'),
        (5, "rx", False, b'{"a":1.10}'),
        (6, "tx", False, b'{"sub":1}'),
        (7, "rx", False, b"\xff"),
    ]
    assert kit.incidents.outcomes == {"written": 1}


@pytest.mark.parametrize(
    ("symbol", "part"),
    [
        ("BTC/USD", "-BTC_USD-"),
        ("../../x", "-_.._x-"),
        (None, "-md.0-"),
        ("ü", "-_-"),
        ("--", "-x-"),
        ("a b\n", "-a_b_-"),
    ],
)
def test_a_name_is_one_plain_word_whatever_the_symbol(symbol: str | None, part: str) -> None:
    name = incident_name(make_head(symbol))
    assert part in name
    assert not set(name) & set("/\n ")
    kit = Kit()
    kit.write(make_head(symbol))
    assert len(kit.names) == 1


def test_a_day_and_a_symbol_have_a_limit_and_a_new_day_begins_anew() -> None:
    kit = Kit(incidents_per_day_max=5, incidents_per_symbol_max=3)
    for number in range(6):
        kit.write(make_head("A/B", NOW_NS + number * 1_000_000))
    assert len(kit.names) == 3
    for number in range(6):
        kit.write(make_head(f"S{number}/B", NOW_NS + number * 1_000_000))
    assert len(kit.names) == 5
    assert kit.incidents.outcomes == {"written": 5, "dropped": 7}
    kit.write(make_head("A/B", NOW_NS + DAY_NS))
    assert len(kit.names) == 6


def test_the_oldest_files_go_for_the_newest() -> None:
    kit = Kit(incidents_bytes_max=20_000)
    for number in range(8):
        kit.write(make_head("A/B", NOW_NS + number * 1_000_000), make_ring(b'{"x":"%b"}' % (b"x" * 4_000)))
    assert 2 <= len(kit.names) <= 4
    assert kit.names[-1] == f"incidents/{incident_name(make_head('A/B', NOW_NS + 7_000_000))}"
    assert sum(kit.root.size(name) for name in kit.names) <= 20_000
    before = kit.names
    kit.write(make_head("A/B", NOW_NS + DAY_NS), make_ring(b"x" * 30_000))
    assert kit.incidents.outcomes["dropped"] == 1
    assert kit.names == before[len(before) - len(kit.names) :]


def test_a_full_disk_costs_the_incident_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    kit = Kit(capacity_bytes=3_000)
    kit.write(make_head(), make_ring(b"x" * 10_000))
    assert kit.incidents.outcomes == {"failed": 1}
    assert kit.names == []
    assert "incident of BTC_USD is not kept" in caplog.text
    kit.root.capacity_bytes = 1 << 30
    kit.write(make_head())
    assert kit.incidents.outcomes == {"failed": 1, "written": 1}


def test_a_disk_that_fails_in_the_middle_leaves_no_half_file() -> None:
    kit = Kit()
    kit.root.sync_error = "input/output error"
    kit.write(make_head())
    assert (kit.names, kit.incidents.outcomes) == ([], {"failed": 1})


def test_the_journals_reserve_is_not_touched() -> None:
    kit = Kit(capacity_bytes=100_000, reserve_bytes=99_000)
    kit.write(make_head())
    assert kit.incidents.outcomes == {"failed": 1}


def test_a_venue_writer_that_raises_costs_the_incident_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Writer):
        def snapshot_frames(self, book: MarketByPriceUpdate) -> Sequence[bytes]:
            raise KeyError("a bug")

    kit = Kit(writer=Broken())
    kit.write(make_head())
    assert kit.incidents.outcomes == {"failed": 1}
    assert kit.names == []


def test_more_than_can_wait_is_dropped() -> None:
    kit = Kit()
    for number in range(WAITING_MAX + 3):
        kit.incidents.report(make_head("A/B", NOW_NS + number * 1_000_000), make_ring(b"{}"))
    assert kit.incidents.outcomes == {"dropped": 3}
    asyncio.run(kit.incidents.drain())
    assert kit.incidents.outcomes == {"dropped": 3, "written": WAITING_MAX}


def test_books_that_one_frame_spoiled_share_a_file() -> None:
    kit = Kit()
    ring = make_ring(b"{}")
    kit.incidents.report(make_head("A/B", sequences=(1, 2)), ring)
    kit.incidents.report(make_head("C/D", sequences=(3, 4)), ring)
    asyncio.run(kit.incidents.drain())
    (name,) = kit.names
    head = read_head(kit.root.read(name).splitlines()[0])
    assert head is not None
    assert (head.symbols, head.sequences) == (("A/B", "C/D"), (1, 2, 3, 4))


def test_a_stop_in_the_middle_begins_again() -> None:
    kit = Kit()
    waits = asyncio.Event()

    async def stuck(work: Callable[..., Any], *args: Any) -> Any:
        waits.set()
        await asyncio.sleep(3600)

    async def play() -> None:
        kit.incidents._offload = stuck
        kit.incidents.report(make_head(), make_ring(b"{}"))
        running = asyncio.create_task(kit.incidents.run())
        await waits.wait()
        running.cancel()
        await asyncio.wait([running])
        kit.incidents._offload = inline
        await kit.incidents.drain()

    asyncio.run(play())
    assert kit.incidents.outcomes == {"written": 1}


# --- what is an incident ----------------------------------------------------------------------------------------------


class Reports(list[tuple[CaptureHead, FrozenRing]]):
    def take(self, head: CaptureHead, ring: FrozenRing) -> None:
        self.append((head, ring))

    @property
    def reasons(self) -> list[tuple[tuple[str, ...], str | None]]:
        return [(head.symbols, head.reason) for head, _ in self]


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def capture(reports: Reports) -> ConnectionCapture:
    partition = Partition("md.3", "SESSION")
    partition.sequence = 40
    return ConnectionCapture(CaptureSettings(), partition, Clock(), report=reports.take)


def status(reason: StaleReason | None, state: StreamState = StreamState.STALE, symbol: str = "A/B") -> StreamStatus:
    return StreamStatus(channel=Channel.BOOK.value, symbol=symbol, shard=3, state=state, reason=reason, detail="why")


def test_a_book_gone_bad_is_an_incident_with_the_events_that_said_so(
    capture: ConnectionCapture, reports: Reports
) -> None:
    capture.note(b"one", 1)
    capture.note(b"two", 2)
    capture.on_status(status(StaleReason.CHECKSUM))
    ((head, ring),) = reports
    assert (head.connection, head.symbols, head.reason, head.detail) == ("md.3", ("A/B",), "CHECKSUM", "why")
    assert (head.session_id, head.sequences, head.time_ns) == ("SESSION", (39, 40), NOW_NS)
    assert ring.entries == ([1, b"one", 2, b"two"],)


@pytest.mark.parametrize(
    "reason", [StaleReason.DISCONNECT, StaleReason.VENUE_STATUS, StaleReason.REJECTED, StaleReason.UNSUBSCRIBED, None]
)
def test_a_lost_connection_and_a_closed_market_are_none(
    capture: ConnectionCapture, reports: Reports, reason: StaleReason | None
) -> None:
    capture.note(b"one", 1)
    capture.on_status(status(reason))
    capture.on_status(status(reason, StreamState.RESYNC))
    capture.on_status(status(None, StreamState.LIVE))
    assert reports == []


def test_one_fault_is_one_incident_though_it_is_told_twice(capture: ConnectionCapture, reports: Reports) -> None:
    capture.note(b"one", 1)
    capture.on_status(status(StaleReason.CHECKSUM))
    capture.on_status(status(StaleReason.CHECKSUM, StreamState.RESYNC))
    assert len(reports) == 1
    capture.note(b"bad snapshot", 2)
    capture.on_status(status(StaleReason.CHECKSUM, StreamState.RESYNC))
    assert reports.reasons == [(("A/B",), "CHECKSUM")] * 2
    assert reports[1][0].sequences == ()


def test_a_try_that_nobody_answered_is_none(capture: ConnectionCapture, reports: Reports) -> None:
    capture.note(b"one", 1)
    capture.on_status(status(StaleReason.SILENCE, StreamState.RESYNC))
    capture.on_status(status(StaleReason.NO_SNAPSHOT, StreamState.QUARANTINED))
    assert reports == []


def test_books_that_go_bad_at_once_share_one_ring(capture: ConnectionCapture, reports: Reports) -> None:
    capture.note(b"one", 1)
    capture.on_status(status(StaleReason.SEQUENCE_GAP, symbol="A/B"))
    capture.on_status(status(StaleReason.SEQUENCE_GAP, symbol="C/D"))
    assert reports[0][1] is reports[1][1]


def test_a_frame_that_cant_be_read_is_an_incident_of_the_connection(
    capture: ConnectionCapture, reports: Reports
) -> None:
    capture.on_undecodable("before any frame")
    capture.note(b"?", 1)
    capture.on_undecodable("frame of 1 bytes can't be read")
    ((head, ring),) = reports
    assert (head.symbols, head.reason, head.detail) == ((), "DECODE", "frame of 1 bytes can't be read")
    assert ring.entries == ([1, b"?"],)
