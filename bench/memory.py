"""What a book costs in memory: growth of this process's resident pages over many full books, each of texts of its own.

python memory.py DEPTH BOOKS
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
from pathlib import Path

from gwcore.book import OrderBook
from gwcore.model import Instrument, MarketByPriceUpdate, PriceLevel, UpdateType
from gwcore.plugins import load_venue

INSTRUMENT = Instrument(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    price_decimals=1,
    quantity_decimals=8,
    tick_size="0.1",
    lot_size="0.00000001",
)


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    depth, count = int(sys.argv[1]), int(sys.argv[2])
    spec, rng = load_venue("kraken"), random.Random(1)
    rule = spec.streams(spec.settings()).book_rule(INSTRUMENT, depth)
    books = [OrderBook("BTC/USD", rule) for _ in range(count)]
    gc.collect()
    before = resident_bytes()
    for book in books:
        sides = [
            tuple(
                PriceLevel(f"{64000 + sign * (level + 1) / 10:.1f}", f"{rng.uniform(0.01, 9):.8f}")
                for level in range(depth)
            )
            for sign in (-1, 1)
        ]
        fault = book.apply(
            MarketByPriceUpdate(symbol="BTC/USD", update_type=UpdateType.SNAPSHOT, bids=sides[0], asks=sides[1])
        )
        assert fault is None, fault
    del sides
    gc.collect()
    print(json.dumps({"depth": depth, "books": count, "bytes_a_book": (resident_bytes() - before) / count}))


if __name__ == "__main__":
    main()
