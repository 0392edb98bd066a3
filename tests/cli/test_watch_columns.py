"""What `gw watch` leaves out of a small terminal: whole columns, never part of a price, and never a book that is not LIVE."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gwcore.cli.watch import COLUMNS, _table, fitting, urgent_first
from gwcore.cli.watch_rows import Row

CELLS = [("BTC/USD", "LIVE", "84003.4", "84004.0", "0.6", "84004.0", "5.0", "159us", "561us", "85.1ms")]


def test_columns_go_one_by_one_and_symbol_and_state_stay() -> None:
    assert fitting(CELLS, 200) == list(COLUMNS)
    counts = [len(fitting(CELLS, width)) for width in range(200, 0, -1)]
    assert counts == sorted(counts, reverse=True)
    assert fitting(CELLS, 60) == ["symbol", "state", "bid", "ask", "spread", "age"]
    assert fitting(CELLS, 1) == ["symbol", "state"]


@pytest.mark.parametrize("width", [30, 45, 60, 80, 100, 120, 200])
def test_no_price_is_cut_off_whatever_the_width(width: int) -> None:
    row = Row("BTC/USD", state="LIVE", bid="84003.412345", ask="84004.012345", trade="84004.0", updated_ns=1)
    output = io.StringIO()
    Console(file=output, width=width, force_terminal=False).print(_table([row], "t", 10, width))
    assert "\u2026" not in output.getvalue()
    assert "BTC/USD" in output.getvalue()


def test_a_book_that_is_not_live_comes_first() -> None:
    states = {"ADA/USD": "LIVE", "BTC/USD": "UNKNOWN", "ETH/USD": "STALE", "XRP/USD": "LIVE"}
    rows = urgent_first([Row(symbol, state=state) for symbol, state in states.items()])
    assert [row.symbol for row in rows] == ["ETH/USD", "ADA/USD", "BTC/USD", "XRP/USD"]
