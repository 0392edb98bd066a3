"""GatewayMachine: what the process as a whole knows: instruments, shards, the venue's status, readiness.

It decides which symbol rides on which shard, publishes what is traded and what may be done with it, and tells every
shard what one of them heard. Pure: the runtime calls it and starts the connections it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gwcore.engine.clients.state import CurrentState
from gwcore.engine.market.choice import Choice, Globs
from gwcore.engine.market.details import Details
from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.recovery import Recovered
from gwcore.engine.market.shards import group_of, plan_shards, topics_of
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.publisher import Partition, Publisher
from gwcore.errors import ConfigError
from gwcore.model import (
    Channel,
    ConnectionState,
    DownloadBegin,
    DownloadEnd,
    Event,
    GatewayState,
    GatewayStatus,
    Instrument,
    MarketStatus,
    Ready,
    StreamState,
    TradingStatus,
    UpdateType,
)
from gwcore.settings import GatewaySettings
from gwcore.venue import InstrumentUpdate, Shard, VenueLimits

#: Statuses in which orders are matched, so that a book means something. UNKNOWN is given the benefit of the doubt.
MATCHING = frozenset({TradingStatus.ONLINE, TradingStatus.LIMIT_ONLY, TradingStatus.REDUCE_ONLY, TradingStatus.UNKNOWN})
#: States in which a subscription is no longer on its way.
SETTLED = frozenset({StreamState.LIVE, StreamState.REJECTED, StreamState.QUARANTINED})


class Outage(NamedTuple):
    """A time without connection: why, for how long (0 while it lasts), and between which times nothing was received."""

    cause: str
    from_ns: int
    duration_ns: int = 0
    to_ns: int | None = None
    recovered: Recovered | None = None  # when all is settled


def market_status(symbol: str | None, status: TradingStatus, venue_status: str | None) -> MarketStatus:
    """A MarketStatus with what it allows (spot API sheet §3.8, the same words in the field); nobody knows of UNKNOWN."""
    if status is TradingStatus.UNKNOWN:
        return MarketStatus(symbol=symbol, status=status, venue_status=venue_status)
    creates = MATCHING | {TradingStatus.POST_ONLY}
    cancels = creates | {TradingStatus.CANCEL_ONLY}
    return MarketStatus(
        symbol=symbol,
        status=status,
        venue_status=venue_status,
        can_create=status in creates,
        can_modify=status in creates,
        can_cancel=status in cancels,
        is_matching=status in MATCHING,
    )


def _both(machine: MarketDataMachine) -> Sequence[MarketDataMachine]:
    """A shard's machine, and the one of its second connection where there is one."""
    return (machine,) if machine.twin is None else (machine, machine.twin)


