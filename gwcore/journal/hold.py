"""For how long the limits of retention hold at the present rate, from what is on the disk: for `gw log stats`.

It only reads, and reads no record: indexes and sizes are enough. Another process may be writing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from gwcore.journal.blocks import load_index
from gwcore.journal.files import FOLDER, SegmentFile, segment_name, segment_positions, stored_bytes
from gwcore.journal.retention import RetentionLimits
from gwcore.ports import Storage

#: The limits a gateway was started with.
LIMITS_FILE: Final = f"{FOLDER}/limits.json"
#: The present rate is that of the last so many hours, or of all there is where that is less.
WINDOW_NS: Final = 3600 * 1_000_000_000
#: Younger journals say nothing of a rate.
_SPAN_NS_MIN: Final = 1_000_000_000
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One class. `limit` names what will end it first; without one it grows until somebody takes it away."""

    bytes_per_hour: float  # written, before compression
    stored_share: float  # what compression leaves of a closed segment
    bytes_max: int | None
    age_max_hours: float | None
    hours: float | None  # None: for ever
    limit: str  # "bytes", "age" or "none"


def read_limits(storage: Storage) -> dict[str, RetentionLimits]:
    """The limits of each class as the gateway wrote them down; empty where none did."""
    try:
        found = msgspec.json.decode(storage.read(LIMITS_FILE), type=dict[str, _Limits])
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return {name: RetentionLimits(limits.bytes_max, limits.age_max_s) for name, limits in found.items()}


class _Limits(msgspec.Struct):
    bytes_max: int | None = None
    age_max_s: float | None = None


def measure_hold(storage: Storage, journal_class: str, limits: RetentionLimits) -> Hold | None:
    """How long one class is kept. None where there is too little to say. Raises StorageError for damage."""
    stretches: list[tuple[int, int, int]] = []  # lowest and highest time, bytes
    written = stored = 0
    segments = segment_positions(storage, journal_class)
    for number, first in enumerate(segments):
        name = segment_name(journal_class, first)
        following = segments[number + 1] if number + 1 < len(segments) else None
        try:
            index = load_index(storage, journal_class, first, following)
            if not storage.exists(name):
                written += SegmentFile(storage, name).size()
                stored += stored_bytes(storage, name)
        except FileNotFoundError:
            continue
        stretches += [(one.lowest_ns, one.highest_ns, one.end - one.offset) for one in index.stretches]
    if not stretches:
        return None
    newest = max(highest for _, highest, _ in stretches)
    recent = [one for one in stretches if one[0] >= newest - WINDOW_NS] or stretches[-1:]
    span_ns = newest - min(lowest for lowest, _, _ in recent)
    if span_ns < _SPAN_NS_MIN:
        return None
    per_hour = sum(size for _, _, size in recent) / (span_ns / 1e9) * _HOUR_S
    share = stored / written if written else 1.0
    by_bytes = None if limits.bytes_max is None else limits.bytes_max / (per_hour * share)
    by_age = None if limits.age_max_s is None else limits.age_max_s / _HOUR_S
    hours = min((value for value in (by_bytes, by_age) if value is not None), default=None)
    limit = "none" if hours is None else "bytes" if hours == by_bytes else "age"
    return Hold(
        bytes_per_hour=per_hour,
        stored_share=share,
        bytes_max=limits.bytes_max,
        age_max_hours=by_age,
        hours=hours,
        limit=limit,
    )
