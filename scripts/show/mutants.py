"""Issue 6, line 3, second half: mutants of the book, the market-data machine and Kraken's codec, and which tests kill them.

Usage: mutants.py [COUNT] [SEED]. Ours, in place of mutmut: that rewrites every function into trampolines, which frozen
Structs, `__slots__` and the constants bound at import do not survive, and it wants the whole suite for each mutant. The
mutations are of the same kind: comparisons, arithmetic, constants, conditions, statements left out. Drawn with a seed
among all places, never chosen. Nothing in this tree is changed: tests run on a copy.
"""

from __future__ import annotations

import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
COUNT, SEED = 30, 6
KILLED_MIN = 0.9
#: A mutant that makes a loop endless is killed by this.
TIMEOUT_S = 240
_ENGINE = ["tests/engine", "tests/simulation/test_detectors.py", "tests/simulation/test_standby.py"]
_CODEC = ["plugins/kraken/tests/venue", "plugins/kraken/tests/test_conformance.py"]
#: file -> tests that are to kill its mutants, quickest first.
TARGETS = {
    "gwcore/book.py": ["tests/test_book.py", "tests/engine", "plugins/kraken/tests/venue"],
    "gwcore/engine/market_data.py": [*_ENGINE, "tests/simulation/test_listings.py"],
    "plugins/kraken/gw_venue_kraken/market_data.py": [*_CODEC, "tests/simulation/test_listings.py"],
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.FloorDiv: ast.Mult,
}


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    line: int
    what: str
    source: str


def mutants_of(file: str) -> Iterator[Mutant]:
    """Every mutant of a file. What is only said (docstrings, texts, annotations, assertions) has none."""
    source = (ROOT / file).read_text()
    tree = ast.parse(source)
    for number, node in enumerate(_places(tree)):
        for what, change in _changes(node):
            twin = copy.deepcopy(tree)
            place = list(_places(twin))[number]
            change(place)
            yield Mutant(file, node.lineno, what, ast.unparse(ast.fix_missing_locations(twin)))


def _places(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes inside functions, in a fixed order."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                yield from _inside(statement)


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Assert | ast.FunctionDef | ast.AnnAssign | ast.JoinedStr):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _inside(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        new = _COMPARISONS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} -> {new.__name__}", lambda n: n.ops.__setitem__(0, new())
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _ARITHMETIC:
        other = _ARITHMETIC[type(node.op)]
        yield f"{type(node.op).__name__} -> {other.__name__}", lambda n: setattr(n, "op", other())
    elif isinstance(node, ast.BoolOp):
        word = ast.Or if isinstance(node.op, ast.And) else ast.And
        yield f"{type(node.op).__name__} -> {word.__name__}", lambda n: setattr(n, "op", word())
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} -> {node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} -> {not node.value}", lambda n: setattr(n, "value", not n.value)
    elif isinstance(node, ast.If):
        yield "if not", lambda n: setattr(n, "test", ast.UnaryOp(ast.Not(), n.test))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield f"left out: {ast.unparse(node)[:60]}", lambda n: setattr(n, "value", ast.Constant(value=None))
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        yield "return None", lambda n: setattr(n, "value", ast.Constant(value=None))


def is_killed(mutant: Mutant, folder: Path) -> bool:
    """Run the file's tests on the copy with the mutant in it."""
    place = folder / mutant.file
    original = place.read_text()
    place.write_text(mutant.source)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(folder / part) for part in ("", "plugins/kraken")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    try:
        for test in TARGETS[mutant.file]:
            command = [sys.executable, "-m", "pytest", *options, test]
            run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=TIMEOUT_S)
            if run.returncode == 1 or run.returncode == 2:  # a failure, or a file that can't even be collected
                return True
            if run.returncode != 0:
                raise SystemExit(f"pytest ended with {run.returncode} for {test}: {run.stderr.decode()[-400:]}")
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        place.write_text(original)


def main(count: int, seed: int) -> bool:
    """Draw, run, list survivors."""
    everything = [mutant for file in TARGETS for mutant in mutants_of(file)]
    drawn = random.Random(seed).sample(everything, count)
    print(f"{count} of {len(everything)} mutants, drawn with seed {seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("gwcore", "plugins", "tests", "conf", "pyproject.toml"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
            else:
                shutil.copy(source, folder / part)
        survivors = 0
        for mutant in drawn:
            killed = is_killed(mutant, folder)
            survivors += not killed
            print(f"{'killed  ' if killed else 'SURVIVED'} {mutant.file}:{mutant.line}: {mutant.what}", flush=True)
    killed_count = count - survivors
    print(f"killed: {killed_count} of {count} ({killed_count / count:.0%}; at least {KILLED_MIN:.0%} are wanted)")
    return killed_count >= KILLED_MIN * count


if __name__ == "__main__":
    arguments = [int(text) for text in sys.argv[1:3]]
    holds = main(*(arguments + [COUNT, SEED][len(arguments) :]))
    print("holds" if holds else "DOES NOT HOLD")
    sys.exit(0 if holds else 1)
