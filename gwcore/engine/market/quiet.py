"""QuietWatch: the data clocks of one connection, one a subscription. A quiet pair is asked about, not punished.

A live subscription without data for its channel's time is probed: the venue is asked by another way (`Prober`), many
symbols in one question. Does the answer agree with what we hold, it is quiet and stays LIVE; does it not, and the data still
does not come, the feed is silent. Where nobody can be asked the subscription is made anew while what we hold stays live.

Nothing is done per message: the clocks are read twice a second from what the feeds count anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gwcore.engine.market.evidence import agrees
from gwcore.engine.market.outbox import Outbox
from gwcore.engine.market.subscription import Phase, Subscription
from gwcore.engine.reconnect import NANOSECONDS
from gwcore.errors import VenueError
from gwcore.model import Channel, StatisticsUpdate, StreamState, TopOfBook
from gwcore.settings import DetectionSettings
from gwcore.venue import MarketDataMessage, Topic

#: How often the clocks are read. A clock counts from the reading before, so it never runs late.
TICK_NS = NANOSECONDS // 2
#: Symbols in one probe; the next one may follow when it is answered.
PROBE_SYMBOLS_MAX = 250

Evidence = Mapping[tuple[type, str], TopOfBook | StatisticsUpdate]


class Feeds(Protocol):
    """What a clock reads and what a probe is compared with."""

    def mark(self, subscription: Subscription) -> object:
        """Another value whenever data of the subscription came; compared with `==`."""
        ...

    def held(self, subscription: Subscription) -> TopOfBook | StatisticsUpdate | None:
        """What clients were told last, as a probe would say it; None: nothing to compare."""
        ...


class _Clock:
    """One subscription's data clock."""

    __slots__ = ("data_ns", "doubt_ns", "mark", "probed", "quiet_ns", "subscription")

    def __init__(self, subscription: Subscription, quiet_ns: int, now_ns: int) -> None:
        self.subscription = subscription
        self.quiet_ns = quiet_ns
        self.mark: object = None
        self.data_ns = now_ns  # when data, or a probe's confirmation, came at the latest
        self.probed = False  # part of the probe under way
        self.doubt_ns: int | None = None  # a probe contradicted: silent, unless data comes before


