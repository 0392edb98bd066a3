"""Issue 6, line 3, second half: mutants of the book, the market-data machine and Kraken's codec, and which tests kill them.

Usage: mutants.py [COUNT] [SEED]. The mutants are mutmut's (`mutmut_mutants.py`, in .mutmut/, made when it is missing), drawn
with a seed among all of them, never chosen. Nothing in this tree is changed: tests run on a copy, and first without a mutant.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT, REQUIREMENTS = ROOT / ".mutmut", Path(__file__).with_name("mutmut.txt")
GENERATOR = Path(__file__).with_name("mutmut_mutants.py")
COUNT, SEED = 30, 6
KILLED_MIN = 0.9
INSTALL_S = 600
#: A mutant that makes a loop endless is killed by this.
TIMEOUT_S = 240
_MACHINE = "gwcore/engine/market/market_data.py"
_CODEC = ["plugins/kraken/tests/venue/test_whole_messages.py", "plugins/kraken/tests/venue"]
#: file -> tests that are to kill its mutants, quickest first.
TARGETS = {
    "gwcore/book.py": ["tests/test_book_whole.py", "tests/test_book.py", "tests/engine"],
    _MACHINE: ["tests/engine"],
    "gwcore/engine/market/books.py": ["tests/engine"],
    "plugins/kraken/gw_venue_kraken/market/market_data.py": _CODEC,
    "plugins/kraken/gw_venue_kraken/market/feeds.py": _CODEC,
}
#: Mutants that no test can kill, as (file, what): why nothing can be seen of them. They are named, and count as survivors.
EQUIVALENT = {
    (_MACHINE, "- self._was_open = False  + self._was_open = None"): "both are false, and that is all it is asked for",
    (
        _MACHINE,
        "- self.subscriptions.on_open(codec, now_ns)  + self.subscriptions.on_open(codec, None)",
    ): "the time is not used there",
}


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    line: int
    what: str
    source: str


def environment() -> Path:
    """The interpreter with mutmut, made from its pinned requirements."""
    python, stamp = ENVIRONMENT / "bin/python", ENVIRONMENT / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(ENVIRONMENT)], "make a virtual environment")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]
    _run([str(python), *install, str(REQUIREMENTS)], "install mutmut")
    stamp.write_text(wanted)
    return python


def _run(command: list[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        raise SystemExit(f"can't {what}: {done.stderr.strip()[-500:]}")
    return done.stdout


def drawn(count: int, seed: int) -> tuple[int, list[Mutant]]:
    """How many mutants there are, and those that are drawn."""
    said = _run([str(environment()), str(GENERATOR), str(ROOT), str(count), str(seed), *TARGETS], "draw mutants")
    first, *rest = map(json.loads, said.splitlines())
    return first["total"], [Mutant(**fields) for fields in rest]


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[Any]:
    """Python on the copy: its packages come before the installed ones."""
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(folder / part) for part in ("", "plugins/kraken")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S)


def failing(tests: list[str], folder: Path) -> str | None:
    """The first of these tests that fails, or why they could not end; None: all pass."""
    for test in tests:
        try:
            run = _python(folder, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", test)
        except subprocess.TimeoutExpired:
            return f"{test} did not end"
        if run.returncode in (1, 2):  # a failure, or a file that can't even be collected
            lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            return lines[0].split(" - ")[0].split()[-1] if lines else test
        if run.returncode != 0:
            raise SystemExit(f"pytest ended with {run.returncode} for {test}: {run.stderr[-400:]}")
    return None


def killer(mutant: Mutant, folder: Path) -> str | None:
    """The test that kills it; None: it survives."""
    place = folder / mutant.file
    original = place.read_text()
    place.write_text(mutant.source)
    try:
        return failing(TARGETS[mutant.file], folder)
    finally:
        place.write_text(original)


def copy_to(folder: Path) -> None:
    """A copy of all that the tests need, which is proven to be what runs, and to pass."""
    for part in ("gwcore", "plugins", "tests", "conf", "conftest.py", "pyproject.toml"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            shutil.copy(source, folder / part)
    for module in ("gwcore.book", "gw_venue_kraken.market.feeds"):
        where = _python(folder, "-c", f"import {module}; print({module}.__file__)").stdout
        if not where.startswith(str(folder)):
            raise SystemExit(f"the copy is not what runs: {module} comes from {where}")
    for tests in {tuple(tests) for tests in TARGETS.values()}:
        if (fails := failing(list(tests), folder)) is not None:
            raise SystemExit(f"without any mutant a test fails: {fails}")


def main(count: int, seed: int) -> bool:
    """Draw, run, list survivors."""
    total, mutants = drawn(count, seed)
    print(
        f"{len(mutants)} of {total} mutants that mutmut makes of {len(TARGETS)} files, drawn with seed {seed}",
        flush=True,
    )
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        copy_to(folder)
        for mutant in mutants:
            by = killer(mutant, folder)
            if by is None:
                survivors.append(mutant)
            print(f"{'killed  ' if by else 'SURVIVED'} {mutant.file}:{mutant.line}: {mutant.what}", flush=True)
            if by:
                print(f"         by {by}")
    print(f"survivors: {len(survivors)}")
    for mutant in survivors:
        reason = EQUIVALENT.get((mutant.file, mutant.what))
        print(f"  {mutant.file}:{mutant.line}: {mutant.what}{f'  EQUIVALENT: {reason}' if reason else ''}")
    killed = len(mutants) - len(survivors)
    print(f"killed: {killed} of {len(mutants)} ({killed / len(mutants):.0%}; at least {KILLED_MIN:.0%} are wanted)")
    return killed >= KILLED_MIN * len(mutants)


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:3]]
    holds = main(*(arguments + [COUNT, SEED][len(arguments) :]))
    print("holds" if holds else "DOES NOT HOLD")
    sys.exit(0 if holds else 1)
