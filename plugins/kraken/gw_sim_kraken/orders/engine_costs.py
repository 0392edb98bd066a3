"""What a transaction adds to the matching engine's counter of an account and pair (sheet 3.7). Ages in seconds."""

from __future__ import annotations

from gw_sim_kraken.counters import POINT
from gw_sim_kraken.texts import SECOND_NS

ADD = POINT
AMEND = POINT
EDIT = POINT
_AMEND_BY_AGE = ((5, 3), (10, 2), (15, 1))
_EDIT_BY_AGE = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
_CANCEL_BY_AGE = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))


def amend_cost(age_ns: int) -> int:
    """Fixed part and what the order's age adds."""
    return AMEND + _by_age(_AMEND_BY_AGE, age_ns)


def edit_cost(age_ns: int) -> int:
    """Fixed part and what the order's age adds."""
    return EDIT + _by_age(_EDIT_BY_AGE, age_ns)


def cancel_cost(age_ns: int) -> int:
    """By the time since the order was created or amended last."""
    return _by_age(_CANCEL_BY_AGE, age_ns)


def _by_age(table: tuple[tuple[int, int], ...], age_ns: int) -> int:
    return next((points * POINT for age_s, points in table if age_ns < age_s * SECOND_NS), 0)
