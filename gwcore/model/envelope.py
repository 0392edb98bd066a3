"""Envelope, header and record: how an event travels."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, Union

import msgspec

from gwcore.model.account import FeesUpdate, FundsUpdate, PositionUpdate, TradeBalance
from gwcore.model.enums import UpdateType
from gwcore.model.market import (
    MarketByOrderUpdate,
    MarketByPriceUpdate,
    StatisticsUpdate,
    TimeSeriesUpdate,
    TopOfBook,
    TradeSummary,
)
from gwcore.model.orders import OrderAck, OrderUpdate, TradeUpdate
from gwcore.model.reference import MarketStatus, ReferenceData
from gwcore.model.status import (
    Control,
    Discrepancy,
    DownloadBegin,
    DownloadEnd,
    ExternalLatency,
    Gap,
    GatewayStatus,
    RateLimitsUpdate,
    Ready,
    StreamStatus,
)

#: Version of the event schema. Fields are only ever appended; every older version stays decodable.
SCHEMA_VERSION = 1

Event: TypeAlias = Union[  # noqa: UP007 - msgspec reads a Union, and the list is the catalogue of kinds
    ReferenceData,
    MarketStatus,
    TopOfBook,
    MarketByPriceUpdate,
    MarketByOrderUpdate,
    TradeSummary,
    StatisticsUpdate,
    TimeSeriesUpdate,
    OrderAck,
    OrderUpdate,
    TradeUpdate,
    PositionUpdate,
    FundsUpdate,
    StreamStatus,
    GatewayStatus,
    RateLimitsUpdate,
    ExternalLatency,
    DownloadBegin,
    DownloadEnd,
    Ready,
    Gap,
    Discrepancy,
    Control,
    TradeBalance,
    FeesUpdate,
]

EVENT_TYPES: tuple[type[Event], ...] = Event.__args__  # type: ignore[attr-defined]

#: kind text -> event type, and back.
TYPE_OF_KIND: dict[str, type[Event]] = {str(t.__struct_config__.tag): t for t in EVENT_TYPES}
KIND_OF_TYPE: dict[type[Event], str] = {t: kind for kind, t in TYPE_OF_KIND.items()}


class Header(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Where an event stands. The event id is `session_id:sequence`.

    `sequence` rises by one per session (one holder's tenure of one partition), `topic_sequence` by one per session, kind
    and symbol or account; of orders by one for each user too, who may see nobody else's. What is made for one client (a
    snapshot, a notice of a gap) has neither: it carries `after_sequence`, the last sequence of the partition that it
    already contains.
    """

    v: int
    venue: str
    source: str
    partition: str
    session_id: str
    epoch: int = 1
    sequence: int | None = None
    topic_sequence: int | None = None
    after_sequence: int | None = None
    received_ns: int | None = None
    published_ns: int


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Header and event: one JSON object on every wire, encoded once (law 6)."""

    header: Header
    event: Event


class Record(NamedTuple):
    """The journal's record header beside the encoded envelope: enough to route without decoding.

    `position` is the record's ordinal in its journal class (md, ex, st): it rises by one over all sessions and is
    what cursors hold. It is 0 for what is not journalled.
    """

    partition: str
    session_id: str
    sequence: int
    kind: str
    symbol: str | None
    account: str | None
    update_type: UpdateType | None
    published_ns: int
    payload: bytes
    position: int = 0

    @property
    def event_id(self) -> str:
        """`session_id:sequence`, the JetStream message id."""
        return f"{self.session_id}:{self.sequence}"

    @property
    def journal_class(self) -> str:
        """`md`, `ex` or `st`: the partition's first part."""
        return self.partition.partition(".")[0]


def partition_class(partition: str) -> str:
    """The journal class (`md`, `ex`, `st`) of a partition (`md.0`, `ex.main`, `st`)."""
    return partition.partition(".")[0]
