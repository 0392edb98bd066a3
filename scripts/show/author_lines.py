"""What an author had to write for the example venue, counted: lines and functions by file, from the source as it stands."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "gw-venue-demo"
#: Lines of the venue (the simulator is apart); blanks, comments, docstrings and imports are not counted.
VENUE_LINES_MAX = 300


def counted(path: Path) -> tuple[int, int, int]:
    """(lines of code, all lines, functions) of a file."""
    text = path.read_text()
    tree = ast.parse(text)
    left_out: set[int] = set()
    functions = 0
    for node in ast.walk(tree):
        functions += isinstance(node, ast.FunctionDef)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            left_out |= set(range(node.lineno, (node.end_lineno or 0) + 1))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False):
            left_out |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = list(enumerate(text.splitlines(), 1))
    code = [line for number, line in lines if number not in left_out and line.strip() and line.strip()[0] != "#"]
    return len(code), len(lines), functions


def main() -> int:
    """Print the count; 1 where the venue is longer than it may be."""
    totals = {}
    print(f"{'':34} {'code':>6} {'lines':>6} {'functions':>10}")
    for package in ("gw_venue_demo", "gw_sim_demo"):
        rows = {path.name: counted(path) for path in sorted((EXAMPLE / package).glob("*.py"))}
        rows["all"] = totals[package] = tuple(map(sum, zip(*rows.values(), strict=True)))  # type: ignore[assignment]
        for name, row in rows.items():
            print(f"{package + '/' + name:34} {row[0]:>6} {row[1]:>6} {row[2]:>10}")
    print(f"the venue may have {VENUE_LINES_MAX} lines of code (no blanks, comments, docstrings, imports)")
    return 1 if totals["gw_venue_demo"][0] > VENUE_LINES_MAX else 0


if __name__ == "__main__":
    sys.exit(main())
