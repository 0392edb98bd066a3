"""Typed settings of the core, one struct per table of the configuration file. `gwcore.config` fills them.

Every field has a default and a comment; the comment is what `conf/*.toml` and the generated reference show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from gwcore.sink import SinkSpec
from gwcore.transport import TransportSpec
from gwcore.venue import VenueSpec


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[gateway]`: what this process is and what it asks the venue for."""

    name: str = ""  # name of this gateway; empty: the venue's name
    env: str = "prod"  # which of the venue's environments
    state_dir: str = ""  # where journal, cursors and sinks keep their state; empty: ~/.local/state/gw/<name>
    symbols: tuple[str, ...] = ("*",)  # globs of symbols to subscribe
    exclude: tuple[str, ...] = ()  # globs of symbols to leave out
    channels: tuple[str, ...] = ("instrument", "status", "book", "trade", "ticker")  # what to subscribe
    book_depth: int = 10  # levels a side
    candle_intervals_s: tuple[int, ...] = (60,)  # for channel ohlc
    duration_s: float | None = None  # stop after this long
    shutdown_s: float = 10.0  # how long a stop may take before it is cut short
    metrics_host: str = "127.0.0.1"  # where metrics and health are served
    metrics_port: int | None = None  # None: not served; 0: any free port
    log_level: str = "info"  # debug, info, warning, error


class HealingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[healing]`: how connections and subscriptions are brought back."""

    reconnect_first_s: float = 0.5  # upper bound of the first delay; the delay is uniform in [0, bound)
    reconnect_max_s: float = 30.0  # the bound doubles up to this
    reconnect_held_s: float = 60.0  # a connection that held this long resets the bound
    resubscribe_first_s: float = 0.05  # upper bound of the second try for one symbol; the first is at once
    resubscribe_max_s: float = 10.0  # the bound doubles up to this
    quarantine_after: int = 5  # failures of one symbol ...
    quarantine_window_s: float = 120.0  # ... within this window
    quarantine_retry_s: float = 60.0  # how often a quarantined symbol is tried
    renew_shard_share: float = 0.5  # this share of a shard's books stale by proof at once: new connection
    renew_shard_min: int = 5  # ... but not for fewer than this


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[journal]`: the event log."""

    segment_bytes: int = 64 * 1024 * 1024  # a segment is closed at this size
    md_sync_ms: float = 50.0  # market data and status are synced this often
    md_bytes_max: int = 20 * 1024**3  # closed md segments go, oldest first, above this
    md_age_max_s: float = 7 * 24 * 3600.0  # ... or this age
    st_bytes_max: int = 1024**3  # the same for st
    st_age_max_s: float = 90 * 24 * 3600.0
    reserve_bytes: int = 256 * 1024 * 1024  # below this much free space the journal stops and says so
    memory_records: int = 50_000  # newest records of a class kept in memory for readers


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[clients]`: limits of every client, whatever the transport."""

    clients_max: int = 256  # more are refused
    buffer_bytes_max: int = 8 * 1024 * 1024  # what one client may lag behind before its policy is applied
    subscriptions_max: int = 64  # per client
    heartbeat_s: float = 5.0  # sent to clients; three missed ones from a client cut it


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedVenue:
    """The venue this process serves."""

    spec: VenueSpec
    settings: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedTransport:
    """One client transport."""

    spec: TransportSpec
    settings: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedSink:
    """One sink."""

    spec: SinkSpec
    settings: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """All that `runtime.app` needs: names resolved, defaults filled, plugins loaded."""

    gateway: GatewaySettings
    venue: SelectedVenue
    transports: tuple[SelectedTransport, ...] = ()
    sinks: tuple[SelectedSink, ...] = ()
    healing: HealingSettings = field(default_factory=HealingSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    clients: ClientSettings = field(default_factory=ClientSettings)
