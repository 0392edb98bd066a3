"""Typed settings of the core, one struct per table of the configuration file. `gwcore.config` fills them.

Every field has a default and a comment; `conf/*.toml` shows them all. The bounds of a number are part of its type, so that
a plugin's own settings can use the same ones and `gwcore.config` can say what it expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from gwcore.secrets import Secret, SecretRef, resolve_secret
from gwcore.sink import SinkSpec
from gwcore.transport import TransportSpec
from gwcore.venue import VenueSpec

__all__ = [
    "AccountSettings",
    "Amount",
    "Bytes",
    "CaptureSettings",
    "ClientSettings",
    "Count",
    "DetectionSettings",
    "Funds",
    "GatewayConfig",
    "GatewaySettings",
    "HealingSettings",
    "JournalSettings",
    "Milliseconds",
    "OrderPolicy",
    "PaperSettings",
    "Port",
    "RuntimeSettings",
    "Secret",
    "SecretRef",
    "Seconds",
    "SelectedAccount",
    "SelectedSink",
    "SelectedTransport",
    "SelectedVenue",
    "Share",
    "SymbolAmount",
    "UserSettings",
    "Verb",
    "resolve_secret",
]

Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
Milliseconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
Port: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Verb: TypeAlias = Literal["md", "read", "create", "modify", "cancel", "admin"]
Share: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]
OrderPolicy: TypeAlias = Literal["none", "own_orders", "account"]
SymbolAmount: TypeAlias = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9*?!./:_-]{1,64} [0-9]{1,18}([.][0-9]{1,18})?$", title='text like "BTC/* 0.5"'),
]
Amount: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,18}([.][0-9]{1,18})?$", title="decimal text like 0.25")
]
Funds: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,18}([.][0-9]{1,18})? [A-Za-z0-9.]{1,20}$", title='text like "1000.50 USD"')
]


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[gateway]`: what this process is and what it asks the venue for."""

    name: str = ""  # name of this gateway; empty: the venue's name
    venue: str = ""  # the venue to serve; `--venue`
    transports: tuple[str, ...] = ()  # the transports clients come by; `--transport`
    sinks: tuple[str, ...] = ()  # the sinks events go to; `--sink`
    env: str = "prod"  # which of the venue's environments
    state_dir: str = ""  # where journal, cursors and sinks keep their state; empty: ~/.local/state/gw/<name>
    keys_dir: str = (
        ""  # where nonces and locks of API keys are, for all gateways of a user; empty: ~/.local/state/gw/keys
    )
    symbols: tuple[str, ...] = ("*",)  # globs of symbols to subscribe
    exclude: tuple[str, ...] = ()  # globs of symbols to leave out
    channels: tuple[str, ...] = ("instrument", "status", "book", "trade", "ticker")  # what to subscribe
    book_depth: Count = 10  # levels a side
    candle_intervals_s: tuple[Count, ...] = (60,)  # for channel ohlc
    duration_s: Seconds | None = None  # stop after this long
    shutdown_s: Seconds = 10.0  # how long a stop may take before it is cut short
    metrics_host: str = "127.0.0.1"  # where metrics and health are served
    metrics_port: Port | None = None  # None: not served; 0: any free port
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # the least important message still written
    log_format: Literal["json", "text"] = "json"  # one JSON object a line, or one line of text


class HealingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[healing]`: how connections and subscriptions are brought back."""

    reconnect_first_s: Seconds = 0.5  # upper bound of the first delay; the delay is uniform in [0, bound)
    reconnect_max_s: Seconds = 30.0  # the bound doubles up to this
    reconnect_held_s: Seconds = 60.0  # a connection that held this long resets the bound
    resubscribe_first_s: Seconds = 0.05  # upper bound of the second try for one symbol; the first is at once
    resubscribe_max_s: Seconds = 10.0  # the bound doubles up to this
    quarantine_after: Count = 5  # failures of one symbol ...
    quarantine_window_s: Seconds = 120.0  # ... within this window
    quarantine_retry_s: Seconds = 60.0  # how often a quarantined symbol is tried
    renew_shard_share: Share = 0.5  # this share of a shard's books stale by proof at once: new connection
    renew_shard_min: Count = 5  # ... but not for fewer than this
    standby: bool = False  # a second connection for each shard, that goes on without a STALE where the first fails


class DetectionSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[detection]`: when a feed is doubted. Proof (checksum, sequence, precision) has no setting."""

    book_quiet_s: Seconds | None = 60.0  # a book without an update for this long is probed; None: never
    trade_quiet_s: Seconds | None = 300.0  # the same for trades
    ticker_quiet_s: Seconds | None = 300.0  # the same for tickers
    probe_grace_s: Seconds = 0.25  # what a probe contradicts has this long to arrive, then the feed is silent
    probe_timeout_s: Seconds = 5.0  # a probe without an answer: the symbol is subscribed anew, live meanwhile
    application_s: Seconds = 10.0  # nothing but answers to our pings, where the venue sends heartbeats: dead
    jump_share: Share = (
        0.25  # the share of its price that the middle of a book may move at once, away from the last trade ...
    )
    jump_trade_s: Seconds = 60.0  # ... while that is not older than this
    lag_s: Seconds | None = 5.0  # what comes may be this old, by the venue's times and answers to pings; None: any age
    lag_renew_s: Seconds = 30.0  # a connection that is late for so long is replaced: what waits on its way is dropped
    time_back_s: Seconds = 1.0  # how far the venue's time of a book may go back
    time_confirm_s: Seconds = 5.0  # a snapshot that is too old is believed when the venue still says so after this long
    confirmed_s: Seconds = 60.0  # what a fresh snapshot confirmed is not doubted again until it was gone for this long


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[journal]`: the event log."""

    segment_bytes: Bytes = 64 * 1024 * 1024  # a segment is closed at this size
    md_sync_ms: Milliseconds = 50.0  # market data and status are synced this often
    md_bytes_max: Bytes = 20 * 1024**3  # closed md segments go, oldest first, above this
    md_age_max_s: Seconds = 7 * 24 * 3600.0  # ... or this age
    st_bytes_max: Bytes = 1024**3  # the same for st
    st_age_max_s: Seconds = 90 * 24 * 3600.0  # ... or this age
    ex_bytes_max: Bytes | None = None  # the same for ex, but never ahead of a sink's cursor; None: kept for ever
    ex_age_max_s: Seconds | None = None  # ... or this age
    compress_level: Annotated[int, msgspec.Meta(ge=0, le=19)] = 3  # zstd level for closed segments; 0: left as they are
    reserve_bytes: Bytes = 256 * 1024 * 1024  # below this much free space the journal stops and says so
    pending_bytes_max: Bytes = 64 * 1024 * 1024  # of a class in memory while it can't be written; the rest is lost
    memory_records: Count = 50_000  # newest records of a class kept in memory for readers


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[capture]`: the venue's own frames, kept for incidents and, where asked for, recorded."""

    ring_s: Seconds = 30.0  # the last frames of each connection that are kept in memory ...
    ring_bytes_max: Bytes = 16 * 1024 * 1024  # ... but no more than this for one connection
    ring_frames_max: Count = 100_000  # ... and no more than so many
    incidents_per_day_max: Count = 100  # files in <state>/incidents of one day (UTC); more are only counted
    incidents_per_symbol_max: Count = 10  # ... of one symbol, so that one bad symbol leaves room for others
    incidents_bytes_max: Bytes = 1024**3  # all files there; the oldest go
    record: bool = False  # also write every frame to <state>/recordings; `--record`
    record_bytes_max: Bytes = 256 * 1024 * 1024  # a recording goes on in a new file at this size
    record_files_max: Count = 16  # files of one recording; the oldest go


class RuntimeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[runtime]`: which libraries do the work; the extra `fast` brings picows and uvloop."""

    websocket: Literal["auto", "websockets", "picows"] = "auto"  # the client's library; auto: picows where installed
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"  # the event loop; auto: uvloop where installed


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[paper]`: orders meet the live book in an exchange of our own, and nothing goes to the venue."""

    enabled: bool = False  # every account trades on paper; `--paper`
    funds: tuple[Funds, ...] = ("100000 USD", "10 BTC")  # what each account begins with: amounts and their assets
    maker_fee_percent: Amount = "0.25"  # where the venue's instruments tell no fees
    taker_fee_percent: Amount = "0.40"  # the same for takers


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[clients]`: limits of every client, whatever the transport."""

    clients_max: Count = 256  # more are refused
    buffer_bytes_max: Bytes = 8 * 1024 * 1024  # what one client may lag behind before its policy is applied
    subscriptions_max: Count = 64  # per client
    heartbeat_s: Seconds = 5.0  # sent to clients; three missed ones from a client cut it
    open_market_data: bool = (
        True  # market data is for everybody who can connect; false: for users with the verb md alone
    )
    owner_is_operator: bool = True  # who runs the gateway may operate it (`gw ctl`), unless a [user.NAME] has his uid


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[account.NAME]`: one account at the venue."""

    key: SecretRef = ""  # where the API key is
    secret: SecretRef = ""  # where its secret is
    passphrase: SecretRef | None = None  # where the passphrase is, for venues that want one
    master: bool = False  # its key is for what needs one and is of no account: the fees in each market; one at most
    allow_withdraw_key: bool = False  # take a key that may withdraw, or whose rights can't be read
    history_s: Annotated[float, msgspec.Meta(ge=0)] = 86400.0  # at the first start, fills this far back are told
    check_s: Seconds = 300.0  # how often orders, fills and funds are compared with what REST answers
    funds_s: Seconds = 15.0  # least time between two questions for holds; the stream tells totals
    fees_s: Seconds = 3600.0  # how often the fees of the master account are asked for
    hold_s: Seconds = 180.0  # how long a fill waits for an earlier one of its order that is missing
    trading: Literal["off", "live"] = "off"  # live: requests for orders leave, with real money where the host is real
    on_shutdown: OrderPolicy = (
        "none"  # when the gateway stops: none, own_orders (cancel those placed here), account (all)
    )
    cancel_after_s: Annotated[int, msgspec.Meta(ge=8, le=86_399)] | None = (
        None  # the venue cancels all orders of the account so long after the gateway's last word; without: never
    )
    options: dict[str, Any] = {}  # of the venue: [account.NAME.options]


class UserSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[user.NAME]`: who somebody is, and what he may see and do. What is not granted is denied."""

    uids: tuple[
        Annotated[int, msgspec.Meta(ge=0)], ...
    ] = ()  # user ids on this machine, as the kernel says (SO_PEERCRED)
    nats: tuple[str, ...] = ()  # user names or nkeys, as the NATS server authenticated them
    bus: bool = False  # what the NATS transport puts on subjects: whoever the server lets read them sees this grant
    token: SecretRef | None = None  # where the token is that a client may say instead
    accounts: tuple[str, ...] = ()  # globs of accounts
    symbols: tuple[str, ...] = ("*",)  # globs of symbols, of market data and of accounts alike
    verbs: tuple[Verb, ...] = ("md", "read")  # what he may do: md, read (accounts), create, modify, cancel, admin
    drop_copy: bool = False  # sees orders and fills of everybody on his accounts, external ones too
    order_quantity_max: tuple[SymbolAmount, ...] = ()  # the most one order may have, in the base asset: "BTC/* 0.5"
    order_notional_max: tuple[
        SymbolAmount, ...
    ] = ()  # the most one order may be worth, in the quote asset: "*/USD 10000"
    position_max: tuple[
        SymbolAmount, ...
    ] = ()  # how long or short his fills and open orders on all accounts may make him
    open_orders_max: Count | None = None  # orders of his that may be open, on all accounts together
    price_band_percent: Amount | None = None  # how far through the middle of our own LIVE book a limit price may go
    require_live_book: bool = False  # his orders are refused while the book of their symbol is not LIVE
    messages_per_s: Seconds | None = None  # requests for orders a second; cancels pass above it, too
    messages_burst: Count = 10  # ... and so many at once
    ban_after: Count = 20  # so many requests above it ...
    ban_s: Seconds = 60.0  # ... and only his cancels pass for this long
    on_disconnect: OrderPolicy = (
        "none"  # when his last session ends: none, own_orders (cancel his), account (cancel all)
    )
    disconnect_grace_s: Annotated[float, msgspec.Meta(ge=0)] = 5.0  # ... unless he is back within this time


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedAccount:
    """One account. `options`: the venue's own struct, filled."""

    name: str
    settings: AccountSettings
    options: Any = None


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
    capture: CaptureSettings = field(default_factory=CaptureSettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    accounts: tuple[SelectedAccount, ...] = ()
    paper: PaperSettings = field(default_factory=PaperSettings)
    users: Mapping[str, UserSettings] = field(default_factory=dict)
