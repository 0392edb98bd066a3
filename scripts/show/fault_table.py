"""Issue 6, line 1: every named row of the fault matrix on the simulated gateway, one repair over loopback, and lossy lines.

Usage: fault_table.py [RUNS | --only F5]. Prints the table, writes docs/reliability.md from it, exits 1 where a row does not
hold. What this machine can't show is named on the page and in the last line: it counts for nothing. `--only F5` plays the
lossy lines alone and writes their part of the page anew.
"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "simulation"), str(Path(__file__).parent)]

import fault_rows
import fault_stage
import loopback_repair
import lossy_way

PAGE = ROOT / "docs" / "reliability.md"
PROCESSES = 2
HEAD = ("fault", "injected", "detected after", "published as", "healed after", "lost", "others disturbed", "remarks")
#: Rows that need real processes and sockets: the tests that show them.
TESTED = {
    "F33 slow or stopped client": [
        "plugins/transports/tests/test_hostile_clients.py",
        "-k",
        "slow or never_reads or beats",
    ],
    "F34 hostile client": [
        "plugins/transports/tests/test_hostile_clients.py",
        "-k",
        "garbage or hello or limit or descriptors",
    ],
    "F36 loop blocked by a plugin, named": ["tests/runtime/test_stall.py"],
    "F37 a component raises": ["tests/runtime/test_crash.py"],
    "F38 SIGTERM with the venue away": ["tests/e2e/test_gateway_process.py", "-k", "stop_is_quick or second_signal"],
}
#: What this command can't show here, and why.
NOT_HERE = {
    "F12-F20, F35 orders": "shown with orders",
}
INTRO = """# Reliability

What goes wrong with market data, how soon the gateway notices, what clients are told, and when it is well again. This
page is written by `scripts/show/6-1`, by a run: do not edit it.

Times are medians and maxima of {runs} runs, each with a seed of its own, on virtual time: a connection to the
simulated Kraken takes 2 to 60 ms one way, an answer 2 to 40 ms, a snapshot up to 250 ms more. "Same message" is: in
the call that handled the frame, so no client ever sees a level of it. "Healed" counts from STALE to the snapshot that
stayed or, where the fault was still there, from its end. "Lost" are trades that could not be had afterwards; "others
disturbed" are books of other symbols that were STALE. In the end each client's book is compared with the simulator's,
level by level.

"""
LOSSY_INTRO = """## Over a line that loses packets, or is narrow

Simulated Kraken and gateway as processes, each in a network namespace of its own, with real TCP between them; packets are
dropped at random by `nft`, or held back by `tc tbf`. Real time, one run each. All that was published is held beside all
that the venue sent: each book that clients took for good is one that the venue had, and the remarks say how long after
the venue had moved on the oldest of them was still taken for good. In the end each book is compared with the venue's.

"""
RULES = """
## The rules behind it

- Proof (checksum, sequence, precision, no snapshot) heals by subscribing that symbol alone again, with back-off; five
  failures within two minutes put it in QUARANTINED, tried once a minute. Many books of one connection at once: a new
  connection.
- Suspicion (crossed, a lost side, a jump away from trades, time going back) is STALE at once too. A fresh snapshot
  that shows the same confirms it, and what was confirmed is not doubted again while it lasts, nor for a minute after.
- A quiet pair is not a fault. After its channel's time without data the venue is asked by REST, up to 250 pairs in
  one request; where REST does not answer, the pair is subscribed anew while what clients hold stays LIVE.
- What comes whole and late (a narrow line, lost packets) is STALE with reason LAG: a book by the venue's time in its own
  messages, a whole connection by its answers to pings, or the lack of one. A connection that stays late is replaced.
- With `[healing] standby = true` a second connection takes over where the first fails: one INCREMENTAL, no STALE.
- While the venue or the pair is not online: STALE, and no repair.
- Connects wait a random time below a doubling bound, reset only after a connection held, and never exceed the venue's
  budget.