class GatewayMachine:
    """The gateway's own state. `start_shard` is called for every connection that is to exist."""

    def __init__(
        self,
        settings: GatewaySettings,
        limits: VenueLimits,
        publisher: Publisher,
        state: CurrentState,
        *,
        version: str,
        start_shard: Callable[[Shard], MarketDataMachine],
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._publisher = publisher
        self._state = state
        self._version = version
        self._start_shard = start_shard
        self._channels = tuple(Channel(name) for name in settings.channels)
        self._status = publisher.partition("st")
        self.instruments: dict[str, Instrument] = {}  # those that are subscribed
        self.machines: list[MarketDataMachine] = []
        self._machine_of: dict[str, MarketDataMachine] = {}
        self.choice = Choice(Globs(tuple(settings.symbols), tuple(settings.exclude)))
        self._details = Details()
        self.ask_details: Callable[[], None] = lambda: None  # called where discovery would know more of an instrument
        self._venue_status = TradingStatus.ONLINE
        self.hear_venue: Callable[[MarketStatus], None] = lambda status: (
            None
        )  # what the venue says of itself as a whole
        self.gateway_state = GatewayState.STARTING
        self._journal_cause = ""  # why records can't be made durable
        self._is_ready = False

    @property
    def venue_status(self) -> TradingStatus:
        """How the whole venue stands, as it last said."""
        return self._venue_status

    @property
    def is_ready(self) -> bool:
        """Whether everything that was asked for has once been up."""
        return self._is_ready

    def publish_status(self, event: Event) -> None:
        """Publish an event about the gateway itself."""
        self._publisher.publish(self._status, event)

    def set_state(self, state: GatewayState, cause: str | None = None) -> None:
        """The process changed its state."""
        self.gateway_state = state
        self.publish_status(GatewayStatus(state=state, cause=cause, version=self._version))

    def on_journal(self, cause: str) -> None:
        """Records can't be made durable, or (empty) can again. Clients go on; the gateway is DEGRADED meanwhile."""
        self._journal_cause = cause
        if cause and self.gateway_state is GatewayState.READY:
            self.set_state(GatewayState.DEGRADED, cause)
        elif not cause and self.gateway_state is GatewayState.DEGRADED:
            self.set_state(GatewayState.READY)
        self.publish_status(GatewayStatus(state=self.gateway_state, component="journal", cause=cause or None))

    def on_journal_alarm(self, cause: str | None, detail: str | None) -> None:
        """The journal will soon fail, or (None) will not; all is well so far."""
        self.publish_status(GatewayStatus(state=self.gateway_state, component="journal", cause=cause, detail=detail))

    def on_component(
        self, component: str, connection: ConnectionState, cause: str | None = None, detail: str | None = None
    ) -> None:
        """A connection or a sink came or went."""
        state = self.gateway_state
        self.publish_status(
            GatewayStatus(state=state, component=component, connection=connection, cause=cause, detail=detail)
        )

    def on_connection(
        self, component: str, connection: ConnectionState, cause: str | None, outage: Outage | None
    ) -> None:
        """A connection to the venue came or went; with what the time without it cost, as far as that is known."""
        if outage is None:
            self.on_component(component, connection, cause)
            return
        recovered = outage.recovered
        unsettled = recovered.unsettled if recovered is not None else 0
        self.publish_status(
            GatewayStatus(
                state=self.gateway_state,
                component=component,
                connection=connection,
                cause=cause,
                detail=f"{unsettled} subscriptions or gaps are not settled" if unsettled else None,
                outage_ns=outage.duration_ns,
                missed_from_ns=outage.from_ns,
                missed_to_ns=outage.to_ns,
                trades_backfilled=recovered.trades if recovered is not None else None,
                trades_lost=recovered.trades_lost if recovered is not None else None,
                bars_backfilled=recovered.bars if recovered is not None else None,
            )
        )

    # --- what is traded -------------------------------------------------------------------------------------------

    def on_discovered(self, instruments: Sequence[Instrument], now_ns: int) -> None:
        """The venue's instruments are known: choose, plan the shards, publish, start. Raises ConfigError."""
        self.choice.note(instruments, is_whole=True)
        chosen = {i.symbol: i for i in instruments if self.choice.wants(i)}
        if not chosen and self.choice.globs.symbols:
            globs = " ".join(self.choice.globs.symbols)
            raise ConfigError(
                f"no symbol of the venue's {len(instruments)} matches {globs!r}",
                place="gateway.symbols",
                hint="names look like BTC/USD; `gw symbols` lists them",
            )
        shards = plan_shards(
            chosen,
            self._channels,
            self._limits,
            depth=self._settings.book_depth,
            intervals_s=self._settings.candle_intervals_s,
        )
        self.publish_status(DownloadBegin(symbols=len(chosen)))
        for shard in shards:
            partition = self._partition(shard)
            for instrument in shard.instruments.values():
                self.instruments[instrument.symbol] = instrument
                self._details.learn(instrument)
                self._publish_instrument(partition, instrument)
        self.publish_status(DownloadEnd())
        for shard in shards:
            self._start(shard)

    def choose(self, globs: Globs, received_ns: int, now_ns: int) -> tuple[list[str], list[str]]:
        """Subscribe and leave symbols until they are what these globs say; the others are not touched. Returns what was
        added and what was left, sorted. The caller has the connections send what that takes."""
        wanted = self.choice.wanted_by(globs)
        self.choice.globs = globs
        added = sorted(wanted.keys() - self.instruments.keys())
        left = sorted(self.instruments.keys() - wanted.keys())
        for symbol in left:  # first: it may make room
            self._leave(symbol, now_ns)
        for symbol in added:
            self._list(wanted[symbol], received_ns, now_ns)
            if self._details.are_missing(wanted[symbol]):
                self.ask_details()
        return added, left

    def _leave(self, symbol: str, now_ns: int) -> None:
        del self.instruments[symbol]
        self._machine_of.pop(symbol, None)
        for machine in self.machines:
            for each in _both(machine):
                if symbol in each.instruments:
                    each.remove(symbol, now_ns)
        self._state.forget(symbol, wholly=True)

    def _partition(self, shard: Shard) -> Partition:
        return self._publisher.partition(f"md.{shard.index}")

    def _start(self, shard: Shard) -> None:
        machine = self._start_shard(shard)
        self.machines.append(machine)
        for symbol, instrument in shard.instruments.items():
            self._adopt(symbol, instrument, machine)
        self._state.note_books(machine.books.of_symbol, self._partition(shard))

    def _adopt(self, symbol: str, instrument: Instrument, machine: MarketDataMachine) -> None:
        self._machine_of[symbol] = machine
        matching = instrument.status in MATCHING and self._venue_status is TradingStatus.ONLINE
        for each in _both(machine):
            each.on_instrument(instrument, is_matching=matching, now_ns=each.books.now_ns)

    def _publish_instrument(self, partition: Partition, instrument: Instrument, received_ns: int | None = None) -> None:
        self._publisher.publish(partition, instrument, received_ns)
        self._publisher.publish(
            partition, market_status(instrument.symbol, instrument.status, instrument.venue_status), received_ns
        )

    def on_instruments(self, update: InstrumentUpdate, received_ns: int, now_ns: int) -> None:
        """The venue said what is traded: publish what changed, take what is new, end what is gone."""
        is_whole = update.update_type is UpdateType.SNAPSHOT and bool(update.instruments)
        self.choice.note(update.instruments, is_whole=is_whole)
        for instrument in update.instruments:
            known = self.instruments.get(instrument.symbol)
            if known is None:
                if self.choice.wants(instrument):
                    self._list(instrument, received_ns, now_ns)
                    if self._details.are_missing(instrument):
                        self.ask_details()
            elif instrument.status is TradingStatus.DELISTED:
                self._delist(known, received_ns, now_ns, instrument.venue_status)
            elif instrument != known:
                self._change(known, instrument, received_ns, now_ns)
        if is_whole:
            present = {instrument.symbol for instrument in update.instruments}
            for symbol in [symbol for symbol in self.instruments if symbol not in present]:
                self._delist(self.instruments[symbol], received_ns, now_ns)

    def on_details(self, discovered: Sequence[Instrument], received_ns: int, now_ns: int) -> None:
        """Discovery was asked again: fill in what is not known of markets that were listed or renamed while running."""
        for instrument in discovered:
            known = self.instruments.get(instrument.symbol)
            if known is not None and self._details.are_missing(known):
                filled = self._details.fill(known, instrument)
                if filled != known:
                    self._change(known, filled, received_ns, now_ns)
                self._details.learn(filled)

    def _change(self, known: Instrument, instrument: Instrument, received_ns: int, now_ns: int) -> None:
        symbol = instrument.symbol
        self.instruments[symbol] = instrument
        machine = self._machine_of[symbol]
        partition = self._partition(machine.shard)
        self._publisher.publish(partition, instrument, received_ns)
        if known.status is not instrument.status:
            self._publisher.publish(
                partition, market_status(symbol, instrument.status, instrument.venue_status), received_ns
            )
        matching = instrument.status in MATCHING and self._venue_status is TradingStatus.ONLINE
        for each in _both(machine):
            each.on_instrument(instrument, is_matching=matching, now_ns=now_ns)

    def _list(self, instrument: Instrument, received_ns: int, now_ns: int) -> None:
        symbol = instrument.symbol
        self.instruments[symbol] = instrument
        for name in sorted({group_of(channel, self._limits)[0] for channel in self._channels}):
            mine = [c for c in self._channels if c in self._limits.groups[name].channels]
            topics = topics_of(
                symbol, mine, depth=self._settings.book_depth, intervals_s=self._settings.candle_intervals_s
            )
            if not topics:
                continue
            machine = self._roomiest(name)
            if machine is None:
                shard = Shard(index=len(self.machines), group=name, topics=topics, instruments={symbol: instrument})
                self._publish_instrument(self._partition(shard), instrument, received_ns)
                self._start(shard)
                continue
            partition = self._partition(machine.shard)
            self._publish_instrument(partition, instrument, received_ns)
            for each in _both(machine):
                each.add(topics, {symbol: instrument}, now_ns)
            self._adopt(symbol, instrument, machine)
            self._state.note_books(machine.books.of_symbol, partition)

    def _roomiest(self, group: str) -> MarketDataMachine | None:
        room = [
            machine
            for machine in self.machines
            if machine.shard.group == group and len(machine.instruments) < machine.limits.symbols_per_connection
        ]
        return min(room, key=lambda machine: len(machine.instruments), default=None)

    def _delist(self, known: Instrument, received_ns: int, now_ns: int, venue_status: str | None = "delisted") -> None:
        symbol = known.symbol
        machine = self._machine_of.pop(symbol)
        del self.instruments[symbol]
        for each in _both(machine):
            each.remove(symbol, now_ns)
        ended = msgspec.structs.replace(known, status=TradingStatus.DELISTED, venue_status=venue_status)
        self._publish_instrument(self._partition(machine.shard), ended, received_ns)
        self._state.forget(symbol)

    # --- how the venue stands -------------------------------------------------------------------------------------

    def on_venue_status(self, status: MarketStatus, shard: Shard, received_ns: int, now_ns: int) -> None:
        """The venue, or one market, changed its status."""
        if status.symbol is not None:
            known = self.instruments.get(status.symbol)
            if known is not None:
                self._publisher.publish(self._partition(shard), status, received_ns)
            return
        if status.status is not self._venue_status or shard.index == 0:
            self._publisher.publish(self._partition(shard), status, received_ns)
        self._venue_status = status.status
        self.hear_venue(status)
        matching = {symbol: instrument.status in MATCHING for symbol, instrument in self.instruments.items()}
        for machine in self.machines:
            for each in _both(machine):
                each.on_venue_matching(status.status is TradingStatus.ONLINE, matching, now_ns)

    # --- two connections for one shard ----------------------------------------------------------------------------

    def on_lead(self, new: MarketDataMachine, old: MarketDataMachine, cause: str) -> None:
        """The other connection of a pair publishes from now on."""
        self.machines = [new if machine is old else machine for machine in self.machines]
        self._machine_of = {symbol: new if each is old else each for symbol, each in self._machine_of.items()}
        self.note_books(new, new.books.of_symbol)
        component = f"standby.md.{new.shard.index}"
        self.on_component(component, ConnectionState.CONNECTED, f"takes over: {cause}")

    def note_books(self, machine: MarketDataMachine, books: Mapping[str, Subscription]) -> None:
        """These are the books that clients are told of."""
        self._state.note_books(books, self._partition(machine.shard))

    # --- readiness ------------------------------------------------------------------------------------------------

    def check_ready(self) -> bool:
        """Publish Ready once every subscription is settled for the first time; returns whether that is now so."""
        if self._is_ready or not self.machines:
            return self._is_ready
        for machine in self.machines:
            for subscription in machine.subscriptions.topics.values():
                if subscription.state not in SETTLED and not subscription.held:
                    return False
        self._is_ready = True
        if self._journal_cause:
            self.set_state(GatewayState.DEGRADED, self._journal_cause)
        else:
            self.set_state(GatewayState.READY)
        self.publish_status(Ready())
        return True
