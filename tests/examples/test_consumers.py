"""Both consumers against hand-made streams: what must make a book unusable, what must heal it, and what must not touch it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import nats
import pytest
from nats.js.api import StreamConfig, SubjectTransform

from gwcore import wire
from gwcore.model import Envelope, Header, MarketByPriceUpdate
from gwcore.testing.events import book_change, book_snapshot, book_stale

pytestmark = pytest.mark.e2e

STREAM = "gw-sim-kraken-md"
SUBJECT = "gwlog.sim.kraken.md.market_by_price.BTC-USD"
#: zlib.crc32(b"1005100" b"1010300" b"1000100" b"995200"): the book of `book_snapshot`, asks first.
CHECKSUM = 3958307111
NANOSECONDS = 1_795_348_800_000_000_001  # no binary float holds it

Step = tuple[str, int, MarketByPriceUpdate]  # session, topic_sequence, event


class Told:
    """A stream made by hand, and a consumer of it."""

    def __init__(self, server: Any, consumer: Any) -> None:
        self.server = server
        self.consumer = consumer

    def tell(self, *steps: Step, anew: bool = False) -> dict[str, Any]:
        """Store events, in a new stream if asked for; gives the consumer's book after the last."""
        return dict(self.consumer.wait_place(self.store(*steps, anew=anew)))

    def store(self, *steps: Step, anew: bool = False) -> int:
        """Store events; gives the place of the last."""
        return asyncio.run(self._store(steps, anew))

    async def _store(self, steps: tuple[Step, ...], anew: bool) -> int:
        client = await nats.connect(self.server.url, user="gw", password=self.server.password)
        try:
            jetstream = client.jetstream()
            if anew:
                if [info for info in await jetstream.streams_info() if info.config.name == STREAM]:
                    await jetstream.delete_stream(STREAM)
                transform = SubjectTransform(src="gwlog.sim.kraken.md.>", dest="gw.sim.kraken.md.>")
                await jetstream.add_stream(StreamConfig(STREAM, subjects=[transform.src], subject_transform=transform))
            for step in steps:
                await jetstream.publish(SUBJECT, envelope(*step))
            return (await jetstream.stream_info(STREAM)).state.last_seq
        finally:
            await client.close()


def envelope(session_id: str, topic_sequence: int, event: MarketByPriceUpdate) -> bytes:
    header = Header(
        v=1,
        venue="kraken",
        source="gw1",
        partition="md.0",
        session_id=session_id,
        sequence=2 * topic_sequence,
        topic_sequence=topic_sequence,
        published_ns=NANOSECONDS,
    )
    return wire.encode(Envelope(header=header, event=event))


@pytest.fixture
def told(server: Any, make_consumer: Callable[[Any], Any]) -> Told:
    made = Told(server, make_consumer(server))
    made.store(anew=True)
    made.consumer.start()
    return made


def summed(event: MarketByPriceUpdate, checksum: int) -> MarketByPriceUpdate:
    return msgspec.structs.replace(event, checksum=checksum)


def test_changes_are_applied_in_order_and_cut_to_depth(told: Told) -> None:
    book = told.tell(("s1", 1, summed(book_snapshot(depth=2), CHECKSUM)))
    assert (book["not_live"], book["bids"]) == ("", [["100.0", "1.00"], ["99.5", "2.00"]])
    book = told.tell(
        ("s1", 2, book_change(bids=["99.8x7.00", "100.0x0.00", "100.0x3.00"], asks=["100.5x0.00"])),
        # The same price with another number of zeros is the same price; quantities may be beyond 2^53.
        ("s1", 3, book_change(bids=["99.80x123456789012345678.01"], asks=["1000.00x5.00"])),
    )
    assert book["bids"] == [["100.0", "3.00"], ["99.80", "123456789012345678.01"]]
    assert book["asks"] == [["101.0", "3.00"], ["1000.00", "5.00"]]
    assert (book["not_live"], book["events"]) == ("", 3)


def test_a_book_without_a_snapshot_is_none(told: Told) -> None:
    book = told.tell(("s1", 7, book_change(bids=["1.0x1.00"])))
    assert (book["not_live"], book["bids"]) == ("NO_SNAPSHOT", [])


def test_stale_ends_a_book_and_a_snapshot_begins_it(told: Told) -> None:
    book = told.tell(("s1", 1, book_snapshot()), ("s1", 2, book_stale()))
    assert (book["not_live"], book["bids"], book["asks"]) == ("CHECKSUM", [], [])
    book = told.tell(("s1", 3, book_change(bids=["1.0x1.00"])))
    assert (book["not_live"], book["bids"]) == ("CHECKSUM", [])
    assert told.tell(("s1", 4, book_snapshot()))["not_live"] == ""


def test_a_checksum_that_differs_is_seen(told: Told) -> None:
    book = told.tell(("s1", 1, summed(book_snapshot(), CHECKSUM + 1)))
    assert (book["not_live"], book["bids"]) == ("CHECKSUM", [])
    assert told.tell(("s1", 2, summed(book_snapshot(), CHECKSUM)))["not_live"] == ""
    assert told.tell(("s1", 3, summed(book_change(bids=["100.0x1.01"]), CHECKSUM)))["not_live"] == "CHECKSUM"


def test_a_crossed_book_is_seen(told: Told) -> None:
    assert told.tell(("s1", 1, book_snapshot()), ("s1", 2, book_change(bids=["100.5x1.00"])))["not_live"] == "CROSSED"


def test_what_is_missing_and_what_comes_twice(told: Told) -> None:
    told.tell(("s1", 1, book_snapshot()), ("s1", 2, book_change(bids=["100.1x1.00"])))
    book = told.tell(("s1", 1, book_snapshot()), ("s1", 2, book_change(bids=["100.1x1.00"])))
    assert (book["not_live"], book["bids"][0], book["events"]) == ("", ["100.1", "1.00"], 2)
    assert told.tell(("s1", 4, book_change(bids=["100.2x1.00"])))["not_live"] == "GAP"
    assert told.tell(("s2", 1, book_snapshot()))["not_live"] == ""
    assert told.tell(("s3", 2, book_change(bids=["100.2x1.00"])))["not_live"] == "GAP"


def test_a_stream_made_anew_is_read_from_its_start(told: Told) -> None:
    told.tell(("s1", 1, book_snapshot()), ("s1", 2, book_change()), ("s1", 3, book_change(bids=["100.3x1.00"])))
    told.consumer.kill()
    told.store(("s1", 1, book_snapshot()), ("s1", 2, book_change(bids=["100.2x1.00"])), anew=True)
    told.consumer.start()
    book = told.consumer.wait_for("the new stream", lambda state: state["stream_sequence"] == 2)
    assert (book["not_live"], book["bids"][0], book["events"]) == ("", ["100.2", "1.00"], 2)


def test_a_server_that_is_killed_and_comes_back_is_read_on(told: Told) -> None:
    told.tell(("s1", 1, book_snapshot()), ("s1", 2, book_change(bids=["100.1x1.00"])))
    told.server.kill()
    told.server.start()
    book = told.tell(("s1", 3, book_change(bids=["100.2x1.00"])))
    assert (book["not_live"], book["bids"][0], book["events"]) == ("", ["100.2", "1.00"], 3)