Settings: `[detection]` and `[healing]` in [config](reference/config.md). Numbers: `gw_feed_live`,
`gw_feed_age_seconds`, `gw_feed_faults_total`, `gw_book_stale_total` and `gw_probes_total` in
[metrics](reference/metrics.md).
"""


def measure(number: int, runs: int) -> fault_stage.Row:
    """One row, in a process of its own."""
    return fault_stage.measure(fault_rows.FAULTS[number], runs)


def tested() -> list[tuple[str, str, bool]]:
    """Rows shown by tests: name, what ran, whether all passed."""
    found = []
    for name, arguments in TESTED.items():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        last = run.stdout.strip().splitlines()[-1] if run.stdout.strip() else "nothing ran"
        passed = last.split(",")[0].split(" in ")[0]
        found.append((name, f"`{arguments[0]}`: {passed}", run.returncode == 0))
    return found


def table(rows: list[fault_stage.Row]) -> list[str]:
    """The lines of a table."""
    head = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    return head + ["| " + " | ".join(row.cells()) + " |" for row in rows]


def lossy_part(rows: list[fault_stage.Row] | str) -> str:
    """The part about lines that lose packets; with why, where they can't be shown."""
    shown = "\n".join(table(rows)) if not isinstance(rows, str) else f"F5 was NOT SHOWN by this run: {rows}."
    return f"{LOSSY_INTRO}{shown}\n\n"


def page(
    runs: int,
    rows: list[fault_stage.Row],
    loopback: str,
    lossy: list[fault_stage.Row] | str,
    tests: list[tuple[str, str, bool]],
) -> str:
    """The whole page."""
    lines = [INTRO.format(runs=runs), *table(rows)]
    lines += ["", "## Over loopback", "", loopback[0].upper() + loopback[1:] + ".", ""]
    lines += [*lossy_part(lossy).splitlines(), "## Shown by tests", ""]
    lines += [f"- {name}: {what}" for name, what, _ in tests]
    lines += ["", "## Not shown here", "", *(f"- {name}: {why}" for name, why in NOT_HERE.items()), RULES]
    return "\n".join(lines)


def show_lossy() -> list[fault_stage.Row] | str:
    """Measure and print the lossy lines."""
    rows = lossy_way.measure()
    if isinstance(rows, str):
        print(f"--- F5 packet loss, narrow line: NOT SHOWN: {rows}")
    else:
        show(rows)
    return rows


def show(rows: list[fault_stage.Row]) -> None:
    """Print them."""
    for row in rows:
        print(f"{'ok ' if row.is_good else 'BAD'} {' | '.join(row.cells())}", flush=True)


def only_lossy() -> bool:
    """Play the lossy lines and write their part of the page; the rest of it stays as it is."""
    rows = show_lossy()
    text = PAGE.read_text()
    before, after = text.index("## Over loopback"), text.index("## Shown by tests")
    repair = re.split(r"^## (?!Over loopback)", text[before:after], flags=re.MULTILINE)[0]
    rest = "\n".join(line for line in text[after:].splitlines() if not line.startswith("- F5 ")) + "\n"
    PAGE.write_text(text[:before] + repair + lossy_part(rows) + rest.split("## The rules")[0].rstrip() + "\n" + RULES)
    return end(rows, is_good=True)


def end(lossy: list[fault_stage.Row] | str, *, is_good: bool) -> bool:
    """The last line. What was not shown is not counted as held."""
    is_good = is_good and (isinstance(lossy, str) or all(row.is_good for row in lossy))
    but = f"; F5 (packet loss, narrow line) was NOT SHOWN: {lossy}" if isinstance(lossy, str) else ""
    print(("holds" if is_good else "DOES NOT HOLD") + but)
    return is_good


def main(runs: int) -> bool:
    """Measure, print, write."""
    # First, and alone: it is the only one that measures time on a clock of this machine.
    repair = loopback_repair.measure()
    numbers = range(len(fault_rows.FAULTS))
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(measure, numbers, [runs] * len(numbers)))
    show(rows)
    lossy = show_lossy()
    print(f"{'ok ' if repair.is_good else 'BAD'} {repair.text}")
    tests = tested()
    for name, what, passed in tests:
        print(f"{'ok ' if passed else 'BAD'} {name}: {what}")
    for name, why in NOT_HERE.items():
        print(f"--- {name}: {why}")
    PAGE.write_text(page(runs, rows, repair.text, lossy, tests))
    good = all(row.is_good for row in rows) and repair.is_good and all(passed for _, _, passed in tests)
    return end(lossy, is_good=good)


if __name__ == "__main__":
    if sys.argv[1:] == ["--only", "F5"]:
        sys.exit(0 if only_lossy() else 1)
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else fault_stage.RUNS) else 1)
