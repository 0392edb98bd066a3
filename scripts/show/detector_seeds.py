"""Issue 6, line 3, first half: seeds of the whole gateway with faults, and how often each detector and fault fired.

Usage: detector_seeds.py [SEEDS] [PROCESSES]. `make soak` runs 2,000. A seed is 60 virtual seconds of faults and more, six
symbols, some hundred frames. What Kraken can't do (numbers, levels without end) is done by a small venue of its own.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "simulation"), str(Path(__file__).parent)]

import kraken_scenario
import toy_course

from gwcore.model import StaleReason
from gwcore.settings import DetectionSettings
from gwcore.testing.simulation import Outcome, simulate

#: What fits into a quarter of an hour together with the mutants, on two cores that are not ours alone.
SEEDS = 100
#: How often each is to fire in all seeds of the soak; in a part of them, in proportion, and once at least.
FIRED_MIN, SOAK_SEEDS = 10, 2000
KINDS_MIN, VIRTUAL_S_MIN, FRAMES_MIN = 3, 60.0, 500
#: Messages a second of the market: enough for the frames, also where connections are away for half of the time.
RATE = 60.0
#: Clocks that run out within a seed; with the defaults a minute of faults is too short for them.
DETECTION = DetectionSettings(book_quiet_s=5.0, trade_quiet_s=15.0, ticker_quiet_s=15.0, confirmed_s=10.0)
#: Changes of state that healing is made of.
TRANSITIONS = (
    "IDLE -> SUBSCRIBING",
    "SUBSCRIBING -> LIVE",
    "SUBSCRIBING -> PENDING_DATA",
    "SUBSCRIBING -> RESYNC",
    "RESYNC -> REJECTED",
    "PENDING_DATA -> LIVE",
    "PENDING_DATA -> RESYNC",
    "PENDING_DATA -> STALE",
    "LIVE -> STALE",
    "STALE -> RESYNC",
    "STALE -> LIVE",
    "STALE -> PENDING_DATA",
    "STALE -> IDLE",
    "RESYNC -> PENDING_DATA",
    "RESYNC -> QUARANTINED",
    "PENDING_DATA -> QUARANTINED",
    "STALE -> QUARANTINED",
    "QUARANTINED -> PENDING_DATA",
    "REJECTED -> PENDING_DATA",
)


def one(seed: int) -> Outcome:
    """One seed; what no program may do (deadlock, leak) is a violation too."""
    logging.getLogger("gwcore").setLevel(logging.CRITICAL)
    usual = kraken_scenario.scenario()
    faults = (*usual.faults, kraken_scenario.rejection(usual.symbols))
    scenario = kraken_scenario.scenario(rate=RATE, detection=DETECTION, faults=faults, kinds_min=KINDS_MIN + 2)
    try:
        return simulate(seed, scenario)
    except Exception as error:
        return Outcome(seed=seed, violations=[f"{type(error).__name__}: {error}"])


def table(title: str, counts: Counter[str], wanted: tuple[str, ...], least: int) -> bool:
    """Print counts; False where one that is wanted fired too rarely."""
    print(f"\n{title}: each at least {least} times")
    rare = [name for name in wanted if counts[name] < least]
    for name in sorted({*counts, *wanted}):
        print(f"  {name:28} {counts[name]:>9}{'  TOO RARE' if name in rare else ''}")
    return not rare


def show(count: int, processes: int) -> bool:
    """All seeds, then the tables."""
    struck: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    transitions: Counter[str] = Counter()
    probes: Counter[str] = Counter()
    bad = short = frames = 0
    virtual_s, since_s = 0.0, time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for outcome in pool.map(one, range(1, count + 1), chunksize=5):
            struck += outcome.struck
            transitions += outcome.transitions
            probes += outcome.probes
            for name, number in outcome.faults.items():
                reasons[name.split()[1]] += number
            frames += outcome.frames
            virtual_s += outcome.virtual_s
            enough = len(outcome.struck) >= KINDS_MIN and outcome.virtual_s >= VIRTUAL_S_MIN
            short += not (enough and outcome.frames >= FRAMES_MIN)
            bad += bool(outcome.violations)
            for violation in outcome.violations[:3]:
                print(f"seed {outcome.seed}: {violation}")
    toy_reasons, toy_transitions, toy_violations = toy_course.play()
    print(
        f"{count} seeds in {time.monotonic() - since_s:.0f} s on {processes} processes: {bad} with a violation, {short} with "
        f"fewer than {KINDS_MIN} kinds of fault, {VIRTUAL_S_MIN:g} virtual s or {FRAMES_MIN} frames; "
        f"{virtual_s / 3600:.1f} virtual hours, {frames} frames"
    )
    for violation in toy_violations[:3]:
        print(f"small venue: {violation}")
    kinds = (*(kind.name for kind in kraken_scenario.scenario().faults), "reject")
    least = max(1, min(FIRED_MIN, FIRED_MIN * count // SOAK_SEEDS))
    every = tuple(reason.value for reason in StaleReason)
    note = "detectors (SEQUENCE_GAP, DECODE, OVERFLOW, UNSUBSCRIBED, OPERATOR, LAG on the small venue)"
    good = [
        table("kinds of fault that struck", struck, kinds, least),
        table(note, reasons + toy_reasons, every, least),
        table("changes of state", transitions + toy_transitions, TRANSITIONS, least),
        table("quiet subscriptions asked about", probes, ("confirmed", "contradicted", "data came"), least),
    ]
    return not bad and not short and not toy_violations and all(good)


if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else max(1, os.cpu_count() or 1)
    holds = show(seeds, workers)
    print("\nholds" if holds else "\nDOES NOT HOLD")
    sys.exit(0 if holds else 1)
