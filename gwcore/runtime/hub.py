"""Hub: the crossroads of one loop: it starts connections, hands what one of them heard to the whole, and ends every turn.

One flush per loop turn: everything that was published since the last one reaches clients in one write each, and the
committer is woken once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from gwcore.engine.clients.fanout import Fanout
from gwcore.engine.gateway import GatewayMachine, Outage
from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.market.standby import Seat, StandbyPair
from gwcore.engine.market.subscription import Subscription
from gwcore.engine.publisher import Partition
from gwcore.model import (
    ConnectionState,
    Event,
    Instrument,
    MarketStatus,
    Record,
    StaleReason,
    StreamState,
    StreamStatus,
)
from gwcore.ports import Clock
from gwcore.runtime.venue.connection import MarketDataConnection
from gwcore.venue import InstrumentUpdate, Shard

_log = logging.getLogger("gwcore.gateway")

#: Readiness is looked at this often while starting, not after every frame.
READY_CHECK_S = 0.02
#: States of a subscription that an operator is warned of.
TROUBLE = frozenset({StreamState.STALE, StreamState.QUARANTINED, StreamState.REJECTED})


class Hub:
    """Wires one gateway's machines to the loop. `bind` completes it: the parts need each other."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._is_dirty = False
        self._ready_check: asyncio.TimerHandle | None = None
        self._wake_committer: Callable[[], None] = lambda: None
        self._start: Callable[[MarketDataConnection], None] = lambda connection: None
        self.fanout: Fanout | None = None
        self.gateway: GatewayMachine | None = None
        self.make_connection: Callable[[Shard, Seat | None], MarketDataConnection] | None = None
        self._on_event: Callable[[Event], None] | None = None  # where somebody wants to see all that is published
        self._has_standby = False
        self.connections: list[MarketDataConnection] = []

    def bind(
        self,
        *,
        fanout: Fanout | None,
        gateway: GatewayMachine,
        make_connection: Callable[[Shard, Seat | None], MarketDataConnection],
        start: Callable[[MarketDataConnection], None],
        wake_committer: Callable[[], None],
        on_event: Callable[[Event], None] | None = None,
        has_standby: bool = False,
    ) -> None:
        """Give it what it connects."""
        self.fanout = fanout
        self.gateway = gateway
        self.make_connection = make_connection
        self._start = start
        self._wake_committer = wake_committer
        self._on_event = on_event
        self._has_standby = has_standby

    # --- the end of a turn ----------------------------------------------------------------------------------------

    def on_record(self, record: Record, event: Event, partition: Partition) -> None:
        """Something was published."""
        assert self.fanout is not None
        if not self._is_dirty:  # first: the turn's end flushes, so the fan-out need not be woken for it
            self._is_dirty = True
            self._loop.call_soon(self._end_turn)
        self.fanout.on_record(record, event, partition)
        if self._on_event is not None:
            self._on_event(event)

    def _end_turn(self) -> None:
        assert self.fanout is not None
        self._is_dirty = False
        self._wake_committer()
        self.fanout.flush()

    def wake_fanout(self) -> None:
        """A session has something to write though nothing was published (it catches up, or its writer drained)."""
        assert self.fanout is not None
        if not self._is_dirty:
            self._loop.call_soon(self.fanout.flush)

    # --- shards ---------------------------------------------------------------------------------------------------

    def start_shard(self, shard: Shard) -> MarketDataMachine:
        """Make and start a connection, or two of which one publishes."""
        assert self.make_connection is not None
        if not self._has_standby:
            return self._add(self.make_connection(shard, None))
        pair = StandbyPair(shard, self._on_lead, lambda books: self._on_books(pair, books))
        first, second = (self._add(self.make_connection(shard, seat)) for seat in pair.seats)
        first.twin, second.twin = second, first
        second.is_standby = True
        return first

    def _add(self, connection: MarketDataConnection) -> MarketDataMachine:
        self.connections.append(connection)
        # After the machine is known to the gateway: its first frames may be about other shards.
        self._loop.call_soon(self._start, connection)
        return connection.machine

    def _on_lead(self, new: MarketDataMachine, old: MarketDataMachine, cause: str) -> None:
        assert self.gateway is not None
        _log.warning("the standby of md.%d takes over: %s", new.shard.index, cause)
        self.gateway.on_lead(new, old, cause)

    def _on_books(self, pair: StandbyPair, books: Mapping[str, Subscription]) -> None:
        assert self.gateway is not None
        self.gateway.note_books(pair.leader.machine, books)

    # --- runtime.connection.Hub -----------------------------------------------------------------------------------

    def on_instruments(self, update: InstrumentUpdate, received_ns: int) -> None:
        """The venue said what is traded."""
        assert self.gateway is not None
        self.gateway.on_instruments(update, received_ns, self._clock.monotonic_ns())
        self._rearm()

    def on_venue_status(self, status: MarketStatus, shard: Shard, received_ns: int) -> None:
        """The venue said how it stands."""
        assert self.gateway is not None
        self.gateway.on_venue_status(status, shard, received_ns, self._clock.monotonic_ns())
        self._rearm()

    def _rearm(self) -> None:
        self._loop.call_soon(self.rearm)

    def rearm(self) -> None:
        """Have every connection send what it was given to say from outside."""
        for connection in self.connections:
            connection.rearm()

    def on_connection(self, name: str, state: ConnectionState, cause: str | None, outage: Outage | None = None) -> None:
        """A connection came or went, or what its absence cost is known."""
        assert self.gateway is not None
        self.gateway.on_connection(f"connection.{name}", state, cause, outage)
        if outage is not None and outage.recovered is not None:
            _log.info(
                "connection %s: after %.3f s without it %d trades and %d candles were fetched, %d trades lost",
                name,
                outage.duration_ns / 1e9,
                outage.recovered.trades,
                outage.recovered.bars,
                outage.recovered.trades_lost,
            )
            return
        level = logging.WARNING if state is ConnectionState.DISCONNECTED else logging.INFO
        again = " again, after" if outage is not None else ""
        _log.log(level, "connection %s %s%s%s", name, state.value.lower(), again, f": {cause}" if cause else "")

    def instruments(self) -> Mapping[str, Instrument]:
        """All instruments of the gateway, by symbol: a live view."""
        assert self.gateway is not None
        return self.gateway.instruments

    def publish_status(self, event: Event) -> None:
        """Publish in partition `st`; what an operator wants to see goes to the log too."""
        assert self.gateway is not None
        self.gateway.publish_status(event)
        # A lost connection is one line of its own, not one for each of its subscriptions.
        if isinstance(event, StreamStatus) and event.reason not in (None, StaleReason.DISCONNECT):
            level = logging.WARNING if event.state in TROUBLE else logging.INFO
            _log.log(
                level,
                "%s of %s is %s: %s: %s",
                event.channel,
                event.symbol,
                event.state.value,
                event.reason.value if event.reason else "",
                event.detail,
            )

    def on_turn(self) -> None:
        """Something was handled: soon look whether everything is up."""
        assert self.gateway is not None
        if not self.gateway.is_ready and self._ready_check is None:
            self._ready_check = self._loop.call_later(READY_CHECK_S, self._check_ready)

    def _check_ready(self) -> None:
        assert self.gateway is not None
        self._ready_check = None
        if self.gateway.check_ready():
            _log.info("ready: %d symbols on %d connections", len(self.gateway.instruments), len(self.connections))

    def on_sink_state(self, name: str, state: ConnectionState, cause: str | None, detail: str | None = None) -> None:
        """A sink came or went."""
        assert self.gateway is not None
        self.gateway.on_component(f"sink.{name}", state, cause, detail)

    def close(self) -> None:
        """No more timers."""
        if self._ready_check is not None:
            self._ready_check.cancel()
            self._ready_check = None
