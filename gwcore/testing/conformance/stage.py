"""Stage: the engine's market-data machines with a plugin's codecs, against a stand-in for the venue, on a clock of their own.

One call after another, no sockets, no sleeping: a run is the same each time. What a card does to it (a frame lost, a line
cut, silence) it does here, so that no stand-in has to know faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from gwcore.engine.gateway import MATCHING
from gwcore.engine.market.shards import plan_shards
from gwcore.errors import VenueError
from gwcore.model import Instrument, MarketStatus, StreamState, TradingStatus
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.settings import HealingSettings
from gwcore.simulator import Refusal, SimFrame
from gwcore.testing.clock import EPOCH_NS
from gwcore.testing.conformance.card import require
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.line import Line
from gwcore.testing.conformance.recording import Exchange, target_of
from gwcore.testing.conformance.tape import Tape
from gwcore.testing.conformance.venue_case import Source, VenueCase, topics_in
from gwcore.venue import Frame, InstrumentUpdate, Shard, Topic

T = TypeVar("T")

NANOSECONDS = 1_000_000_000
#: How long all subscriptions may take to settle.
SETTLE_S = 30.0
#: A lost connection is made again after this.
RECONNECT_S = 0.25
#: An HTTP flow takes this long.
HTTP_S = 0.02
#: Steps of one run; a stand-in that is always due would never let time pass.
STEPS_MAX = 2_000_000

#: What becomes of a frame of the venue on its way: the frame to deliver, or None where it is lost.
Intercept = Callable[[Line, Frame], Frame | None]


class Stage:
    """One run. `now_ns` is both the wall and the monotonic clock. Raises AssertionError where the plugin does not start."""

    def __init__(
        self,
        case: VenueCase,
        source: Source,
        *,
        intercept: Intercept | None = None,
        extra: Callable[[Mapping[str, Instrument]], Sequence[Instrument]] = lambda known: (),
    ) -> None:
        self.case = case
        self.source = source
        self.now_ns = EPOCH_NS
        self.intercept = intercept
        self.is_mute = False  # nothing of the venue arrives
        self.exchanges: list[Exchange] = []
        self.lines: list[Line] = []
        self._venue = source.make()
        self._venue_status = TradingStatus.ONLINE
        self._flows: list[tuple[int, Callable[[], None]]] = []  # when each is due, in that order
        self._extra = extra
        streams = case.streams()
        self.instruments = self._discover()
        for shard in self._shards(self.instruments):
            self.lines.append(Line(self, shard, streams, HealingSettings(), case.seed))

    # --- start --------------------------------------------------------------------------------------------------------

    def _discover(self) -> dict[str, Instrument]:
        recording = self.source.recording
        if recording is not None and recording.instruments:
            return {each.symbol: each for each in recording.instruments}
        found = run_flow(self.case.symbols().discover(), self.http)
        require(found, f"{self.source.name}: discover found nothing, so nothing can be subscribed")
        return {each.symbol: each for each in found}

    def _shards(self, known: dict[str, Instrument]) -> list[Shard]:
        topics = topics_in(self.source, known)
        limits = self.case.streams().limits
        if topics is not None:
            require(topics, f"{self.source.name}: its topics name no symbol that discover found")
            [group] = {name for name, each in limits.groups.items() if topics[0].channel in each.channels}
            return [Shard(index=0, group=group, topics=topics, instruments=known)]
        online = [symbol for symbol, each in known.items() if each.status is TradingStatus.ONLINE]
        chosen = {symbol: known[symbol] for symbol in online[: self.case.symbols_max]}
        chosen.update((each.symbol, each) for each in self._extra(known))
        return plan_shards(chosen, self.case.channels(), limits, depth=self.case.depth())

    def _connect(self, line: Line) -> None:
        line.connect_ns = None
        codec = line.new_codec()
        try:
            endpoint = run_flow(codec.endpoint(), self.http)
        except VenueError as error:
            raise AssertionError(f"{self.source.name}: there is no address to connect to: {error}") from error
        parts = urlsplit(endpoint.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        opened = self._venue.open(path, self.now_ns)
        if isinstance(opened, Refusal):
            raise AssertionError(
                f"{self.source.name}: a connection to path {path} of {endpoint.url} is refused with {opened.status}"
            )
        line.connection = opened
        line.machine.on_open(codec.as_codec, self.now_ns)
        line.machine.on_burst_end(self.now_ns)

    # --- what lines need ----------------------------------------------------------------------------------------------

    def http(self, request: HttpRequest) -> HttpResponse:
        """The stand-in's answer; kept."""
        response = self._venue.http(request, self.now_ns)
        self.exchanges.append(Exchange(request.method, target_of(request), response.status, response.body))
        return response

    def send(self, line: Line, frame: Frame) -> None:
        """See Whole."""
        if line.connection is not None:
            self._venue.receive(line.connection, frame, self.now_ns)

    def later(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """See Whole."""

        def run() -> None:
            result: T | VenueError
            try:
                result = run_flow(flow, self.http)
            except VenueError as error:
                result = error
            done(result, self.now_ns)

        self._flows.append((self.now_ns + int(HTTP_S * NANOSECONDS), run))

    def on_instruments(self, update: InstrumentUpdate) -> None:
        """See Whole. New listings are not subscribed: a run has the symbols it began with."""
        for instrument in update.instruments:
            for line in self.lines:
                if instrument.symbol in line.machine.instruments:
                    line.machine.on_instrument(
                        instrument, is_matching=self._is_matching(instrument), now_ns=self.now_ns
                    )

    def on_venue_status(self, status: MarketStatus) -> None:
        """See Whole."""
        if status.symbol is not None:
            return
        self._venue_status = status.status
        for line in self.lines:
            matching = {symbol: each.status in MATCHING for symbol, each in line.machine.instruments.items()}
            line.machine.on_venue_matching(status.status is TradingStatus.ONLINE, matching, self.now_ns)

    def _is_matching(self, instrument: Instrument) -> bool:
        return instrument.status in MATCHING and self._venue_status is TradingStatus.ONLINE

    # --- time ---------------------------------------------------------------------------------------------------------

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass; returns whether `until` came true within it."""
        end_ns = self.now_ns + int(seconds * NANOSECONDS)
        for _ in range(STEPS_MAX):
            if until():
                return True
            if self.now_ns >= end_ns:
                return False
            self._step(end_ns)
        raise AssertionError(f"{self.source.name}: {STEPS_MAX} steps did not make {seconds:g} s pass")

    def _step(self, end_ns: int) -> None:
        times = [end_ns, self._venue.next_ns(), *(line.connect_ns for line in self.lines)]
        times += [line.machine.next_ns() for line in self.lines]
        times += [due_ns for due_ns, _ in self._flows[:1]]
        next_ns = min(time_ns for time_ns in times if time_ns is not None)
        # Whatever is due already is done a microsecond later: time always passes.
        self.now_ns = max(self.now_ns + 1_000, next_ns)
        for line in self.lines:
            if line.connect_ns is not None and line.connect_ns <= self.now_ns:
                self._connect(line)
        for sent in self._venue.advance(self.now_ns):
            self._deliver(sent)
        while self._flows and self._flows[0][0] <= self.now_ns:
            self._flows.pop(0)[1]()
        for line in self.lines:
            if line.machine.is_open:
                line.machine.on_burst_end(self.now_ns)
            due_ns = line.machine.next_ns()
            if due_ns is not None and due_ns <= self.now_ns:
                line.machine.on_timer(self.now_ns)
            if line.wants_close:
                self.cut(line, line.closings[-1].reason)

    def _deliver(self, sent: SimFrame) -> None:
        line = next((each for each in self.lines if each.connection == sent.connection), None)
        if line is None or self.is_mute:
            return
        if sent.frame is None:
            self.cut(line, "closed by the venue")
            return
        frame = self.intercept(line, sent.frame) if self.intercept is not None else sent.frame
        if frame is not None and line.machine.is_open:
            self.give(line, frame)

    def give(self, line: Line, frame: Frame) -> None:
        """One frame reaches us."""
        line.machine.on_frame(frame, self.now_ns, self.now_ns)

    def cut(self, line: Line, reason: str) -> None:
        """The connection of a line is gone; a new one is made a little later."""
        line.wants_close = False
        if line.connection is None:
            return
        connection, line.connection = line.connection, None
        self._venue.close(connection, self.now_ns)
        line.machine.on_close(reason, self.now_ns)
        line.connect_ns = self.now_ns + int(RECONNECT_S * NANOSECONDS)

    # --- what cards ask -----------------------------------------------------------------------------------------------

    def settle(self, seconds: float = SETTLE_S) -> None:
        """Run until every subscription is live. Fails the card where they are not within `seconds`."""
        if not self.run(seconds, self.is_all_live):
            waiting = [f"{name(topic)} {state.value}" for topic, state in self.unsettled().items()]
            raise AssertionError(f"{self.source.name}: not live after {seconds:g} s: {', '.join(waiting[:5])}")

    def is_all_live(self) -> bool:
        """Whether every subscription is live."""
        return not self.unsettled() and all(line.machine.is_open for line in self.lines)

    def unsettled(self) -> dict[Topic, StreamState]:
        """Subscriptions that are not live."""
        return {
            topic: state
            for line in self.lines
            for topic, state in line.states().items()
            if state is not StreamState.LIVE
        }

    def books(self) -> list[tuple[Line, str]]:
        """(line, symbol) of each book."""
        return [(line, symbol) for line in self.lines for symbol in line.symbols_of_books()]

    def tapes(self) -> list[Tape]:
        """All connections so far."""
        return [tape for line in self.lines for tape in line.tapes]

    def length_s(self) -> float | None:
        """How long the stand-in has something to say; None: for ever."""
        recording = self.source.recording
        if recording is None:
            return None
        return max((frame.at_ns for frame in recording.frames), default=0) / NANOSECONDS


def name(topic: Topic) -> str:
    """A topic for a message."""
    parts = [topic.channel.value, topic.symbol or "", str(topic.parameter or "")]
    return " ".join(part for part in parts if part)
