"""Reads the numbers the parts keep, for metrics and status, when somebody asks. Never called per message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gwcore.engine.accounts.account import AccountMachine
from gwcore.engine.accounts.state import AccountState
from gwcore.engine.market.market_data import MarketDataMachine
from gwcore.engine.orders.guard import GUARDED
from gwcore.model import Channel, GapState, OrderStatus, StaleReason, StreamState
from gwcore.runtime.app import Gateway
from gwcore.runtime.journal.backlog import measure_backlog
from gwcore.runtime.journal.sinks import CLASSES
from gwcore.runtime.observability.liveness import stuck_parts
from gwcore.runtime.observability.metrics import Sample
from gwcore.runtime.observability.stall import StallWatch
from gwcore.runtime.observability.status import Status

#: What becomes of a probe (`engine.quiet`), and why the core cuts a client.
OUTCOMES = ("confirmed", "confirmed by a snapshot", "contradicted", "data came", "failed", "can't be probed")
CUTS = ("slow", "operator")
#: Symbols named in one reason of `not_ready`; the rest is counted.
NAMED_MAX = 5


class Telemetry:
    """Providers of one gateway's metrics, its readiness and its status page."""

    def __init__(self, gateway: Gateway, started_ns: int) -> None:
        self.gateway = gateway
        self._started_ns = started_ns
        self.loop_lag_s = 0.0
        self.loop_lag_max_s = 0.0
        self.stalls: StallWatch | None = None
        self.report = Status(
            gateway,
            self.not_ready,
            stall=lambda: self.stalls.recent() if self.stalls is not None else "",
            lag_s=lambda: self.loop_lag_s,
        )

    def samples(self) -> Iterable[Sample]:
        """All samples of the gateway."""
        yield from self._process()
        for connection in self.gateway.hub.connections:
            label = (("connection", connection.name),)
            yield Sample("gw_connect_attempts_total", label, connection.connects)
            for cause, count in connection.ends.items():
                yield Sample("gw_connection_ends_total", (*label, ("cause", cause)), count)
            yield from _machine(connection.machine, label)
        yield from self._feeds()
        yield from self._accounts()
        yield from self._rest()
        yield from self._journal()
        yield from self._sinks()
        yield from self._captures()
        yield from self._clients()

    def _process(self) -> Iterable[Sample]:
        publisher = self.gateway.publisher
        yield Sample("gw_start_time_seconds", (), self._started_ns / 1e9)
        yield Sample("gw_ready", (), int(not self.not_ready()))
        yield Sample("gw_loop_lag_seconds", (), self.loop_lag_s)
        yield Sample("gw_loop_lag_max_seconds", (), self.loop_lag_max_s)
        self.loop_lag_max_s = 0.0
        if self.stalls is not None:
            yield Sample("gw_loop_stalls_total", (), self.stalls.stalls)
        yield Sample("gw_parts_stuck", (), len(stuck_parts(self.gateway)))
        for kind, count in publisher.events_of_kind().items():
            yield Sample("gw_events_total", (("kind", kind),), count)
        yield Sample("gw_event_bytes_total", (), publisher.bytes)
        yield Sample("gw_latency_seconds", (("stage", "receipt_to_publication"),), publisher.latency)
        yield Sample("gw_latency_seconds", (("stage", "venue_to_receipt"),), publisher.venue_latency)

    def _feeds(self) -> Iterable[Sample]:
        states: Counter[tuple[str, str]] = Counter()
        stale: Counter[str] = Counter()
        gaps: Counter[str] = Counter()
        duplicates = backfilled = lost = held = 0
        yield from self._streams()
        for machine in self.gateway.machine.machines:
            duplicates += machine.trades.duplicates
            backfilled += machine.trades.backfilled
            lost += machine.trades.lost
            held += machine.trades.held
            for gap_state, count in machine.trades.gaps.items():
                gaps[gap_state.value] += count
            for reason, count in machine.books.stale.items():
                stale[reason.value] += count
            for topic, subscription in machine.subscriptions.topics.items():
                states[(topic.channel.value, subscription.state.value)] += 1
        for (channel, state), count in states.items():
            yield Sample("gw_feed_state", (("channel", channel), ("state", state)), count)
        for reason in StaleReason:  # those that never came too: a rate needs the zero before the first one
            yield Sample("gw_book_stale_total", (("reason", reason.value),), stale[reason.value])
        yield Sample("gw_trade_duplicates_total", (), duplicates)
        yield Sample("gw_trades_backfilled_total", (), backfilled)
        yield Sample("gw_trades_lost_total", (), lost)
        yield Sample("gw_trades_held", (), held)
        for state_of_gap in GapState:
            yield Sample("gw_trade_gaps_total", (("state", state_of_gap.value),), gaps[state_of_gap.value])

    def _accounts(self) -> Iterable[Sample]:
        for connection in self.gateway.accounts.connections:
            label, machine = (("account", connection.account.name),), connection.machine
            yield Sample("gw_account_up", label, int(machine.is_open))
            yield Sample("gw_account_ready", label, int(machine.state is AccountState.READY))
            yield Sample("gw_account_halted", label, int(connection.is_halted))
            yield Sample("gw_account_connects_total", label, connection.connects)
            yield Sample("gw_account_downloads_total", label, machine.downloads)
            yield Sample("gw_account_checks_total", label, machine.checks)
            yield Sample("gw_account_discrepancies_total", label, machine.discrepancies)
            yield Sample("gw_account_fills_recovered_total", label, machine.recovered)
            yield Sample("gw_account_fill_duplicates_total", label, machine.memory.duplicates)
            yield Sample("gw_account_orders_lacking_fills", label, sum(1 for _ in machine.table.held))
            yield Sample("gw_account_rest_calls_total", label, connection.rest.requests)
            yield Sample("gw_account_rest_counter", label, connection.rest.count)
            yield Sample("gw_cancel_timer_armed", label, int(connection.requests.timer.is_armed))
            yield Sample("gw_cancel_timer_expired_total", label, connection.requests.timer.expired)
            yield Sample("gw_account_rest_budget_ratio", label, connection.rest.budget_ratio)
            if connection.token_ns is not None:
                age_ns = self.gateway.ports.clock.monotonic_ns() - connection.token_ns
                yield Sample("gw_account_token_age_seconds", label, age_ns / 1e9)
            yield from _orders(machine, label)
        safety = self.gateway.safety
        yield Sample("gw_order_halts", (), len(safety.halts))
        for code in GUARDED:
            yield Sample("gw_order_denials_total", (("code", code.value),), safety.guard.refused[code])
        offset = self.gateway.accounts.offset
        if offset is not None:
            yield Sample("gw_clock_offset_seconds", (("bound", "low"),), offset.low_ns / 1e9)
            yield Sample("gw_clock_offset_seconds", (("bound", "high"),), offset.high_ns / 1e9)

    def _streams(self) -> Iterable[Sample]:
        faults: Counter[tuple[str, str]] = Counter()
        transitions: Counter[tuple[str, str]] = Counter()
        probes: Counter[str] = Counter()
        resyncs: Counter[StaleReason] = Counter()
        now_ns = self.gateway.ports.clock.monotonic_ns()
        for machine in self.gateway.machine.machines:
            watch = machine.watch
            probes.update(watch.quiet.outcomes)
            for (channel, reason), count in watch.states.faults.items():
                faults[channel.value, reason.value] += count
            for (channel, reason), count in watch.states.resyncs.items():
                if channel is Channel.BOOK:
                    resyncs[reason] += count
            for symbol, book in machine.books.of_symbol.items():
                stale_s = 0.0 if book.state is StreamState.LIVE else (now_ns - (book.since_ns or now_ns)) / 1e9
                yield Sample("gw_book_stale_seconds", (("symbol", symbol),), stale_s)
            for (before, after), count in watch.states.transitions.items():
                transitions[before.value, after.value] += count
            for topic, subscription in machine.subscriptions.topics.items():
                labels = (("channel", topic.channel.value), ("symbol", topic.symbol or ""))
                yield Sample("gw_feed_live", labels, int(subscription.state is StreamState.LIVE))
                age_ns = watch.quiet.age_ns(topic, now_ns)
                if age_ns is not None:
                    yield Sample("gw_feed_age_seconds", labels, age_ns / 1e9)
        for (name, fault), count in faults.items():
            yield Sample("gw_feed_faults_total", (("channel", name), ("reason", fault)), count)
        for (before_state, after_state), count in transitions.items():
            yield Sample("gw_feed_transitions_total", (("before", before_state), ("after", after_state)), count)
        for outcome in OUTCOMES:
            yield Sample("gw_probes_total", (("outcome", outcome),), probes[outcome])
        for why in StaleReason:
            yield Sample("gw_book_resyncs_total", (("reason", why.value),), resyncs[why])

    def _rest(self) -> Iterable[Sample]:
        network = self.gateway.network
        yield Sample("gw_rest_requests_total", (), network.requests)
        yield Sample("gw_rest_waiting", (), network.waiting)
        for endpoint, round_trip_ns in network.round_trip_ns.items():
            yield Sample("gw_rest_seconds", (("endpoint", endpoint),), round_trip_ns / 1e9)

    def _journal(self) -> Iterable[Sample]:
        journal = self.gateway.journal
        for name in CLASSES:
            label = (("journal", name),)
            yield Sample("gw_journal_position", label, journal.last_position(name))
            yield Sample("gw_journal_synced_position", label, journal.synced_position(name))
            yield Sample("gw_journal_records_total", label, journal.appended_records(name))
            yield Sample("gw_journal_bytes_total", label, journal.synced_bytes(name))
            yield Sample("gw_journal_pending_bytes", label, journal.pending_bytes(name))
            yield Sample("gw_journal_stored_bytes", label, journal.stored_bytes(name))
            yield Sample("gw_journal_dropped_total", label, journal.dropped_of(name))
        yield Sample("gw_journal_reserve_bytes", (), self.gateway.config.journal.reserve_bytes)
        yield Sample("gw_journal_free_bytes", (), self.gateway.ports.storage.free_bytes())
        committer = self.gateway.committer
        yield Sample("gw_journal_up", (), int(not journal.failed))
        yield Sample("gw_journal_syncs_total", (), committer.commits)
        yield Sample("gw_journal_errors_total", (), committer.failures)
        yield Sample("gw_journal_sync_seconds", (), committer.latency)
        yield Sample("gw_journal_abandoned_total", (), journal.abandoned_segments)
        yield Sample("gw_journal_compressed_bytes_total", (("form", "before"),), journal.compressor.bytes_before)
        yield Sample("gw_journal_compressed_bytes_total", (("form", "after"),), journal.compressor.bytes_after)

    def _sinks(self) -> Iterable[Sample]:
        journal, now_ns = self.gateway.journal, self.gateway.ports.clock.now_ns()
        for runner in self.gateway.sinks:
            for name in CLASSES:
                labels = (("sink", runner.name), ("journal", name))
                yield Sample("gw_sink_position", labels, runner.progress[name])
                backlog = measure_backlog(journal, name, runner.progress[name], now_ns)
                yield Sample("gw_sink_backlog_events", labels, backlog.events)
                yield Sample("gw_sink_backlog_bytes", labels, backlog.bytes)
                yield Sample("gw_sink_backlog_seconds", labels, backlog.seconds)
            label = ("sink", runner.name)
            yield Sample("gw_sink_events_total", (label,), runner.records.total())
            yield Sample("gw_sink_bytes_total", (label,), runner.bytes.total())
            yield Sample("gw_sink_up", (label,), int(runner.is_connected))
            yield Sample("gw_sink_gaps_total", (label,), runner.gaps)
            for cause, count in runner.reconnects.items():
                yield Sample("gw_sink_reconnects_total", (label, ("cause", cause)), count)
            if runner.ack_meaning is not None:
                yield Sample("gw_sink_ack_meaning_info", (label, ("meaning", runner.ack_meaning)), 1)

    def _captures(self) -> Iterable[Sample]:
        captures = self.gateway.captures
        outcomes = captures.outcomes()
        for outcome in ("written", "dropped", "failed"):
            yield Sample("gw_incidents_total", (("outcome", outcome),), outcomes.get(outcome, 0))
        if captures.recorder is not None:
            yield Sample("gw_record_frames_total", (), captures.recorder.frames)
            yield Sample("gw_record_lost_total", (), captures.recorder.lost)

    def _clients(self) -> Iterable[Sample]:
        fanout = self.gateway.fanout
        transports = Counter(session.client.transport for session in fanout.sessions)
        for transport, count in transports.items():
            yield Sample("gw_client_connections", (("transport", transport),), count)
        for transport, read in self.gateway.transport_counters.items():
            counted = read()
            yield Sample("gw_transport_clients", (("transport", transport),), counted.clients)
            yield Sample("gw_transport_bytes_total", (("transport", transport),), counted.bytes)
            yield Sample("gw_transport_dropped_total", (("transport", transport),), counted.dropped)
        for transport, count in fanout.opened.items():
            yield Sample("gw_client_connects_total", (("transport", transport),), count)
        for transport in sorted({*fanout.refused, *self.gateway.transport_counters}):
            yield Sample("gw_client_refused_total", (("transport", transport),), fanout.refused[transport])
        queues = [session.buffered_bytes for session in fanout.sessions]
        yield Sample("gw_client_queue_bytes", (), sum(queues))
        yield Sample("gw_client_queue_max_bytes", (), max(queues, default=0))
        yield Sample("gw_client_queue_limit_bytes", (), fanout.settings.buffer_bytes_max)
        yield Sample("gw_client_conflations_total", (), fanout.conflations)
        yield Sample("gw_client_dropped_total", (), fanout.dropped)
        yield Sample("gw_client_denied_total", (), fanout.denials)
        yield Sample("gw_client_events_total", (), fanout.events_sent())
        for reason in CUTS:
            yield Sample("gw_client_cut_total", (("reason", reason),), fanout.cut.get(reason, 0))
        for command, latency in self.gateway.controls.latency.items():
            yield Sample("gw_command_seconds", (("command", command),), latency)

    # --- readiness and status -------------------------------------------------------------------------------------

    def not_ready(self) -> list[str]:
        """Why the gateway is not ready; empty: it is.

        Ready: everything has been live once, each connection to the venue is up now, and nobody has asked it to stop. One
        bad book, a sink without its server or a full disk do not take it away: most of what clients came for goes on.
        """
        gateway = self.gateway
        if gateway.is_stopping:
            return ["the gateway stops"]
        if not gateway.hub.connections:
            return ["the venue has not told its instruments yet"]
        reasons = [
            f"connection {connection.name} is down: {connection.last_cause or 'connecting'}"
            for connection in gateway.hub.connections
            if not connection.machine.is_open and connection.leads
        ]
        if not gateway.machine.is_ready:
            waiting = [
                f"{topic.channel.value} {topic.symbol or ''}".strip()
                for machine in gateway.machine.machines
                for topic, subscription in machine.subscriptions.topics.items()
                if subscription.state is not StreamState.LIVE
            ]
            more = f" and {len(waiting) - NAMED_MAX} more" if len(waiting) > NAMED_MAX else ""
            reasons.append(f"not live yet: {', '.join(waiting[:NAMED_MAX])}{more}")
        return reasons + [
            f"account {account.account.name} is {account.machine.state.value.lower()}"
            for account in gateway.accounts.connections
            if account.machine.state is not AccountState.READY and not account.is_halted  # that one ended, alone
        ]

    def summary(self) -> str:
        """How it stands, on one line."""
        reasons = self.not_ready()
        if reasons:
            more = f" (and {len(reasons) - 1} more)" if reasons[1:] else ""
            return f"not ready: {reasons[0]}{more}"
        return (
            f"ready: {len(self.gateway.machine.instruments)} symbols on {len(self.gateway.hub.connections)} connections"
        )

    def status(self) -> Mapping[str, Any]:
        """The whole in one JSON object, for anybody: no client and no account is named."""
        return self.report.report()


