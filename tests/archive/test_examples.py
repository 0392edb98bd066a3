"""examples/archive_*.py run as they stand, and agree with what was journalled and with each other."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pandas
import pytest

from gwcore.model import TradeSummary, UpdateType
from gwcore.wire import decode_envelope

EXAMPLES = Path(__file__).parents[2] / "examples"


def run_example(name: str, *arguments: object) -> list[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@pytest.mark.parametrize("name", ["archive_duckdb.py", "archive_polars.py"])
def test_trades_by_hour_vwap_and_spread(runs, name: str) -> None:
    trades = [
        trade
        for record in runs.journalled("md")
        if record.kind == "trade_summary" and record.symbol == "ETH/USD"
        for event in [decode_envelope(record.payload).event]
        if isinstance(event, TradeSummary) and event.update_type is UpdateType.INCREMENTAL
        for trade in event.trades
    ]
    volume = sum(Decimal(trade.quantity) for trade in trades)
    vwap = sum(Decimal(trade.price) * Decimal(trade.quantity) for trade in trades) / volume
    lines = run_example(name, runs.archive, "ETH/USD")
    assert len(trades) > 10
    assert lines[0].endswith(f"h  {len(trades)} trades, volume {volume.normalize():f}, vwap {vwap:.4f}")
    assert [line.split("  ")[0] for line in lines[1:]] == ["2026-11-22 23:59", "2026-11-23 00:00", "2026-11-23 00:01"]
    stale = sum(
        record.kind == "top_of_book" and record.symbol == "ETH/USD" and record.update_type is UpdateType.STALE
        for record in runs.journalled("md")
    )
    assert sum(int(line.split(", ")[1].split()[0]) for line in lines[1:]) == stale > 0


def test_they_say_the_same(runs) -> None:
    assert run_example("archive_duckdb.py", runs.archive) == run_example("archive_polars.py", runs.archive)


def test_pandas_reads_it_as_it_is(runs) -> None:
    frames = [
        pandas.read_json(path, lines=True, dtype=False)
        for path in sorted(runs.archive.glob("trade_summary/*/*.jsonl.zst"))
    ]
    table = pandas.concat(frames)
    assert len(table) == sum(record.kind == "trade_summary" for record in runs.journalled("md"))
    prices = {trade["price"] for event in table["event"] for trade in event["trades"]}
    assert prices
    assert all(isinstance(price, str) for price in prices)
