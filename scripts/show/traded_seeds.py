"""Issue 8, line 2: seeds of three users who trade on two accounts under fire, judged by the simulated venue's own lists.

Fills each once, every order's last state the venue's, funds to the last digit, none placed twice, every request ended truly,
no invalid nonce; what limits and halts hold back never left, and nothing else was held; every kind of fault has struck.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "simulation"))

from trading_seeds import REFUSALS, SPECIAL, SWITCHED, Outcome, one

WORKERS = 2


def main() -> int:
    """Run them and print what they gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--limit", type=float, default=840.0, help="seconds after which no further seed begins")
    chosen = parser.parse_args()
    began_s, outcomes = time.monotonic(), list[Outcome]()
    with ProcessPoolExecutor(WORKERS) as pool:
        seeds = iter(range(chosen.first, chosen.first + chosen.count))
        while time.monotonic() - began_s < chosen.limit:
            batch = [seed for _, seed in zip(range(4 * WORKERS), seeds, strict=False)]
            if not batch:
                break
            for outcome in pool.map(one, batch):
                outcomes.append(outcome)
                if outcome.violations:
                    print(
                        f"seed {outcome.seed} {dict(outcome.struck)}:", *outcome.violations[:5], sep="\n  ", flush=True
                    )
    return tell(outcomes, chosen.count, time.monotonic() - began_s)


def tell(outcomes: list[Outcome], wanted: int, took_s: float) -> int:
    """The figures; 0 where all holds."""
    struck, acks = Counter[str](), Counter[str]()
    for outcome in outcomes:
        struck += outcome.struck
        acks += outcome.acks
    bad = sum(1 for outcome in outcomes if outcome.violations)
    nonces = sum(outcome.invalid_nonces for outcome in outcomes)
    missing = sorted(({name for name, _ in SWITCHED} | set(SPECIAL)) - set(struck))
    print(f"{len(outcomes)} seeds in {took_s:.0f} s: {bad} with violations, {nonces} invalid nonces")
    print(f"{acks['create_order FORWARDED']} orders left, {sum(outcome.fills for outcome in outcomes)} fills")
    unknown = sum(count for name, count in acks.items() if " UNKNOWN" in name)
    print(f"{unknown} requests were UNKNOWN, {sum(c for n, c in acks.items() if 'NOT_FOUND' in n)} of them NOT_FOUND")
    print("struck:", ", ".join(f"{name} {count}" for name, count in struck.most_common()))
    held_back = {code: sum(count for name, count in acks.items() if name.endswith(code)) for code in REFUSALS}
    print("held back:", ", ".join(f"{code} {count}" for code, count in held_back.items()))
    missing += [code for code, count in held_back.items() if not count]
    if missing:
        print("never struck:", ", ".join(missing))
    held = not bad and not nonces and not missing and len(outcomes) == wanted
    print("holds" if held else f"DOES NOT HOLD: {len(outcomes)} of {wanted} seeds")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
