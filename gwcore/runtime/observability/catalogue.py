"""Every metric there is: name, kind, labels, help. Nothing else may be exported; the documentation is checked against it.

Names are `gw_<noun>_<unit>`, counters end in `_total`, units are seconds and bytes. Labels are bounded: symbols only where a
gauge per book is the point, never ids of orders or clients.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

MetricKind: TypeAlias = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    """One metric as it is declared."""

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    help: str


_METRICS = (
    # The process
    Metric("gw_build_info", "gauge", ("version", "python", "venue", "environment", "source"), "What runs; always 1."),
    Metric("gw_start_time_seconds", "gauge", (), "When the process started, seconds since the epoch."),
    Metric("gw_ready", "gauge", (), "1 while /readyz says so: all was live once, each connection to the venue is up."),
    Metric("gw_loop_lag_seconds", "gauge", (), "How late the event loop was at the last look."),
    Metric("gw_loop_lag_max_seconds", "gauge", (), "How late the event loop was at worst since the last scrape."),
    Metric(
        "gw_loop_stalls_total",
        "counter",
        (),
        "Times the event loop did not run for a second; the log says who held it.",
    ),
    Metric("gw_parts_stuck", "gauge", (), "Parts that should have moved on and did not; `gw status` names them."),
    Metric("gw_metrics_errors_total", "counter", (), "Metrics that could not be collected at a scrape."),
    Metric("gw_log_suppressed_total", "counter", (), "Log messages left out because they repeat."),
    # Connections to the venue
    Metric("gw_connection_up", "gauge", ("connection",), "1 while this connection to the venue is open."),
    Metric("gw_connect_attempts_total", "counter", ("connection",), "Attempts to connect."),
    Metric("gw_connection_ends_total", "counter", ("connection", "cause"), "Connections that ended, by kind of cause."),
    Metric("gw_frames_total", "counter", ("connection",), "Frames received."),
    Metric("gw_requests_total", "counter", ("connection",), "Frames sent to the venue."),
    Metric("gw_round_trip_seconds", "gauge", ("connection",), "Last ping to pong."),
    Metric(
        "gw_lag_seconds",
        "gauge",
        ("connection",),
        "How old what comes is, by the last answer to a ping or a missing one.",
    ),
    Metric("gw_rest_requests_total", "counter", (), "REST requests sent."),
    Metric("gw_rest_waiting", "gauge", (), "REST requests that wait for their turn."),
    Metric("gw_rest_seconds", "gauge", ("endpoint",), "Last round trip of each REST endpoint."),
    # Frames and messages
    Metric("gw_decode_errors_total", "counter", ("connection",), "Frames that did not say what they should."),
    Metric(
        "gw_unknown_frames_total", "counter", ("connection",), "Well-formed frames that this version does not know."
    ),
    # Subscriptions and books
    Metric("gw_feed_state", "gauge", ("channel", "state"), "Subscriptions in each state."),
    Metric("gw_feed_live", "gauge", ("channel", "symbol"), "1 while this subscription is LIVE."),
    Metric("gw_feed_faults_total", "counter", ("channel", "reason"), "Times a subscription went bad, by reason."),
    Metric("gw_feed_transitions_total", "counter", ("before", "after"), "Changes of state of subscriptions."),
    Metric("gw_probes_total", "counter", ("outcome",), "Quiet subscriptions asked about, by what came of it."),
    Metric("gw_feed_age_seconds", "gauge", ("channel", "symbol"), "Time since the last data of this subscription."),
    Metric(
        "gw_book_resyncs_total", "counter", ("reason",), "Tries to get a book back by subscribing it anew, by reason."
    ),
    Metric("gw_book_stale_seconds", "gauge", ("symbol",), "For how long this book has not been LIVE; 0: it is."),
    Metric("gw_book_stale_total", "counter", ("reason",), "Books declared stale, by reason."),
    Metric("gw_trade_duplicates_total", "counter", (), "Trades left out because they came before."),
    Metric("gw_trades_backfilled_total", "counter", (), "Missing trades that were fetched afterwards."),
    Metric("gw_trades_lost_total", "counter", (), "Missing trades that could not be fetched."),
    Metric("gw_trades_held", "gauge", (), "Trades held back while those before them are fetched."),
    Metric("gw_trade_gaps_total", "counter", ("state",), "Gaps of trades: OPEN, CLOSED, LOST."),
    # Accounts
    Metric("gw_account_up", "gauge", ("account",), "1 while the account's private connection is open."),
    Metric("gw_account_ready", "gauge", ("account",), "1 while all of the account is known and followed."),
    Metric("gw_account_halted", "gauge", ("account",), "1 when the account ended until the operator acts."),
    Metric("gw_account_connects_total", "counter", ("account",), "Attempts to connect the account."),
    Metric("gw_account_downloads_total", "counter", ("account",), "Downloads after a connection."),
    Metric("gw_account_checks_total", "counter", ("account",), "Comparisons of the stream with REST."),
    Metric("gw_account_discrepancies_total", "counter", ("account",), "Differences told."),
    Metric("gw_account_fills_recovered_total", "counter", ("account",), "Fills that did not come live."),
    Metric("gw_account_fill_duplicates_total", "counter", ("account",), "Fills left out because they came before."),
    Metric("gw_account_orders_lacking_fills", "gauge", ("account",), "Orders of which fills are missing at present."),
    Metric("gw_account_rest_calls_total", "counter", ("account",), "Private REST calls."),
    Metric("gw_account_rest_counter", "gauge", ("account",), "The venue's REST counter, as we model it."),
    Metric(
        "gw_account_rest_budget_ratio",
        "gauge",
        ("account",),
        "Share of the venue's REST budget that is used, as modelled.",
    ),
    Metric("gw_account_token_age_seconds", "gauge", ("account",), "Age of what the private connection stands on."),
    Metric("gw_orders", "gauge", ("account", "state"), "Orders of ours that are remembered, by state."),
    Metric(
        "gw_order_requests_waiting", "gauge", ("account",), "Requests about orders that were taken and not answered."
    ),
    Metric("gw_order_requests_unknown", "gauge", ("account",), "Orders with a request whose fate is not known."),
    Metric("gw_order_requests_refused_total", "counter", ("account",), "Requests that the gateway refused."),
    Metric("gw_order_answers_late_total", "counter", ("account",), "Answers that came when nobody waited any more."),
    Metric("gw_order_rate_refusals_total", "counter", ("account",), "Requests the venue refused by its rate limits."),
    Metric("gw_cancel_timer_armed", "gauge", ("account",), "1 while the venue's dead-man timer is known to be armed."),
    Metric("gw_cancel_timer_expired_total", "counter", ("account",), "Times that timer ended without being renewed."),
    Metric("gw_order_questions_total", "counter", ("account",), "Times the venue was asked what became of an order."),
    Metric("gw_order_denials_total", "counter", ("code",), "Requests that market, limits, rates or halts stopped."),
    Metric("gw_order_halts", "gauge", (), "Halts of orders that are in force."),
    Metric("gw_clock_offset_seconds", "gauge", ("bound",), "The venue's clock minus ours lies between low and high."),
    # Events
    Metric("gw_events_total", "counter", ("kind",), "Events published."),
    Metric("gw_event_bytes_total", "counter", (), "Bytes of published events."),
    Metric(
        "gw_latency_seconds", "histogram", ("stage",), "Time an event takes: venue to receipt, receipt to publication."
    ),
    # Journal
    Metric("gw_journal_records_total", "counter", ("journal",), "Records appended."),
    Metric("gw_journal_bytes_total", "counter", ("journal",), "Bytes of records made durable."),
    Metric("gw_journal_pending_bytes", "gauge", ("journal",), "Bytes that wait to be written and synced."),
    Metric("gw_journal_position", "gauge", ("journal",), "Position of the last record."),
    Metric("gw_journal_synced_position", "gauge", ("journal",), "Position up to which all is on disk."),
    Metric("gw_journal_up", "gauge", (), "1 while records can be made durable."),
    Metric("gw_journal_syncs_total", "counter", (), "Group commits."),
    Metric("gw_journal_sync_seconds", "histogram", (), "Time of a group commit."),
    Metric("gw_journal_errors_total", "counter", (), "Writes or syncs that failed."),
    Metric("gw_journal_abandoned_total", "counter", (), "Segments left behind because a sync of them failed."),
    Metric("gw_journal_compressed_bytes_total", "counter", ("form",), "Bytes of closed segments before and after."),
    Metric("gw_journal_stored_bytes", "gauge", ("journal",), "Bytes on disk."),
    Metric("gw_journal_free_bytes", "gauge", (), "Space left on the journal's volume."),
    Metric("gw_journal_reserve_bytes", "gauge", (), "Free space below which the journal stops."),
    Metric("gw_journal_dropped_total", "counter", ("journal",), "Records that could not be journalled."),
    # Sinks
    Metric("gw_sink_up", "gauge", ("sink",), "1 while the sink is connected."),
    Metric("gw_sink_position", "gauge", ("sink", "journal"), "Position up to which the sink says all is durable."),
    Metric("gw_sink_backlog_events", "gauge", ("sink", "journal"), "Journalled records the sink has not taken."),
    Metric(
        "gw_sink_backlog_bytes", "gauge", ("sink", "journal"), "Their payloads' bytes; above 64 records an estimate."
    ),
    Metric("gw_sink_backlog_seconds", "gauge", ("sink", "journal"), "Age of the oldest of them."),
    Metric("gw_sink_events_total", "counter", ("sink",), "Records given to the sink."),
    Metric("gw_sink_bytes_total", "counter", ("sink",), "Bytes of their payloads."),
    Metric("gw_sink_reconnects_total", "counter", ("sink", "cause"), "Times the sink was connected again, by cause."),
    Metric("gw_sink_gaps_total", "counter", ("sink",), "Records that retention removed before the sink took them."),
    Metric("gw_sink_ack_meaning_info", "gauge", ("sink", "meaning"), "What an acknowledgement is worth; always 1."),
    # Operators
    Metric("gw_command_seconds", "histogram", ("command",), "Time an action or a question of an operator takes."),
    # Captures
    Metric("gw_incidents_total", "counter", ("outcome",), "Incidents: written, dropped for a limit, failed."),
    Metric("gw_record_frames_total", "counter", (), "Frames of the venue recorded."),
    Metric("gw_record_lost_total", "counter", (), "Frames of the venue that could not be recorded."),
    # Clients
    Metric(
        "gw_client_connections", "gauge", ("transport",), "Sessions of the core; NATS has one more, for all its events."
    ),
    Metric("gw_client_connects_total", "counter", ("transport",), "Clients that came."),
    Metric("gw_client_refused_total", "counter", ("transport",), "Clients over the limit of all transports together."),
    Metric("gw_client_denied_total", "counter", (), "Requests of clients for what is not granted."),
    Metric("gw_client_cut_total", "counter", ("reason",), "Clients cut, by reason."),
    Metric("gw_client_conflations_total", "counter", (), "Times a slow client was given snapshots instead of updates."),
    Metric("gw_client_dropped_total", "counter", (), "Events of market data that slow clients were not sent."),
    Metric("gw_client_queue_limit_bytes", "gauge", (), "What may be buffered for one client."),
    Metric("gw_client_queue_bytes", "gauge", (), "Bytes buffered for all clients."),
    Metric("gw_client_queue_max_bytes", "gauge", (), "Bytes buffered for the client that lags most."),
    Metric("gw_client_events_total", "counter", (), "Events written to clients."),
    Metric("gw_transport_clients", "gauge", ("transport",), "Clients the transport has."),
    Metric("gw_transport_bytes_total", "counter", ("transport",), "Bytes it has written, framing included."),
    Metric(
        "gw_transport_dropped_total", "counter", ("transport",), "Clients and requests it turned away or cut itself."
    ),
)

#: name -> declaration.
CATALOGUE: Final[dict[str, Metric]] = {metric.name: metric for metric in _METRICS}
