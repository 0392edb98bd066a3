"""Both consumers on a whole run: simulator, gateway, JetStream; a book goes bad while they are dead and while they live, they
are killed, and in the end their book is the one of the gateway's own client, level by level."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import nats
import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from gwcore.client import SyncClient, connect_sync
from gwcore.model import Envelope, MarketByPriceUpdate, UpdateType
from gwcore.testing.processes import Gw, Sim, ending

pytestmark = pytest.mark.e2e

SYMBOL = "BTC/USD"
STREAM = "gw-sim-kraken-md"
SUBJECT = "gw.sim.kraken.md.market_by_price.BTC-USD"
LIMIT_S = 20.0

Levels = list[tuple[Decimal, Decimal]]


class Watch:
    """The gateway's own client: its book at events, so that another's can be compared at the very same ones."""

    def __init__(self, client: SyncClient) -> None:
        self.client = client
        self.books: dict[tuple[str, int], tuple[Levels, Levels] | None] = {}  # None: STALE
        self.told: list[str] = []  # what begins and ends a book, in order
        client.subscribe([SYMBOL], ["market_by_price"])

    def read_until(self, what: str, condition: Callable[[], Any]) -> Any:
        """Read events until the condition gives something true."""
        end_s = time.monotonic() + LIMIT_S
        while not (found := condition()):
            assert time.monotonic() < end_s, f"waited {LIMIT_S} s for {what}"
            deliveries = self.client.batch(timeout_s=1.0)
            while deliveries:
                book = self.client.call(levels)
                # The client's books go on by themselves: this one is behind the last event if none waited after it.
                news = self.client.batch(timeout_s=0.0)
                self._take([delivery.envelope for delivery in deliveries], None if news else book)
                deliveries = news
        return found

    def _take(self, envelopes: list[Envelope], book: tuple[Levels, Levels] | None) -> None:
        for envelope in envelopes:
            event = envelope.event
            assert isinstance(event, MarketByPriceUpdate)
            if event.update_type is not UpdateType.INCREMENTAL:
                self.told.append(event.reason.value if event.reason else event.update_type.value)
        header = envelopes[-1].header
        if book is not None and header.topic_sequence is not None:
            is_stale = event.update_type is UpdateType.STALE
            self.books[header.session_id, header.topic_sequence] = None if is_stale else book

    def wait_healed(self) -> None:
        """The book goes bad, and is good again."""
        known = len(self.told)
        self.read_until("a bad book that heals", lambda: self.told[known:] == ["CHECKSUM", "SNAPSHOT"])


def levels(client: Any) -> tuple[Levels, Levels]:
    book = client.books[SYMBOL].peek()
    return [tuple(level) for level in book.bids()], [tuple(level) for level in book.asks()]


def levels_of(state: dict[str, Any]) -> tuple[Levels, Levels] | None:
    if state["not_live"]:
        return None
    bids, asks = ([(Decimal(price), Decimal(quantity)) for price, quantity in state[side]] for side in ("bids", "asks"))
    return bids, asks


@pytest.fixture(scope="module")
def run(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sim, Gw]]:
    """A simulated Kraken, and a gateway with the JetStream sink."""
    folder = tmp_path_factory.mktemp("run")
    sim = Sim(folder, "--pairs", "3", "--rate", "150", "--seed", "11")
    environment = {"GW_SINK__JETSTREAM__USER": "gw", "GW_SINK__JETSTREAM__PASSWORD": f"file:{server.password_file}"}
    gateway = Gw(folder, sim, "--transport", "unix", "--sink", "jetstream", "--nats-url", server.url, **environment)
    with ending(gateway, sim):
        gateway.wait_ready()
        yield sim, gateway


async def stored_places(server: Any) -> list[int]:
    """Places in the stream of all events of the subject."""
    client = await nats.connect(server.url, user="gw", password=server.password)
    try:
        jetstream = client.jetstream()
        config = ConsumerConfig(ack_policy=AckPolicy.NONE, headers_only=True)
        subscription = await jetstream.pull_subscribe(SUBJECT, stream=STREAM, config=config)
        left, found = (await subscription.consumer_info()).num_pending or 0, []
        while len(found) < left:
            found += [message.metadata.sequence.stream for message in await subscription.fetch(500, timeout=5)]
        return found
    finally:
        await client.close()


def test_a_book_out_of_jetstream_over_faults_and_kill_9(
    server: Any, run: tuple[Sim, Gw], make_consumer: Callable[[Any], Any]
) -> None:
    sim, gateway = run
    consumer = make_consumer(server)
    with connect_sync(gateway.socket_path, name="referee") as client:
        watch = Watch(client)

        def compared(after: int) -> Callable[[], dict[str, Any] | None]:
            """Gives a state that is LIVE, further than `after`, and equal to the client's book at its event."""

            def look() -> dict[str, Any] | None:
                state = consumer.state()
                if state is None or state["stream_sequence"] <= after:
                    return None
                place = state["session_id"], state["topic_sequence"]
                if place not in watch.books:
                    return None  # from before the client was there, or not yet at the client
                assert levels_of(state) == watch.books[place], f"at {place}: {state}"
                return None if state["not_live"] else state

            return look

        def equal(after: int) -> dict[str, Any]:
            found: dict[str, Any] = watch.read_until(
                f"a book behind {after}; {consumer.said()[-500:]}", compared(after)
            )
            return found

        consumer.start()
        first = equal(0)
        consumer.kill()

        sim.fault("corrupt_level", symbol=SYMBOL, count=1)
        watch.wait_healed()
        consumer.start()
        second = equal(first["stream_sequence"])
        third = equal(second["stream_sequence"] + 300)

        told = consumer.said().count("CHECKSUM")
        sim.fault("corrupt_level", symbol=SYMBOL, count=1)
        watch.wait_healed()
        watch.read_until("the consumer to say so", lambda: consumer.said().count("CHECKSUM") > told)
        fourth = equal(third["stream_sequence"])
        consumer.kill()
        consumer.start()
        last = equal(fourth["stream_sequence"] + 300)
        consumer.kill()

    state = consumer.state()
    assert state["stream_sequence"] >= last["stream_sequence"]
    places = asyncio.run(stored_places(server))
    # Each event that is stored up to there went into the book once.
    assert state["events"] == sum(place <= state["stream_sequence"] for place in places)
    assert len(last["bids"]) == len(last["asks"]) == 10


def test_the_end_of_a_run_is_an_unusable_book(
    server: Any, run: tuple[Sim, Gw], make_consumer: Callable[[Any], Any]
) -> None:
    consumer = make_consumer(server)
    consumer.start()
    _, gateway = run
    gateway.end()
    consumer.wait_for("the end of it", lambda state: state["not_live"] == "DISCONNECT")
