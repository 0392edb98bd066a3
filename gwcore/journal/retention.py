"""Which closed segments may go: by bytes and age, oldest first, and never what a reader of `ex` has not taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


class RetentionLimits(NamedTuple):
    """Limits of one class; None: none."""

    bytes_max: int | None = None
    age_max_s: float | None = None


class ClosedSegment(NamedTuple):
    """What retention looks at."""

    first_position: int
    last_position: int
    size: int


def expired_segments(
    closed: Sequence[ClosedSegment],
    limits: RetentionLimits,
    newest_ns: Callable[[ClosedSegment], int],
    now_ns: int,
    floor: int | None,
) -> int:
    """How many of the oldest segments go. `floor`: the lowest cursor where cursors hold the class back, else None.

    `newest_ns` gives the time of a segment's newest record; it is asked only for segments that are looked at by age.
    """
    total, count = sum(segment.size for segment in closed), 0
    for segment in closed:
        if floor is not None and segment.last_position > floor:
            break
        over_bytes = limits.bytes_max is not None and total > limits.bytes_max
        if not over_bytes and (
            limits.age_max_s is None or now_ns - newest_ns(segment) <= limits.age_max_s * 1_000_000_000
        ):
            break
        total -= segment.size
        count += 1
    return count
