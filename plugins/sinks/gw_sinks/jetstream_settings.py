"""Settings of the `jetstream` sink."""

from __future__ import annotations

from typing import Annotated

import msgspec

from gwcore.nats_settings import NatsSettings

_Count = Annotated[int, msgspec.Meta(gt=0)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]
_MonitorUrls = Annotated[str, msgspec.Meta(pattern=r"^$|^https?://\S+$")]
_StreamName = Annotated[str, msgspec.Meta(pattern=r"^[^\s.*>/\\]{0,64}$")]


class JetStreamSettings(NatsSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[sink.jetstream]`: events into NATS JetStream."""

    url: str = ""  # one or more of nats://HOST:PORT, by commas; empty: a nats-server of our own on loopback
    monitor_url: _MonitorUrls = ""  # http://HOST:8222 of each server, by commas: names causes, says what an ack means
    require_fsync: bool = False  # publish nothing unless each server syncs before it acknowledges
    ack_timeout_s: _Seconds = 5.0  # no acknowledgement for this long: fate unknown, the stream's tail decides
    check_interval_s: _Seconds = 5.0  # how often each stream is looked at: there, as it must be, reachable
    health_interval_s: _Seconds = 2.0  # how often the servers behind monitor_url are asked for their health
    outstanding_max: _Count = 2000  # events of one stream not yet acknowledged
    outstanding_bytes_max: _Count = 8 * 1024 * 1024  # ... and their size
    create_streams: bool = True  # make streams that are absent; otherwise the sink waits until they are there
    refill: bool = True  # a stream that is new gets all that the journal still holds; false: what follows the cursor
    single_writer: bool = True  # this gateway alone writes to its streams; fences others and keeps the order strictly
    replicas: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1  # of streams that are made here
    duplicate_window_s: _Seconds = 120.0  # of streams that are made here
    md_stream: _StreamName = ""  # names; empty: gw-<env>-<venue>-md and so on
    st_stream: _StreamName = ""  # ... of status
    ex_stream: _StreamName = ""  # ... of executions
    md_bytes_max: _Count = 4 * 1024**3  # oldest go first, as with md_age_max_s
    md_age_max_s: _Seconds = 24 * 3600.0  # ... or this age
    st_bytes_max: _Count = 256 * 1024**2  # the same for status
    st_age_max_s: _Seconds = 30 * 24 * 3600.0  # ... or this age
    ex_bytes_max: _Count = 1024**3  # at this size the stream refuses: executions are never dropped
    embedded_store_bytes_max: _Count = 6 * 1024**3  # of our own server, all streams together