def _orders(machine: AccountMachine, label: tuple[tuple[str, str], ...]) -> Iterable[Sample]:
    desk = machine.desk
    counts = machine.own.counts()
    for state in OrderStatus:
        yield Sample("gw_orders", (*label, ("state", state.value)), counts.get(state, 0))
    yield Sample("gw_order_requests_waiting", label, desk.sender.waiting)
    yield Sample("gw_order_requests_unknown", label, len(desk.doubts))
    yield Sample("gw_order_requests_refused_total", label, desk.acks.refused)
    yield Sample("gw_order_answers_late_total", label, desk.late_answers)
    yield Sample("gw_order_rate_refusals_total", label, desk.rate_refusals)
    yield Sample("gw_order_questions_total", label, desk.doubts.questions)


def _machine(machine: MarketDataMachine, label: tuple[tuple[str, str], ...]) -> Iterable[Sample]:
    yield Sample("gw_connection_up", label, int(machine.is_open))
    yield Sample("gw_frames_total", label, machine.frames)
    yield Sample("gw_requests_total", label, machine.subscriptions.requests)
    if machine.round_trip_ns is not None:
        yield Sample("gw_round_trip_seconds", label, machine.round_trip_ns / 1e9)
    if machine.watch.lag.lag_ns is not None:
        yield Sample("gw_lag_seconds", label, machine.watch.lag.lag_ns / 1e9)
    yield Sample("gw_decode_errors_total", label, machine.undecodable + machine.plugin_errors)
    yield Sample("gw_unknown_frames_total", label, sum(machine.unknown.values()))
