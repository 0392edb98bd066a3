"""How far the venue's clock is from ours, from answers that tell it coarsely. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gwcore.venue import ServerTime


class ClockSample(NamedTuple):
    """One question: when it left, when the answer came (wall clock, ns), and what it said."""

    sent_ns: int
    received_ns: int
    answer: ServerTime


class OffsetBounds(NamedTuple):
    """The venue's clock minus ours lies in [low_ns, high_ns]; an empty interval: the clocks moved meanwhile."""

    low_ns: int
    high_ns: int


def offset_bounds(samples: Iterable[ClockSample]) -> OffsetBounds | None:
    """What all samples allow together; None without samples.

    The venue read its clock at a moment between sending and receipt, and what it told stands for `resolution_ns` of time.
    Questions at different places within the venue's second narrow it far below a second.
    """
    bounds = [
        (
            sample.answer.time_ns - sample.received_ns,
            sample.answer.time_ns + sample.answer.resolution_ns - sample.sent_ns,
        )
        for sample in samples
    ]
    if not bounds:
        return None
    return OffsetBounds(max(low for low, _ in bounds), min(high for _, high in bounds))
