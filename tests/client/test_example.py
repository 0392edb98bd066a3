"""examples/subscribe.py runs as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from gwcore.testing.events import book_change, book_snapshot, book_stale

EXAMPLE = Path(__file__).parents[2] / "examples" / "subscribe.py"


def test_the_example_prints_prices_and_why_there_are_none(gateway: Any) -> None:
    gateway.publish(book_snapshot(), book_snapshot("ETH/USD"))
    command = [sys.executable, "-u", str(EXAMPLE), str(gateway.path), "BTC/*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert "BTC/USD Level(price=Decimal('100.0')" in child.stdout.readline()
            gateway.publish(book_change(bids=["100.1x1.00"]))
            assert child.stdout.readline().rstrip().endswith(" 0.4")
            gateway.publish(book_stale())
            assert "the book of BTC/USD is STALE: CHECKSUM" in child.stdout.readline()
        finally:
            child.kill()
