"""Whatever comes in whatever order, lost, cut or begun anew: it ends in the venue's truth, and nothing is sent twice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("order_lives", Path(__file__).with_name("order_lives.py"))
assert _spec is not None
assert _spec.loader is not None
_module = sys.modules["order_lives"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
lives: Any = _module


def test_every_order_of_the_words_about_a_create_a_fill_and_a_cancel() -> None:
    words = tuple(word for word in lives.WORDS if word not in "MX")
    assert [found for order in lives.permuted(words) for found in lives.play((*order, "M", "X"))] == []


def test_a_kill_at_every_position_of_the_journal() -> None:
    events, is_whole = 0, False
    while not is_whole:
        found, is_whole = lives.killed_at(events)
        assert found == []
        events += 1
    assert events > 25


@pytest.mark.parametrize("first", range(20))
def test_lives_full_of_misfortune_end_in_the_venues_truth(first: int) -> None:
    assert [found for seed in range(first * 10, first * 10 + 10) for found in lives.random_life(seed)] == []
