"""Oracles see what is wrong: each violation planted here is found, and a clean run has none."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
import pytest

from gwcore.archive import manifest as manifests
from gwcore.archive.names import list_archive
from gwcore.book import BookRule, OrderBook
from gwcore.engine.publisher import Publisher
from gwcore.model import (
    Event,
    Gap,
    GapState,
    Instrument,
    MarketByPriceUpdate,
    Origin,
    PriceLevel,
    Record,
    ReferenceData,
    Side,
    StaleReason,
    TopOfBook,
    Trade,
    TradeSummary,
    UpdateType,
)
from gwcore.testing.oracles import (
    ClientLog,
    TrueLevels,
    TrueTrade,
    check_archive,
    check_book_streams,
    check_books,
    check_client,
    check_sequences,
    check_trades,
    check_trades_true,
    journal_hash,
)
from gwcore.testing.storage import MemoryStorage
from gwcore.wire import decode_envelope

BTC = ReferenceData(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_decimals=1,
    quantity_decimals=2,
    tick_size="0.1",
    lot_size="0.01",
)


class Fixed:
    """Clock and ids."""

    def __init__(self) -> None:
        self.sessions = 0

    def now_ns(self) -> int:
        return 1_000

    def monotonic_ns(self) -> int:
        return 1_000

    def session_id(self) -> str:
        self.sessions += 1
        return f"S{self.sessions}"


class Tape:
    """Publishes into a list as a gateway would, with as many restarts as wanted."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._fixed = Fixed()
        self._positions: dict[str, int] = {}
        self.restart()

    def restart(self) -> None:
        self._publisher = Publisher(
            venue="toy",
            source="toy",
            clock=self._fixed,
            ids=self._fixed,
            journal=self,
            on_record=lambda record, event, partition: None,
        )

    def append(self, record: Record) -> int:
        position = self._positions.get(record.journal_class, 0) + 1
        self._positions[record.journal_class] = position
        self.records.append(record._replace(position=position))
        return position

    def publish(self, *events: Event, partition: str = "md.0") -> Tape:
        for event in events:
            self._publisher.publish(self._publisher.partition(partition), event)
        return self


def rule_of(instrument: Instrument, depth: int) -> BookRule:
    return BookRule(
        price_decimals=instrument.price_decimals,
        quantity_decimals=instrument.quantity_decimals,
        depth=depth,
        level_text=lambda price, quantity: b"%d%d" % (price, quantity),
        checksum=lambda bids, asks: zlib.crc32(b"".join((*asks, *bids))),
    )


