"""Line: one connection on the stage: the engine's machine, the plugin's codec, and what passed between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.recovery import Recovered
from gwcore.errors import VenueError
from gwcore.model import Event, MarketByPriceUpdate, MarketStatus, StreamState, TopOfBook, UpdateType
from gwcore.ports import Endpoint
from gwcore.rest import HttpFlow
from gwcore.settings import HealingSettings
from gwcore.testing.conformance.tape import Asked, Received, Sent, Tape
from gwcore.testing.seeds import SeededRandom
from gwcore.venue import (
    Frame,
    InstrumentUpdate,
    MarketDataCodec,
    MarketDataMessage,
    Request,
    Shard,
    Streams,
    Topic,
)

T = TypeVar("T")


class Seen(NamedTuple):
    """An event the machine published."""

    at_ns: int
    event: Event


class Closing(NamedTuple):
    """The machine asked for the connection to be closed."""

    at_ns: int
    reason: str


class Whole(Protocol):
    """What a line needs of the stage it is on."""

    now_ns: int

    def send(self, line: Line, frame: Frame) -> None:
        """A frame of ours leaves."""
        ...

    def later(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run a flow a little later; `done` hears what came of it, and when."""
        ...

    def on_instruments(self, update: InstrumentUpdate) -> None:
        """Tell every machine."""
        ...

    def on_venue_status(self, status: MarketStatus) -> None:
        """Tell every machine."""
        ...


class Line:
    """Implements `gwcore.engine.market.outbox.Outbox`. `seen`, `closings` and `tapes` are what cards judge by."""

    def __init__(self, whole: Whole, shard: Shard, streams: Streams, healing: HealingSettings, seed: int) -> None:
        self.shard = shard
        self.streams = streams
        self.seen: list[Seen] = []
        self.closings: list[Closing] = []
        self.tapes: list[Tape] = []  # one a connection
        self.messages: set[type] = set()  # of all that was decoded
        self.fetched: list[tuple[int, Topic | None]] = []  # when what was asked for by HTTP
        self.connection: int | None = None
        self.wants_close = False  # the machine asked, and it was not done yet
        self.connect_ns: int | None = whole.now_ns  # when to connect; None: connected
        self._whole = whole
        random = SeededRandom(seed, f"shard {shard.index}")
        self.machine = MarketDataMachine(shard, streams, self, healing, random, whole.now_ns)

    def new_codec(self) -> WatchedCodec:
        """A codec for a new connection, as a gateway makes it; a new tape begins."""
        tape = Tape(self.shard, self._whole.now_ns)
        self.tapes.append(tape)
        return WatchedCodec(self.streams.market_data(self.shard), tape, lambda: self._whole.now_ns, self.messages)

    # --- Outbox -------------------------------------------------------------------------------------------------------

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """See Outbox."""
        self.seen.append(Seen(self._whole.now_ns, event))

    def publish_status(self, event: Event) -> None:
        """See Outbox. What a machine says of its subscriptions is read from the machine."""

    def send(self, frame: Frame) -> None:
        """See Outbox."""
        self.tapes[-1].entries.append(Sent(self._whole.now_ns, frame))
        self._whole.send(self, frame)

    def fetch(self, topic: Topic | None, flow: HttpFlow[Sequence[MarketDataMessage]]) -> None:
        """See Outbox."""
        tape = self.tapes[-1]
        self.fetched.append((self._whole.now_ns, topic))

        def fetched(result: Sequence[MarketDataMessage] | VenueError, now_ns: int) -> None:
            if tape is self.tapes[-1] and self.machine.is_open:
                self.machine.on_fetched(topic, result, now_ns)

        self._whole.later(flow, fetched)

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """See Outbox."""
        self._whole.later(flow, done)

    def on_recovered(self, recovered: Recovered) -> None:
        """See Outbox. How long it took is nothing a card asks."""

    def close(self, reason: str) -> None:
        """See Outbox."""
        self.closings.append(Closing(self._whole.now_ns, reason))
        self.wants_close = True

    def on_instruments(self, update: InstrumentUpdate, received_ns: int) -> None:
        """See Outbox."""
        self._whole.on_instruments(update)

    def on_venue_status(self, status: MarketStatus, received_ns: int) -> None:
        """See Outbox."""
        self._whole.on_venue_status(status)

    # --- what cards ask -----------------------------------------------------------------------------------------------

    def symbols_of_books(self) -> list[str]:
        """The symbols whose books are kept on this line."""
        return sorted(self.machine.books.of_symbol)

    def is_live(self, symbol: str) -> bool:
        """Whether the book of a symbol is live."""
        return self.machine.books.of_symbol[symbol].state is StreamState.LIVE

    def books_seen(self, symbol: str, since: int = 0) -> list[MarketByPriceUpdate]:
        """Book events of a symbol, from the `since`-th event on."""
        return [
            event for _, event in self.seen[since:] if isinstance(event, MarketByPriceUpdate) and event.symbol == symbol
        ]

    def tops_seen(self, symbol: str, since: int = 0) -> list[TopOfBook]:
        """Best prices of a symbol, from the `since`-th event on."""
        return [event for _, event in self.seen[since:] if isinstance(event, TopOfBook) and event.symbol == symbol]

    def stale_count(self, symbol: str, since: int = 0) -> int:
        """How often the book of a symbol was published as STALE."""
        return sum(event.update_type is UpdateType.STALE for event in self.books_seen(symbol, since))

    def asked(self, since_ns: int = 0) -> list[Asked]:
        """What was asked of the venue, over all connections."""
        return [
            entry
            for tape in self.tapes
            for entry in tape.entries
            if isinstance(entry, Asked) and entry.at_ns >= since_ns
        ]

    def counted(self) -> int:
        """Frames that were counted as unknown or undecodable."""
        return self.machine.undecodable + sum(self.machine.unknown.values())

    def states(self) -> dict[Topic, StreamState]:
        """Where every subscription stands."""
        return {topic: each.state for topic, each in self.machine.subscriptions.topics.items()}


class WatchedCodec:
    """A plugin's codec with a tape running. Abilities it has beside the contract show through."""

    def __init__(self, codec: MarketDataCodec, tape: Tape, now: Callable[[], int], messages: set[type]) -> None:
        self.inner = codec
        self._tape = tape
        self._now = now
        self._messages = messages

    @property
    def as_codec(self) -> MarketDataCodec:
        """This, as the engine's type has it: optional abilities are looked up by name."""
        return cast(MarketDataCodec, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def endpoint(self) -> HttpFlow[Endpoint]:
        """See MarketDataCodec."""
        return self.inner.endpoint()

    def subscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """See MarketDataCodec."""
        self._tape.entries.append(Asked(self._now(), False, tuple(topics)))
        return self.inner.subscribe(topics)

    def unsubscribe(self, topics: Sequence[Topic]) -> Sequence[Request]:
        """See MarketDataCodec."""
        self._tape.entries.append(Asked(self._now(), True, tuple(topics)))
        return self.inner.unsubscribe(topics)

    def decode(self, frame: Frame, received_ns: int) -> Sequence[MarketDataMessage]:
        """See MarketDataCodec."""
        self._tape.entries.append(Received(received_ns, frame))
        messages = self.inner.decode(frame, received_ns)
        self._messages.update(map(type, messages))
        return messages
