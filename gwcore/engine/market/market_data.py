"""MarketDataMachine: one market-data connection. Frames in, events out; books are checked before anyone sees them.

One synchronous chain per frame: decode, apply, check, publish. A fault of one book is published as STALE in the same
call, that symbol's messages are dropped, and that symbol alone is subscribed again (law 3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gwcore.engine.market.books import BookKeeper
from gwcore.engine.market.candle_feed import CandleFeed
from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.pings import Pings
from gwcore.engine.market.recovery import Recovery
from gwcore.engine.market.standby import SharedFeeds
from gwcore.engine.market.subscription import Phase, Subscription
from gwcore.engine.market.subscriptions import SubscriptionSet
from gwcore.engine.market.top_feed import TopFeed
from gwcore.engine.market.trade_feed import TradeFeed
from gwcore.engine.market.watch import Watch
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.errors import DecodeError, VenueError
from gwcore.model import (
    Channel,
    ExternalLatency,
    Instrument,
    MarketByPriceUpdate,
    MarketStatus,
    StaleReason,
    StatisticsUpdate,
    StreamState,
    TimeSeriesUpdate,
    TopOfBook,
    TradeSummary,
)
from gwcore.ports import Random
from gwcore.settings import DetectionSettings, HealingSettings
from gwcore.venue import (
    Acknowledged,
    Fetch,
    InstrumentUpdate,
    MarketDataCodec,
    MarketDataMessage,
    Pong,
    Refused,
    Renew,
    Reply,
    Shard,
    Streams,
    Throttled,
    Topic,
    Unknown,
)

#: Different names of unknown frames that are counted apart; the rest is "other": the venue can't grow our memory.
UNKNOWN_NAMES_MAX = 64


def _ignore(detail: str) -> None:
    pass


class MarketDataMachine:
    """One shard's connection, over all its reconnects. The runtime calls `on_*`; effects go to the outbox."""

    def __init__(
        self,
        shard: Shard,
        streams: Streams,
        outbox: Outbox,
        healing: HealingSettings,
        random: Random,
        now_ns: int,
        detection: DetectionSettings | None = None,
        shared: SharedFeeds | None = None,
    ) -> None:
        self.shard = shard
        self._outbox = outbox
        self._publish = outbox.publish
        self.limits = streams.limits.groups[shard.group]
        self.instruments = shared.instruments if shared is not None else dict(shard.instruments)
        self.twin: MarketDataMachine | None = None  # the other of a pair: what one is asked for, both are
        self.is_standby = False  # the other one publishes
        self._codec: MarketDataCodec | None = None
        detection = detection or DetectionSettings()
        self.watch = Watch(shard.index, outbox, self.limits, detection)
        self.subscriptions = SubscriptionSet(
            self.limits,
            healing,
            random,
            send=self._send,
            renew=outbox.close,
            on_state=self.watch.on_state,
            on_accepted=self._on_accepted,
            on_lost=self.watch.on_lost,
        )
        self.books = BookKeeper(streams, self.subscriptions, outbox, healing, detection, self.watch.on_state, now_ns)
        self.recovery = shared.recovery if shared is not None else Recovery(outbox.on_recovered)
        known = shared.trades if shared is not None else None
        self.trades = known or TradeFeed(streams, outbox, self.instruments, self.recovery)
        self.candles = CandleFeed(streams, outbox, self.instruments, self.recovery)
        self.tops = TopFeed(outbox)
        self.watch.bind(self.subscriptions, self.books, self.tops)
        self._now_ns = now_ns
        self.last_frame_ns = now_ns
        self.pings = Pings(self.limits)
        self._silence_ns = int(self.limits.silence_s * NANOSECONDS)
        self._was_open = False
        self.is_open = False
        # Counters, read at scrape time.
        self.frames = self.undecodable = 0
        self.plugin_errors = 0  # decode raised something it may not
        self.last_undecodable = ""
        self.on_undecodable: Callable[[str], None] = _ignore
        self.round_trip_ns: int | None = None  # of the last ping that was answered
        self.unknown: Counter[str] = Counter()
        self._handlers = self._handlers_by_type()
        self.add(shard.topics, self.instruments, now_ns)

    def _handlers_by_type(self) -> dict[type, Callable[[Any, int], None]]:
        outbox = self._outbox
        return {
            MarketByPriceUpdate: self.books.on_book,
            TradeSummary: self._on_trades,
            StatisticsUpdate: self._on_statistics,
            TopOfBook: self.tops.on_top,
            TimeSeriesUpdate: self.candles.on_candles,
            InstrumentUpdate: outbox.on_instruments,
            MarketStatus: outbox.on_venue_status,
            Acknowledged: self._on_acknowledged,
            Refused: self._on_refused,
            Throttled: self._on_throttled,
            Unknown: self._on_unknown,
            Reply: self._on_reply,
            Renew: self._on_renew,
            Fetch: self._on_fetch,
            Pong: self._on_pong,
        }

    # --- what is asked for ----------------------------------------------------------------------------------------

    def add(self, topics: Iterable[Topic], instruments: Mapping[str, Instrument], now_ns: int) -> None:
        """Subscribe these topics too."""
        topics = tuple(topics)
        self.instruments.update(instruments)
        for fresh in self.subscriptions.add(topics, now_ns):
            self.watch.quiet.add(fresh, now_ns)
        for topic in topics:
            channel, symbol, _ = topic
            # Not only the new ones: one that is just being left may be wanted again.
            if channel is Channel.BOOK and symbol is not None and symbol not in self.books.of_symbol:
                self.books.add(self.subscriptions.topics[topic], self.instruments[symbol])
            elif channel is Channel.TRADE and symbol is not None:
                self.trades.add(symbol)

    def remove(self, symbol: str, now_ns: int) -> None:
        """Leave everything about a symbol; its book is published as STALE first."""
        self.books.remove(symbol)
        self.trades.remove(symbol)
        self.candles.remove(symbol)
        self.watch.held.remove(symbol)
        self.tops.stale(StaleReason.UNSUBSCRIBED, symbol)
        self.instruments.pop(symbol, None)
        topics = [topic for topic in self.subscriptions.topics if topic.symbol == symbol]
        for topic in topics:
            # What still comes is dropped, also where it is wanted again before the venue has let go of it.
            self.subscriptions.topics[topic].state = StreamState.IDLE
            self.watch.quiet.remove(topic)
        self.subscriptions.remove(topics, now_ns)

    def on_instrument(self, instrument: Instrument, *, is_matching: bool, now_ns: int) -> None:
        """The instrument changed: other decimals make its book worthless, another status may stop or start it."""
        self._set_now(now_ns)
        self.instruments[instrument.symbol] = instrument
        self.books.on_instrument(instrument, is_matching=is_matching)
        if not is_matching:
            self.tops.stale(StaleReason.VENUE_STATUS, instrument.symbol)

    def on_venue_matching(self, is_matching: bool, matching_symbols: Mapping[str, bool], now_ns: int) -> None:
        """The venue as a whole stopped or started matching."""
        self._set_now(now_ns)
        self.books.on_venue_matching(is_matching, matching_symbols)
        if not is_matching:
            self.tops.stale(StaleReason.VENUE_STATUS)

    def _set_now(self, now_ns: int) -> None:
        self._now_ns = self.books.now_ns = now_ns

    # --- the connection -------------------------------------------------------------------------------------------

    def on_open(self, codec: MarketDataCodec, now_ns: int) -> None:
        """Connected: say what the venue wants to hear first, then subscribe."""
        self._codec = codec
        self._set_now(now_ns)
        self.last_frame_ns = now_ns
        self.pings.on_open(codec, now_ns)
        self.is_open = True
        self.books.on_open()
        self.watch.on_open(codec, now_ns)
        self.subscriptions.on_open(codec, now_ns)
        for frame in codec.open():
            self._send_unasked(frame)
        self.subscriptions.pump(now_ns)
        self._ping()
        if self._was_open and not self.is_standby:
            self.recovery.begin({*self.trades.on_open(), *self.candles.on_open()}, now_ns)
        self._was_open = True

    def on_frame(self, frame: bytes, received_ns: int, now_ns: int) -> None:
        """One message of the venue. Never raises for what the venue sent."""
        assert self._codec is not None
        self.frames += 1
        self._now_ns = self.last_frame_ns = self.books.now_ns = now_ns
        try:
            messages = self._codec.decode(frame, received_ns)
        except DecodeError as error:
            self.undecodable += 1
            self.last_undecodable = str(error)[:200]
            self.on_undecodable(self.last_undecodable)
            return
        except Exception as error:  # a plugin that breaks its contract must not take the connection down
            self.plugin_errors += 1
            self.last_undecodable = f"{type(error).__name__}: {error}"[:200]
            self.on_undecodable(self.last_undecodable)
            return
        handlers = self._handlers
        for message in messages:
            handler = handlers.get(type(message))
            if handler is not None:
                handler(message, received_ns)
            else:
                self._publish(message, received_ns)  # type: ignore[arg-type]  # a plain event

    def on_burst_end(self, now_ns: int) -> None:
        """All frames at hand were handled: send what they made necessary."""
        self.subscriptions.pump(now_ns)

    def on_fetched(self, topic: Topic | None, result: Iterable[MarketDataMessage] | VenueError, now_ns: int) -> None:
        """An HTTP flow asked for by `Outbox.fetch` ended."""
        self._set_now(now_ns)
        subscription = self.subscriptions.topics.get(topic) if topic is not None else None
        if topic is not None and (subscription is None or subscription.phase is not Phase.DATA):
            return  # it waits for none any more: a late one would set its book back
        if isinstance(result, VenueError):
            if subscription is not None:
                self.subscriptions.fail(subscription, StaleReason.NO_SNAPSHOT, str(result), now_ns)
            return
        for message in result:
            handler = self._handlers.get(type(message))
            if handler is not None:
                handler(message, 0)
            else:
                self._publish(message)  # type: ignore[arg-type]  # a plain event

    def on_close(self, cause: str, now_ns: int) -> None:
        """The connection is gone: every live book is stale, once."""
        self._set_now(now_ns)
        self.is_open = False
        self._codec = None
        if not self.is_standby:
            self.recovery.on_close()
        self.candles.on_close()
        self.tops.stale(StaleReason.DISCONNECT)
        self.watch.on_close()
        for subscription in list(self.subscriptions.topics.values()):
            if subscription.state is StreamState.LIVE:
                if subscription.book is not None:
                    self.books.on_close(subscription, cause)
                self.watch.on_state(subscription, StreamState.STALE, StaleReason.DISCONNECT, cause, now_ns)
            elif subscription.state is not StreamState.QUARANTINED:
                self.watch.on_state(subscription, StreamState.IDLE, StaleReason.DISCONNECT, cause, now_ns)
        self.subscriptions.on_close()

    def on_timer(self, now_ns: int) -> None:
        """Time passed: deadlines, pacing, silence, ping."""
        self._set_now(now_ns)
        self.trades.on_timer(now_ns)
        self.candles.on_timer(now_ns)
        self.recovery.on_timer(now_ns)
        if not self.is_open:
            return
        if now_ns - self.last_frame_ns >= self.limits.silence_s * NANOSECONDS:
            self.last_frame_ns = now_ns
            self._outbox.close(f"silence: no frame for {self.limits.silence_s:g} s")
            return
        self._ping()
        self.watch.on_timer(now_ns, self.frames, self.pings.oldest_ns)
        self.subscriptions.on_timer(now_ns)
        self.subscriptions.pump(now_ns)

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do; None: nothing planned. What is fetched goes on without a connection."""
        # Asked after every burst: at the usual few thousand messages a second, that is after every frame.
        first = self.last_frame_ns + self._silence_ns if self.is_open else None
        subscriptions_ns = self.subscriptions.next_ns() if self.is_open else None
        quiet_ns = self.watch.quiet.next_ns() if self.is_open else None
        others = (self.trades.next_ns(), self.candles.next_ns(), self.recovery.next_ns(), subscriptions_ns, quiet_ns)
        for time_ns in others:
            if time_ns is not None and (first is None or time_ns < first):
                first = time_ns
        due_ns = self.pings.due_ns if self.is_open else None
        if due_ns is not None and (first is None or due_ns < first):  # the pace can only put it off
            due_ns = max(due_ns, self.subscriptions.ready_ns())
            first = due_ns if first is None else min(first, due_ns)
        return first

    def on_stop(self, cause: str) -> None:
        """The gateway stops: what is being filled stays lost, and that is said."""
        self.trades.close(cause)

    def _ping(self) -> None:
        """Ask for a sign of life once in a while: it keeps the connection open and tells the way's length."""
        if self.subscriptions.ready_ns() > self._now_ns:
            return
        frame = self.pings.make(self._now_ns)
        if frame is not None:
            self._send_unasked(frame)

    def _send(self, frame: bytes) -> None:
        self._outbox.send(frame)

    def _send_unasked(self, frame: bytes) -> None:
        """A frame that can't wait: it takes its place in the pace, so that the ones after it wait instead."""
        self.subscriptions.spend(self._now_ns)
        self._send(frame)

    # --- everything else ------------------------------------------------------------------------------------------

    def _on_acknowledged(self, answer: Acknowledged, received_ns: int) -> None:
        self.subscriptions.on_acknowledged(answer, self._now_ns)

    def _on_refused(self, answer: Refused, received_ns: int) -> None:
        self.subscriptions.on_refused(answer, self._now_ns)

    def _on_throttled(self, answer: Throttled, received_ns: int) -> None:
        self.unknown["throttled by the venue"] += 1
        self.subscriptions.on_throttled(self._now_ns)

    def _on_unknown(self, message: Unknown, received_ns: int) -> None:
        known = message.what in self.unknown or len(self.unknown) < UNKNOWN_NAMES_MAX
        key = message.what if known else "other"
        self.unknown[key] += 1

    def _on_reply(self, message: Reply, received_ns: int) -> None:
        self._send_unasked(message.frame)

    def _on_renew(self, message: Renew, received_ns: int) -> None:
        if message.reason is not None:
            self.books.mark_all(message.reason, message.text)
        self._outbox.close(f"renew: {message.text}")

    def _on_fetch(self, message: Fetch, received_ns: int) -> None:
        self._outbox.fetch(None, message.flow)

    def _on_trades(self, summary: TradeSummary, received_ns: int) -> None:
        self.watch.on_trades(summary)
        self.trades.on_trades(summary, received_ns)

    def _on_statistics(self, update: StatisticsUpdate, received_ns: int) -> None:
        self.watch.held.on_statistics(update)
        self._publish(update, received_ns)

    def _on_pong(self, message: Pong, received_ns: int) -> None:
        self.watch.answers += 1
        sent_ns = self.pings.answered(message.request_id)
        if sent_ns is None:
            return  # that it came is what counts, and it was counted
        self.round_trip_ns = self._now_ns - sent_ns
        self.watch.lag.on_answer(sent_ns, self._now_ns, message.venue_time_ns)
        component = f"connection.md.{self.shard.index}"
        self._outbox.publish_status(ExternalLatency(component=component, round_trip_ns=self.round_trip_ns))

    def _on_accepted(self, subscription: Subscription, now_ns: int) -> None:
        snapshot = getattr(self._codec, "snapshot", None)
        if snapshot is not None and subscription.phase is Phase.DATA:
            # What is there already waits for a newer snapshot than the last one that was fetched.
            subscription.buffer = subscription.buffer or []
            self._outbox.fetch(subscription.topic, snapshot(subscription.topic))