def checksum(bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> int | None:
    book = OrderBook("BTC/USD", rule_of(BTC, 10))
    book.apply(book_update(UpdateType.SNAPSHOT, bids, asks, None))
    return book.checksum()


def book_update(
    update_type: UpdateType,
    bids: Sequence[tuple[str, str]] = (),
    asks: Sequence[tuple[str, str]] = (),
    crc: int | None = None,
) -> MarketByPriceUpdate:
    return MarketByPriceUpdate(
        symbol="BTC/USD",
        update_type=update_type,
        bids=tuple(PriceLevel(*level) for level in bids),
        asks=tuple(PriceLevel(*level) for level in asks),
        checksum=crc,
        depth=10 if update_type is UpdateType.SNAPSHOT else None,
        reason=StaleReason.DISCONNECT if update_type is UpdateType.STALE else None,
    )


BIDS, ASKS = [("9.0", "1.00"), ("8.0", "2.00")], [("10.0", "3.00")]
SNAPSHOT = book_update(UpdateType.SNAPSHOT, BIDS, ASKS, checksum(BIDS, ASKS))
DEEPER = book_update(UpdateType.INCREMENTAL, [("7.0", "1.00")], crc=checksum([*BIDS, ("7.0", "1.00")], ASKS))
BETTER = book_update(UpdateType.INCREMENTAL, [("9.5", "1.00")])
STALE = book_update(UpdateType.STALE)


def top(bid: str | None = "9.0", quantity: str | None = "1.00") -> TopOfBook:
    return TopOfBook(
        symbol="BTC/USD",
        update_type=UpdateType.SNAPSHOT,
        bid_price=bid,
        bid_quantity=quantity,
        ask_price="10.0",
        ask_quantity="3.00",
    )


TOP_STALE = TopOfBook(symbol="BTC/USD", update_type=UpdateType.STALE)
GOOD: tuple[Event, ...] = (BTC, SNAPSHOT, top(), DEEPER, STALE, TOP_STALE, SNAPSHOT, top(), BETTER, top("9.5"))


def test_a_good_stream_has_no_violation() -> None:
    tape = Tape().publish(*GOOD)
    tape.restart()
    tape.publish(*GOOD)
    assert check_sequences(tape.records) == []
    assert check_book_streams(tape.records, rule_of) == []


@pytest.mark.parametrize(
    ("events", "violation"),
    [
        ((BTC, DEEPER), "increment of a book that is not LIVE"),
        ((BTC, SNAPSHOT, top(), STALE, TOP_STALE, DEEPER), "increment of a book that is not LIVE"),
        ((BTC, STALE), "STALE of a book that was not LIVE"),
        ((SNAPSHOT,), "before the instrument"),
        ((BTC, msgspec.structs.replace(SNAPSHOT, checksum=1)), "venue says 1"),
        ((BTC, SNAPSHOT, top(), msgspec.structs.replace(DEEPER, bids=(PriceLevel("6.0", "1.00"),))), "venue says"),
        ((BTC, SNAPSHOT, DEEPER), "no TopOfBook followed"),
        ((BTC, SNAPSHOT, top(), BETTER, DEEPER), "no TopOfBook followed"),
        ((BTC, SNAPSHOT, top("8.0")), "TopOfBook says"),
        ((BTC, SNAPSHOT, top(), STALE, top()), "TopOfBook of a book that is not LIVE"),
        ((BTC, SNAPSHOT, top(), TOP_STALE), "TopOfBook is STALE and its book is not"),
    ],
)
def test_bad_streams_are_found(events: tuple[Event, ...], violation: str) -> None:
    (found,) = check_book_streams(Tape().publish(*events).records, rule_of)
    assert violation in found


@pytest.mark.parametrize(
    ("spoil", "violation"),
    [
        (lambda records: records.pop(3), "follows"),
        (lambda records: records.insert(3, records[2]), "follows"),
        (lambda records: records.__setitem__(3, records[3]._replace(symbol="X")), "the record says"),
        (lambda records: records.__setitem__(3, records[3]._replace(partition="md.1")), "its session is that of md.0"),
        (lambda records: records.__setitem__(3, records[3]._replace(payload=records[2].payload)), "the record says"),
    ],
)
def test_bad_sequences_are_found(spoil: Callable[[list[Record]], object], violation: str) -> None:
    records = Tape().publish(*GOOD).records
    spoil(records)
    assert any(violation in found for found in check_sequences(records))


def trades(*ids: int, update_type: UpdateType = UpdateType.INCREMENTAL, filled: bool = False) -> TradeSummary:
    made = tuple(Trade(price="9.0", quantity="1.00", side=Side.BUY, trade_id=str(number)) for number in ids)
    origin = Origin.BACKFILL if filled else Origin.VENUE
    return TradeSummary(symbol="BTC/USD", update_type=update_type, trades=made, origin=origin)


def gap(first: int, last: int, state: GapState = GapState.OPEN) -> Gap:
    ids = {"first_trade_id": str(first), "last_trade_id": str(last)}
    return Gap(state=state, cause="jump", symbol="BTC/USD", channel="trade", **ids)


LOST, CLOSED = GapState.LOST, GapState.CLOSED


@pytest.mark.parametrize(
    ("events", "violation"),
    [
        ((trades(1, 2), trades(3)), ""),
        ((trades(1), gap(2, 4), gap(2, 4, LOST), trades(5)), ""),
        ((trades(1), gap(2, 4), trades(2, 3, 4, filled=True), gap(2, 4, CLOSED), trades(5)), ""),
        (
            (trades(1), gap(2, 4), trades(2, filled=True), gap(3, 3, LOST), trades(4, filled=True), gap(4, 4, CLOSED)),
            "",
        ),
        ((trades(1), gap(2, 4), trades(5)), "trade 5 while the gap"),
        ((trades(1), gap(2, 4), trades(2, filled=True), gap(2, 4, CLOSED)), "the last trade is 2"),
        ((trades(1), trades(2, filled=True)), "no gap is open"),
        ((trades(1), gap(2, 4)), "stayed open"),
        ((trades(1), gap(2, 3), gap(2, 3, LOST), trades(5)), "trades 2 to 4 are missing"),
        ((trades(1), gap(2, 3, LOST)), "is open"),
        ((trades(1), trades(3)), "trades 2 to 2 are missing"),
        ((trades(1), trades(1)), "trade 1 after 1"),
        ((trades(1), trades(9), trades(20, update_type=UpdateType.SNAPSHOT)), "trades 2 to 8"),
        ((trades(1), trades(20, update_type=UpdateType.SNAPSHOT)), ""),
    ],
)
def test_missing_and_doubled_trades_are_found(events: tuple[Event, ...], violation: str) -> None:
    found = check_trades(Tape().publish(*events).records)
    assert (violation in found[0]) if violation else found == []


def test_invented_trades_are_found() -> None:
    records = Tape().publish(trades(1, 2)).records
    good = TrueTrade("9.00", "1", "BUY")
    assert check_trades_true(records, {"BTC/USD": {1: good, 2: good}}) == []
    assert "no trade 2" in check_trades_true(records, {"BTC/USD": {1: good}})[0]
    assert "at the venue" in check_trades_true(records, {"BTC/USD": {1: good, 2: good._replace(side="SELL")}})[0]


class Level:
    def __init__(self, price: str, quantity: str) -> None:
        self.price, self.quantity = Decimal(price), Decimal(quantity)


class ClientBook:
    def __init__(self, state: str, bids: list[Level], asks: list[Level]) -> None:
        self.state, self.reason = state, "because"
        self._bids, self._asks = bids, asks

    def peek(self) -> ClientBook:
        return self

    def bids(self, count: int | None = None) -> list[Level]:
        return self._bids

    def asks(self, count: int | None = None) -> list[Level]:
        return self._asks


def test_books_that_differ_are_found() -> None:
    truth = {"BTC/USD": TrueLevels([("9.0", "1.00")], [("10.0", "3.00")])}
    good = ClientBook("LIVE", [Level("9", "1")], [Level("10", "3")])
    assert check_books({"BTC/USD": good}, truth) == []
    assert "unknown" in check_books({}, truth)[0]
    assert "STALE (because)" in check_books({"BTC/USD": ClientBook("STALE", [], [])}, truth)[0]
    other = ClientBook("LIVE", [Level("9", "2")], [])
    assert check_books({"BTC/USD": other}, truth) == [
        "BTC/USD bid 0: 9 x 2, at the venue 9.0 x 1.00",
        "BTC/USD asks: 0 levels, at the venue 1",
    ]


def client_of(records: Sequence[Record], skip: Sequence[int] = ()) -> ClientLog:
    log = ClientLog("one")
    for record in records:
        if record.sequence not in skip:
            log.add(decode_envelope(record.payload), record.payload)
    return log


def notice(tape: Tape, first: int, last: int) -> Record:
    event = Gap(cause="slow", partition="md.0", session_id="S1", first_sequence=first, last_sequence=last)
    other = Tape().publish(event).records[0]
    envelope = decode_envelope(other.payload)
    header = msgspec.structs.replace(envelope.header, sequence=None, after_sequence=last)
    return other._replace(payload=msgspec.json.encode(msgspec.structs.replace(envelope, header=header)))


def test_what_a_client_missed_must_be_marked() -> None:
    tape = Tape().publish(*GOOD)
    records = tape.records
    assert check_client(client_of(records), records, from_start=True) == []
    log = client_of(records, skip=(4, 5))
    assert "2 missing and no Gap says so, first 4, last 5" in check_client(log, records, from_start=True)[0]
    told = notice(tape, 4, 5)
    log.add(decode_envelope(told.payload), told.payload)
    assert check_client(log, records, from_start=True) == []
    late = client_of(records, skip=(1, 2))
    assert check_client(late, records, from_start=False) == []
    assert "first 1, last 2" in check_client(late, records, from_start=True)[0]
    end = client_of(records, skip=(10,))
    assert "first 10, last 10" in check_client(end, records, from_start=False)[0]


def test_what_a_client_got_twice_or_otherwise_is_found() -> None:
    records = Tape().publish(*GOOD).records
    assert "10 after 10" in check_client(client_of([*records, records[-1]]), records, from_start=True)[0]
    changed = [*records[:-1], records[-1]._replace(payload=records[-1].payload.replace(b"9.5", b"9.6"))]
    assert "not what the journal holds" in check_client(client_of(changed), records, from_start=True)[0]
    assert "nothing of session S1" in check_client(ClientLog("none"), records, from_start=True)[0]


def test_archive_must_hold_the_journal() -> None:
    zstd = pytest.importorskip("backports.zstd")
    records = Tape().publish(*GOOD).records
    storage = MemoryStorage()
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    for kind, chosen in by_kind.items():
        for part in (chosen[:1], chosen[1:]):
            if part:
                name = f"{kind}/date=2026-01-01/md-S1-{part[0].position:012d}-{part[-1].position:012d}.jsonl.zst"
                storage.replace(name, zstd.compress(b"".join(record.payload + b"\n" for record in part)))
    assert "its manifest is missing" in check_archive(storage, records)[0]
    origin = manifests.Origin(venue="toy", environment="sim", source="gw1")
    for file in list_archive(storage):
        storage.replace(file.manifest, manifests.encode_manifest(manifests.describe(storage, file, origin)))
    assert check_archive(storage, records) == []
    last = list_archive(storage)[-1].name
    assert f"archive {last}: line 3 is not what the journal holds" in check_archive(storage, records[:-1])
    name = list_archive(storage)[0].name
    content = storage.read(name)
    storage.remove(name)
    assert check_archive(storage, records) == ["archive: 1 records are missing, first reference_data at md 1"]
    storage.replace(name, content)
    storage.replace(name.replace("01-01", "01-02"), content)
    repeated, undescribed = check_archive(storage, records)
    assert repeated == f"archive {name.replace('01-01', '01-02')}: it repeats what another file holds"
    assert "its manifest is missing" in undescribed
    storage.remove(name.replace("01-01", "01-02"))
    storage.rename(name, name.replace("0001.json", "0002.json"))
    assert "it holds 1 to 1" in check_archive(storage, records)[0]
    storage.rename(name.replace("0001.json", "0002.json"), name.replace("reference_data", "gap"))
    assert "a record of md/reference_data" in check_archive(storage, records)[0]


def test_journal_hash_is_of_all_bytes_in_order() -> None:
    records = Tape().publish(*GOOD).records
    assert journal_hash(records) == journal_hash(list(records))
    assert journal_hash(records) != journal_hash(records[::-1])
    assert journal_hash(records) != journal_hash(records[:-1])
