"""What the gateway says of itself: streams, limits, gaps, downloads, operator actions."""

from __future__ import annotations

import msgspec

from gwcore.model.enums import (
    ConnectionState,
    GapState,
    GatewayState,
    Origin,
    StaleReason,
    StreamState,
)


class GatewayStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="gateway_status",
):
    """State of the process, of one of its connections, or of one of its sinks.

    Without `component` it is the process. A component is `connection.md.0`, `sink.jetstream`, `journal`, ...

    A connection that comes back says, as CONNECTED, why and for how long it was gone and between which of our times nothing
    was received; and once more, when all is settled, with the counts of what was got back.
    """

    state: GatewayState
    component: str | None = None
    connection: ConnectionState | None = None
    cause: str | None = None
    detail: str | None = None
    since_ns: int | None = None
    version: str | None = None
    origin: Origin = Origin.GATEWAY
    outage_ns: int | None = None  # how long the connection was gone
    missed_from_ns: int | None = None  # when the last frame before it came
    missed_to_ns: int | None = None  # when the connection was back
    trades_backfilled: int | None = None
    trades_lost: int | None = None
    bars_backfilled: int | None = None


class StreamStatus(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="stream_status",
):
    """State of one subscription."""

    channel: str
    symbol: str | None = None
    shard: int | None = None
    state: StreamState
    reason: StaleReason | None = None
    detail: str | None = None
    since_ns: int | None = None
    resubscribes: int | None = None
    origin: Origin = Origin.GATEWAY
    age_ns: int | None = None  # of its last data (or of a probe that confirmed it) just now, to half a second
    standby: StreamState | None = None  # of the same subscription on the shard's second connection; None: there is none


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One counter of a venue's limits."""

    name: str
    value: str | None = None  # None: only the limit is known
    limit: str
    ends_ns: int | None = None


class RateLimitsUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="rate_limits",
):
    """Where we stand with the venue's limits."""

    account: str | None = None
    limits: tuple[RateLimit, ...] = ()
    origin: Origin = Origin.GATEWAY


class ExternalLatency(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="external_latency",
):
    """Round trip to the venue over one stream or endpoint."""

    component: str
    account: str | None = None
    round_trip_ns: int
    origin: Origin = Origin.GATEWAY


class DownloadBegin(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="download_begin",
):
    """What follows, up to `DownloadEnd`, is the state at the venue and not news."""

    account: str | None = None
    symbols: int | None = None
    origin: Origin = Origin.GATEWAY
    since_ns: int | None = None  # fills before this are not told: they are from before the account's first start


class DownloadEnd(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="download_end",
):
    """End of what `DownloadBegin` opened."""

    account: str | None = None
    origin: Origin = Origin.GATEWAY


class Ready(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="ready"):
    """An account, or (without one) all market data asked for, is up."""

    account: str | None = None
    origin: Origin = Origin.GATEWAY


class Gap(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="gap"):
    """Something is missing, with bounds (law 1). Bounds are inclusive and are what is missing.

    Of our own events: `partition` and `session_id` with sequences. Of the venue's: `symbol` with trade ids or times.
    """

    state: GapState = GapState.OPEN
    cause: str
    partition: str | None = None
    session_id: str | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    symbol: str | None = None
    channel: str | None = None
    first_trade_id: str | None = None
    last_trade_id: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    dropped: int | None = None
    origin: Origin = Origin.GATEWAY


class Discrepancy(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="discrepancy",
):
    """The venue's own answers disagree. The gateway reports it and invents nothing."""

    account: str | None = None
    symbol: str | None = None
    subject: str
    expected: str | None = None  # by what the gateway was told on the stream
    found: str | None = None  # by what the venue answers when asked
    origin: Origin = Origin.RECONCILIATION


class Control(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="kind", tag="control"):
    """An operator's action, or a denial, for the record.

    An action is told twice: when it is asked for, with its arguments in `detail`, and, with a `result`, when it ended.
    """

    action: str
    user: str | None = None
    account: str | None = None
    symbol: str | None = None
    allowed: bool = True
    detail: str | None = None
    origin: Origin = Origin.GATEWAY
    result: str | None = None  # what came of it, in one sentence; None: it was asked for, or denied
    failed: bool | None = None  # of a result: it could not be done, or not wholly
