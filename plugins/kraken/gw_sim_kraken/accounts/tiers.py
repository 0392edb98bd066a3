"""Verification tiers and what they allow (sheet 2.4, 3.7), fees by volume (sheet 3.9)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Tier:
    """Maxima are points of a counter; decays are thousandths of a point a second."""

    rest_max: int
    rest_decay_milli: int
    engine_max: int
    engine_decay_milli: int
    open_orders_max: int  # of one pair


TIERS = {
    "starter": Tier(15, 330, 60, 1000, 60),
    "intermediate": Tier(20, 500, 125, 2340, 80),
    "pro": Tier(20, 1000, 180, 3750, 225),
}


class FeeStep(NamedTuple):
    """From this volume of 30 days (USD) on, these fees in percent."""

    volume: Decimal
    taker: Decimal
    maker: Decimal


#: Taker fees as seen in February 2026; maker fees are a guess of the sheet at the first step, of ours above it.
FEES = tuple(
    FeeStep(Decimal(volume), Decimal(taker), Decimal(maker))
    for volume, taker, maker in (
        (0, "0.40", "0.25"), (10_000, "0.35", "0.20"), (50_000, "0.24", "0.14"), (100_000, "0.22", "0.12"),
        (250_000, "0.20", "0.08"), (500_000, "0.18", "0.06"), (1_000_000, "0.16", "0.04"),
        (2_500_000, "0.14", "0.02"), (5_000_000, "0.12", "0.00"),
    )
)  # fmt: skip


def fee_step(volume: Decimal) -> int:
    """Index in FEES of the step that a volume has reached."""
    return max(index for index, step in enumerate(FEES) if volume >= step.volume)