class QuietWatch:
    """All data clocks of one shard. Times are monotonic ns."""

    def __init__(
        self,
        settings: DetectionSettings,
        outbox: Outbox,
        feeds: Feeds,
        *,
        on_silent: Callable[[Subscription, str], None],
        verify: Callable[[Subscription], bool],
    ) -> None:
        quiet_s = {
            Channel.BOOK: settings.book_quiet_s,
            Channel.TRADE: settings.trade_quiet_s,
            Channel.TICKER: settings.ticker_quiet_s,
        }
        self._quiet_ns = {channel: int(s * NANOSECONDS) for channel, s in quiet_s.items() if s is not None}
        self._grace_ns = int(settings.probe_grace_s * NANOSECONDS)
        self._timeout_ns = int(settings.probe_timeout_s * NANOSECONDS)
        self._outbox = outbox
        self._feeds = feeds
        self._on_silent = on_silent
        self._verify = verify
        self._clocks: dict[Topic, _Clock] = {}
        self._codec: Any = None
        self._tick_ns = 0  # of the last reading; 0: none yet
        self._probe: list[_Clock] = []
        self._probe_number = 0
        self._probe_until_ns: int | None = None
        self._doubt_ns: int | None = None  # no doubt is due before; None: there is none
        self.outcomes: Counter[str] = Counter()  # of probes, one a subscription

    # --- what is watched ------------------------------------------------------------------------------------------

    def add(self, subscription: Subscription, now_ns: int) -> None:
        """Watch it, where its channel has a threshold."""
        quiet_ns = self._quiet_ns.get(subscription.topic.channel)
        if quiet_ns is not None and subscription.topic.symbol is not None:
            self._clocks[subscription.topic] = _Clock(subscription, quiet_ns, now_ns)

    def remove(self, topic: Topic) -> None:
        """Watch it no longer."""
        self._clocks.pop(topic, None)

    def on_open(self, codec: object) -> None:
        """A new connection."""
        self._codec = codec
        self._tick_ns = 0

    def on_close(self) -> None:
        """The connection is gone, and with it every doubt: all is stale for a better reason."""
        self._codec = None
        self._end_probe()
        self._doubt_ns = None
        for clock in self._clocks.values():
            clock.doubt_ns = None

    def age_ns(self, topic: Topic, now_ns: int) -> int | None:
        """How long ago data (or a probe's confirmation) came, to half a second; None: not watched, or not live."""
        clock = self._clocks.get(topic)
        if clock is None or clock.mark is None:
            return None
        return max(0, now_ns - clock.data_ns)

    def confirmed(self, subscription: Subscription, now_ns: int) -> None:
        """It was made anew and holds what we hold."""
        self.outcomes["confirmed by a snapshot"] += 1
        clock = self._clocks.get(subscription.topic)
        if clock is not None:
            clock.data_ns, clock.doubt_ns = now_ns, None

    # --- time -----------------------------------------------------------------------------------------------------

    def on_timer(self, now_ns: int) -> None:
        """Read the clocks, judge what is in doubt, probe what is quiet."""
        if self._codec is None:
            return
        if self._probe_until_ns is not None and now_ns >= self._probe_until_ns:
            self._give_up("no answer to the probe", now_ns)
        if self.is_tick(now_ns):
            self._read(now_ns)
        if self._doubt_ns is not None and now_ns >= self._doubt_ns:
            for clock in list(self._clocks.values()):
                if clock.doubt_ns is not None and now_ns >= clock.doubt_ns:
                    self._judge(clock, now_ns)
            doubts_ns = [clock.doubt_ns for clock in self._clocks.values() if clock.doubt_ns is not None]
            self._doubt_ns = min(doubts_ns, default=None)

    def is_tick(self, now_ns: int) -> bool:
        """Whether it is time to read the clocks."""
        return now_ns >= self._tick_ns + TICK_NS

    def next_ns(self) -> int | None:
        """When `on_timer` has something to do. Asked after every frame or so: it looks at no clock."""
        if self._codec is None:
            return None
        first = self._tick_ns + TICK_NS
        if self._doubt_ns is not None and self._doubt_ns < first:
            first = self._doubt_ns
        if self._probe_until_ns is not None and self._probe_until_ns < first:
            first = self._probe_until_ns
        return first

    def _read(self, now_ns: int) -> None:
        before_ns = self._tick_ns or now_ns
        self._tick_ns = now_ns
        mark_of, live = self._feeds.mark, StreamState.LIVE
        is_due = False
        for clock in self._clocks.values():
            subscription = clock.subscription
            if subscription.state is not live or subscription.phase is not Phase.ON:
                clock.mark = None
                continue
            mark = mark_of(subscription)
            if mark != clock.mark:
                clock.mark, clock.data_ns, clock.doubt_ns = mark, before_ns, None
            elif now_ns - clock.data_ns >= clock.quiet_ns and clock.doubt_ns is None and not clock.probed:
                is_due = True
        if is_due and not self._probe:
            self._ask(now_ns)

    def _ask(self, now_ns: int) -> None:
        """Probe all that are quiet for half their time or more: one question now instead of many later."""
        chosen: dict[str, list[_Clock]] = {}
        for clock in sorted(self._clocks.values(), key=lambda one: one.data_ns):
            symbol = clock.subscription.topic.symbol
            if clock.mark is None or clock.doubt_ns is not None or symbol is None:
                continue
            if (now_ns - clock.data_ns) * 2 >= clock.quiet_ns and (symbol in chosen or len(chosen) < PROBE_SYMBOLS_MAX):
                chosen.setdefault(symbol, []).append(clock)
        clocks = [clock for each in chosen.values() for clock in each]
        probe = getattr(self._codec, "probe", None)
        if probe is None:
            self._make_anew([clock for clock in clocks if now_ns - clock.data_ns >= clock.quiet_ns], now_ns)
            return
        self._probe = clocks
        for clock in clocks:
            clock.probed = True
        self._probe_number = number = self._probe_number + 1
        self._probe_until_ns = now_ns + self._timeout_ns
        flow = probe([clock.subscription.topic for clock in clocks])
        self._outbox.run_flow(flow, lambda result, at_ns: self._on_answer(number, result, at_ns))

    def _end_probe(self) -> None:
        for clock in self._probe:
            clock.probed = False
        self._probe = []
        self._probe_until_ns = None

    def _on_answer(self, number: int, result: Sequence[MarketDataMessage] | VenueError, now_ns: int) -> None:
        if number != self._probe_number or not self._probe:
            return  # of a connection that is gone, or too late
        if isinstance(result, VenueError):
            self._give_up(str(result), now_ns)
            return
        evidence: Evidence = {
            (type(message), message.symbol): message
            for message in result
            if isinstance(message, TopOfBook | StatisticsUpdate)
        }
        clocks = self._probe
        self._end_probe()
        self._make_anew([clock for clock in clocks if not self._compare(clock, evidence, now_ns)], now_ns)

    def _compare(self, clock: _Clock, evidence: Evidence, now_ns: int) -> bool:
        """Compare one subscription with the answer; returns whether the answer said anything of it."""
        subscription = clock.subscription
        symbol = subscription.topic.symbol or ""
        if subscription.state is not StreamState.LIVE or self._feeds.mark(subscription) != clock.mark:
            self.outcomes["data came"] += 1
            return True
        told = evidence.get((TopOfBook if subscription.topic.channel is Channel.BOOK else StatisticsUpdate, symbol))
        if told is None:
            return False
        if agrees(self._feeds.held(subscription), told):
            self.outcomes["confirmed"] += 1
            clock.data_ns = now_ns
        else:
            # What it says may be on its way to us: REST and stream take different paths.
            clock.doubt_ns = now_ns + self._grace_ns
            self._doubt_ns = clock.doubt_ns if self._doubt_ns is None else min(self._doubt_ns, clock.doubt_ns)
        return True

    def _judge(self, clock: _Clock, now_ns: int) -> None:
        clock.doubt_ns = None
        subscription = clock.subscription
        if subscription.state is not StreamState.LIVE or self._feeds.mark(subscription) != clock.mark:
            self.outcomes["data came"] += 1
            return
        self.outcomes["contradicted"] += 1
        silent_s = (now_ns - clock.data_ns) / NANOSECONDS
        clock.data_ns = now_ns
        self._on_silent(subscription, f"no data for {silent_s:.1f} s, and the venue holds something else")

    def _give_up(self, cause: str, now_ns: int) -> None:
        clocks = self._probe
        self._end_probe()
        self.outcomes["failed"] += 1
        # Only those whose time is up: for the others there will be another probe.
        self._make_anew([clock for clock in clocks if now_ns - clock.data_ns >= clock.quiet_ns], now_ns)

    def _make_anew(self, clocks: Sequence[_Clock], now_ns: int) -> None:
        for clock in clocks:
            clock.data_ns = now_ns  # counted from here, whatever becomes of it
            if clock.subscription.state is StreamState.LIVE and not self._verify(clock.subscription):
                self.outcomes["can't be probed"] += 1
