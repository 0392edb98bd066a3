"""The words "did you mean ...?"."""

from __future__ import annotations

import pytest

from gwcore.suggest import closest, did_you_mean


@pytest.mark.parametrize(
    ("word", "meant"),
    [("trade", "trade_summary"), ("REDY", "ready"), ("boook_depth", "book_depth"), ("re", None), ("xyz", None)],
)
def test_a_beginning_is_meant_more_often_than_a_likeness(word: str, meant: str | None) -> None:
    assert closest(word, ["ready", "trade_summary", "book_depth"]) == meant


def test_the_list_follows() -> None:
    assert did_you_mean("trade", ["trade_summary", "gap"]) == 'did you mean "trade_summary"? known: gap, trade_summary'
