"""Issue 7, line 3: seeds of two accounts with other people's trading and faults; fills, orders, funds as the simulator's.

Usage: account_seeds.py [SEEDS] [PROCESSES]. Plants bugs and tells which seed finds each, then prints what struck and each
violation with its seed. Exits 1 where a digit differs, or a planted bug is not found.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

import account_play
import account_seeds as simulation

SEEDS = 1_000
PLANTED_SEEDS_MAX = 60


def one(seed: int) -> simulation.Outcome:
    """One seed, without its log."""
    logging.getLogger("gwcore").setLevel(logging.CRITICAL)
    return simulation.one(seed)


def show_seeds(count: int, processes: int) -> bool:
    """All seeds."""
    struck: Counter[str] = Counter()
    total: Counter[str] = Counter()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(one, range(1, count + 1), chunksize=5):
            struck += outcome.struck
            for name in ("fills", "orders", "funds", "recovered", "discrepancies", "invalid_nonces"):
                total[name] += getattr(outcome, name)
            total["bad"] += bool(outcome.violations)
            for violation in outcome.violations[:3]:
                print(f"seed {outcome.seed}: {violation}", flush=True)
    print(f"{count} seeds, two accounts each: {total['bad']} with a violation")
    print(
        f"{total['fills']} fills told, each once ({total['recovered']} of them not live), {total['orders']} orders, "
        f"{total['funds']} changes of funds, {total['discrepancies']} discrepancies, "
        f"{total['invalid_nonces']} invalid nonces at the venue"
    )
    print("struck: " + ", ".join(f"{name} {number}" for name, number in sorted(struck.items())))
    return not total["bad"] and not total["invalid_nonces"] and total["fills"] > 0


def show_planted() -> bool:
    """Each planted bug, and the first seed that finds it."""
    good = True
    for what, place, name, bug, found_by in account_play.PLANTED_BUGS:
        original: Any = getattr(place, name)
        setattr(place, name, bug)
        try:
            outcomes = (one(seed) for seed in range(1, PLANTED_SEEDS_MAX + 1))
            found = next(((each.seed, text) for each in outcomes for text in each.violations if found_by in text), None)
        finally:
            setattr(place, name, original)
        good = good and found is not None
        print(f"planted: {what}: " + (f"seed {found[0]}: {found[1]}" if found else "NOT FOUND"), flush=True)
    return good


if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else max(1, os.cpu_count() or 1)
    results = [show_planted(), show_seeds(seeds, workers)]
    print("holds" if all(results) else "DOES NOT HOLD")
    sys.exit(0 if all(results) else 1)
