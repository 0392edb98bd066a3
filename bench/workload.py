"""Workload: the frames of one benchmark, made once from a seed and kept below `.bench/`, with the books they must end in."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any, NamedTuple

from market import PAIRS, Market, Pair, Stamps

#: Shares of the frames after the snapshots, as a busy feed has them.
MIX = {"book": 0.85, "ticker": 0.09, "trade": 0.055, "heartbeat": 0.005}
SYMBOLS = 50
DEPTH = 10
#: Messages a second that the time stamps tell of.
STAMP_RATE = 2_000.0
#: Part of the file names: raise it when what is made changes.
VERSION = 1


class Ending(NamedTuple):
    """What the stream leaves of one symbol: ticks and lots, best first."""

    final_us: int  # stamp of its last book frame
    price_decimals: int
    quantity_decimals: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class Workload:
    """One made workload."""

    def __init__(self, path: Path) -> None:
        self.path = path
        meta = json.loads(path.with_suffix(".json").read_bytes())
        self.seed: int = meta["seed"]
        self.first_update: int = meta["first_update"]  # index of the first frame behind the snapshots
        self.levels_per_update: float = meta["levels_per_update"]
        self.count: dict[str, int] = meta["count"]
        self.tail_us: int = meta["tail_us"]
        self.pairs: dict[str, Any] = meta["pairs"]
        self.endings = {
            symbol: Ending(us, pd, qd, [tuple(x) for x in bids], [tuple(x) for x in asks])
            for symbol, (us, pd, qd, bids, asks) in meta["endings"].items()
        }
        self.frame_count = sum(self.count.values())

    def frames(self) -> list[bytes]:
        """All frames, in order."""
        return self.path.with_suffix(".frames").read_bytes().splitlines()


def _pairs(rng: random.Random, count: int) -> list[Pair]:
    made = [Pair(f"T{n:03d}/USD", 4, 8, rng.uniform(0.5, 500.0), 100.0) for n in range(len(PAIRS), count)]
    return [*PAIRS[:count], *made]


def ensure_workload(folder: Path, messages: int, seed: int = 1) -> Workload:
    """The workload of this size and seed, made where it is absent."""
    path = folder / f"v{VERSION}-{messages}-{seed}"
    if not path.with_suffix(".json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make(path, messages, seed)
    return Workload(path)


def _make(path: Path, messages: int, seed: int) -> None:
    rng = random.Random(seed)
    markets = [Market(rng, pair, DEPTH) for pair in _pairs(rng, SYMBOLS)]
    stamps = Stamps(rng, STAMP_RATE)
    frames: list[str] = []
    count = dict.fromkeys(("book", "ticker", "trade", "heartbeat"), 0)

    def add(kind: str, frame: str) -> None:
        frames.append(frame)
        count[kind] += 1

    for market in markets:
        add("book", market.snapshot(stamps.next()))
        add("ticker", market.ticker("snapshot", stamps.next()))
        add("trade", market.trades("snapshot", 50, stamps.next()))
    first_update = len(frames)
    weights = [1.0 / (rank + 1) ** 0.9 for rank in range(len(markets))]
    chosen = rng.choices(markets, weights, k=messages - len(markets))
    for market, kind in zip(chosen, rng.choices(list(MIX), list(MIX.values()), k=len(chosen)), strict=True):
        if kind == "book":
            add(kind, market.update(stamps.next()))
        elif kind == "ticker":
            add(kind, market.ticker("update", stamps.next()))
        elif kind == "trade":
            add(kind, market.trades("update", 1 if rng.random() < 0.75 else rng.randint(2, 4), stamps.next()))
        else:
            add(kind, '{"channel":"heartbeat"}')
    tail_us = stamps.us + 1
    endings = {}
    for market in markets:  # one last update a symbol, so that every client can tell the end
        add("book", market.update(stamps.next()))
        pair = market.pair
        endings[pair.symbol] = (
            stamps.us,
            pair.price_decimals,
            pair.quantity_decimals,
            market.bids.top(DEPTH),
            market.asks.top(DEPTH),
        )
    updates = [frame for frame in frames[first_update:] if frame.startswith('{"channel":"book"')]
    meta = {
        "seed": seed,
        "first_update": first_update,
        "levels_per_update": sum(frame.count('"qty"') for frame in updates) / len(updates),
        "count": count,
        "tail_us": tail_us,
        "pairs": dict(market.asset_pair() for market in markets),
        "endings": endings,
    }
    path.with_suffix(".frames").write_text("\n".join(frames) + "\n")
    part = path.with_suffix(f".part{os.getpid()}")
    part.write_text(json.dumps(meta))
    part.rename(path.with_suffix(".json"))
