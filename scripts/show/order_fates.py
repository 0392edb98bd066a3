"""Issue 8, line 1: every order of a life's words, lives of misfortune, and the rows of the fault matrix about orders."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "engine"), str(ROOT / "tests" / "simulation"), str(Path(__file__).parent)]

import order_lives as lives
import order_rows as rows
from account_play import perform
from order_field import VirtualField, users
from order_real_field import RealField
from order_row import Row
from small_volume import no_volume


def permutations_hold() -> bool:
    """Every order in which eight words about one order may come."""
    began_s, count, found = time.monotonic(), 0, []
    for order in lives.permuted():
        found += lives.play(order)
        count += 1
    print(
        f"permutations: {count} orders of {len(lives.WORDS)} words, {len(found)} wrong, {time.monotonic() - began_s:.0f} s"
    )
    print(*found[:5], sep="\n")
    return not found


def lives_hold(count: int) -> bool:
    """Lives with losses, cuts and restarts from any durable state."""
    began_s, found = time.monotonic(), []
    for seed in range(count):
        found += lives.random_life(seed)
    print(f"lives: {count} seeds of losses, cuts and restarts, {len(found)} wrong, {time.monotonic() - began_s:.0f} s")
    print(*found[:5], sep="\n")
    return not found


def _say(row: Row, where: str, began_s: float, seen: str, wrong: str) -> bool:
    verdict = f"WRONG: {wrong}" if wrong else seen
    print(f"{row.name:4} {row.what:40} {where:11} {time.monotonic() - began_s:5.1f} s  {verdict}", flush=True)
    return not wrong


def virtual_row(row: Row) -> bool:
    """In simulation."""
    began_s, result = time.monotonic(), ["", ""]

    async def act(play: Any) -> None:
        await play.ready()
        field = VirtualField(play)
        await field.wait(1.0)
        try:
            result[0] = await row.play(field)
        except AssertionError as error:
            result[1] = str(error)[:600] or "assertion"
        field.end()
        await field.wait(1.0)
        await play.stop()

    sim = {"pairs": 2, "rate": 1.0, "levels": 20, "deep_pairs": 0}
    perform(act, seed=8, sim=sim, account={"check_s": 120.0, "trading": "live"}, users=users(row.doomed))
    return _say(row, "simulation", began_s, *result)


async def _real_row(row: Row, folder: Path) -> bool:
    began_s, seen, wrong = time.monotonic(), "", ""
    field = RealField(folder, row)
    try:
        await field.begin()
        seen = await row.play(field)
    except AssertionError as error:
        wrong = str(error)[:600] or "assertion"
    finally:
        field.end()
    return _say(row, "sockets", began_s, seen, wrong)


def real_row(row: Row) -> bool:
    """Over real sockets."""
    if row.small_disk and (reason := no_volume()):
        print(f"{row.name:4} {row.what:40} sockets     skipped: {reason}", flush=True)
        return True
    with tempfile.TemporaryDirectory(prefix="gw-") as folder:
        return asyncio.run(_real_row(row, Path(folder)))


def main() -> int:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=2_000)
    parser.add_argument("--only", default="", help="names of rows, with commas")
    parser.add_argument("--where", choices=("both", "simulation", "sockets"), default="both")
    chosen = parser.parse_args()
    names = [name for name in chosen.only.split(",") if name]
    held = True
    if not names:
        held = permutations_hold() & lives_hold(chosen.lives)
    for row in rows.ROWS:
        if names and row.name not in names:
            continue
        if row.virtual and chosen.where != "sockets":
            held &= virtual_row(row)
        if row.real and chosen.where != "simulation":
            held &= real_row(row)
    print("holds" if held else "DOES NOT HOLD")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
