"""A few seeds of three users who trade on two accounts under fire. `scripts/show/8-2` runs many."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from trading_seeds import one


@pytest.mark.parametrize("seed", range(1, 7))
def test_orders_end_as_the_venue_says(seed: int) -> None:
    outcome = one(seed)
    assert outcome.violations == []
    assert outcome.invalid_nonces == 0
    assert outcome.orders
