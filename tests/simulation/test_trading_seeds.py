"""A few seeds of three users who trade on two accounts under fire. `scripts/show/8-2` runs many."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from trading_seeds import REFUSALS, one


@pytest.mark.parametrize("seed", range(1, 7))
def test_orders_end_as_the_venue_says(seed: int) -> None:
    outcome = one(seed)
    assert outcome.violations == []
    assert outcome.invalid_nonces == 0
    assert outcome.orders


def test_what_users_may_not_is_refused_and_nothing_else() -> None:
    acks = Counter[str]()
    for seed in (7, 8, 9):
        outcome = one(seed, strikes=1)
        assert outcome.violations == []
        acks += outcome.acks
    assert [code for code in REFUSALS if not any(name.endswith(f"REJECTED {code}") for name in acks)] == []
    assert acks["create_order ACCEPTED"] > acks["create_order REJECTED HALTED"]
