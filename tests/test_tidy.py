"""The rules of the house that a reader can check, checked: sizes, words, calls, folders, files."""

from __future__ import annotations

import ast
import os
import re
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "gwcore",
    "plugins/kraken/gw_venue_kraken",
    "plugins/kraken/gw_sim_kraken",
    "plugins/sinks/gw_sinks",
    "plugins/transports/gw_transports",
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
#: Not ours to read: what tools make, and what git ignores.
SKIPPED = frozenset({"__pycache__", "dist", "build", "node_modules"})

#: Who may read the real clock. Everybody else is handed one (law 5).
CLOCK_READERS = ("gwcore/runtime/", "gwcore/client/", "gwcore/cli/", "gwcore/testing/")
CLOCK_CALLS = frozenset(
    f"time.{name}" for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
) | frozenset({"datetime.now", "datetime.utcnow", "datetime.today", "date.today"})
#: Who may take real chance: the runtime hands out ids and jitter; the JetStream sink makes passwords and a name for itself.
CHANCE_TAKERS = ("gwcore/runtime/", "plugins/sinks/gw_sinks/embedded.py", "plugins/sinks/gw_sinks/jetstream.py")
CHANCE_CALLS = re.compile(r"(uuid\.)?uuid[14]$|os\.urandom$|secrets\.(token|rand|choice)|random\.(?!Random$)\w+$")

#: Where `float(...)` may stand in a package, and why it never touches money there.
FLOATS: dict[str, str] = {
    "gwcore/engine/orders/desk.py": "counters of a venue's limits",
    "gwcore/runtime/observability/metrics.py": "gauges as Prometheus wants them: counts, ages, states",
    "plugins/kraken/gw_venue_kraken/envelope.py": "seconds of a Retry-After header",
}


def text_files(*suffixes: str) -> Iterator[Path]:
    """Every file of the project with one of the suffixes (`""`: none); hidden folders and made ones left out."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED and not name.endswith(".egg-info") and (name == ".ci" or not name.startswith("."))
        )
        for name in sorted(names):
            # In a worktree of git `.git` is a file that names the repository's folder.
            if name != ".git" and (not suffixes or Path(name).suffix in suffixes):
                yield Path(folder, name)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def trees() -> dict[str, ast.Module]:
    """Every Python file, parsed; scripts without suffix by their first line."""
    found = {}
    for path in text_files(".py", ""):
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".py" or (text.startswith("#!") and "python" in text.partition("\n")[0]):
            found[relative(path)] = ast.parse(text, filename=relative(path))
    return found


def package_trees() -> dict[str, ast.Module]:
    return {name: tree for name, tree in trees().items() if name.startswith(tuple(f"{p}/" for p in PACKAGES))}


def calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, last two names) of each call by name: `time.time`, `print`, `datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            dotted = ast.unparse(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else ""
            yield node.lineno, ".".join(dotted.split(".")[-2:])


def imports(tree: ast.Module, module: str) -> bool:
    return any(
        isinstance(node, ast.Import) and any(alias.name == module for alias in node.names) for node in ast.walk(tree)
    )


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators and docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def assert_none(faults: list[str], rule: str) -> None:
    assert not faults, rule + "\n" + "\n".join(faults)


def test_files_are_short() -> None:
    faults = [
        f"{relative(path)}: {count} lines"
        for path in text_files(".py")
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ]
    assert_none(faults, f"a file has at most {FILE_LINES_MAX} lines; one noun per file")


def test_functions_are_short() -> None:
    faults = [
        f"{name}:{node.lineno} {node.name}: {count} lines"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (count := code_lines(node)) > FUNCTION_LINES_MAX
    ]
    assert_none(faults, f"a function has at most {FUNCTION_LINES_MAX} lines without its docstring")


def test_modules_say_what_they_are() -> None:
    faults = [name for name, tree in package_trees().items() if not ast.get_docstring(tree)]
    assert_none(faults, "a module's docstring says what it is")


def test_init_files_only_export() -> None:
    faults = []
    for name, tree in package_trees().items():
        if not name.endswith("/__init__.py"):
            continue
        for node in tree.body[1:]:
            is_dunder = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"__all__", "__version__"}
            if not isinstance(node, (ast.Import, ast.ImportFrom)) and not is_dunder:
                faults.append(f"{name}:{node.lineno}")
    assert_none(faults, "an __init__ holds imports, __all__ and __version__ only")


def test_packages_do_not_print() -> None:
    faults = [
        f"{name}:{line}" for name, tree in package_trees().items() for line, call in calls(tree) if call == "print"
    ]
    assert_none(faults, "packages never print: click.echo in cli, a log line elsewhere")


def test_clock_and_chance_are_handed_in() -> None:
    faults = []
    for name, tree in package_trees().items():
        for line, call in calls(tree):
            if call in CLOCK_CALLS and not name.startswith(CLOCK_READERS):
                faults.append(f"{name}:{line} {call}")
            # Without an import of the module, `random` is what was handed in.
            is_port = call.startswith("random.") and not imports(tree, "random")
            if CHANCE_CALLS.match(call) and not is_port and not name.startswith(CHANCE_TAKERS):
                faults.append(f"{name}:{line} {call}")
    assert_none(faults, "clock and chance are handed in (gwcore/ports.py)")


def test_no_binary_float_is_made_of_a_number_that_could_be_money() -> None:
    found = {name for name, tree in package_trees().items() for _, call in calls(tree) if call == "float"}
    assert_none(
        sorted(found - FLOATS.keys()), "float(...) in a package: use numbers.py, or say here why it is no money"
    )
    assert_none(sorted(FLOATS.keys() - found), "no float(...) there any more: take the entry out")


def test_work_left_undone_has_an_issue() -> None:
    marker = re.compile(r"\b(TODO|FIXME)\b(?!\(#\d+\))")
    faults = [
        f"{relative(path)}:{number}"
        for path in text_files(".py", ".toml", ".md", ".sh", "")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if marker.search(line)
    ]
    assert_none(faults, "write TODO(#issue), or do it")


def test_every_folder_is_on_the_map() -> None:
    folders: set[str] = set()
    for path in text_files():
        parts = relative(path).split("/")[:-1]
        # The map goes two folders deep, and to each package. What is below tests/ and bench/ is named after what it is about.
        depths = (1,) if parts[:1] in (["tests"], ["bench"]) else (1, 2)
        folders.update("/".join(parts[:depth]) + "/" for depth in depths if len(parts) >= depth)
    folders.update(f"{package}/" for package in PACKAGES)
    architecture = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert_none(
        sorted(folder for folder in folders if f"`{folder}`" not in architecture),
        "docs/architecture.md names every folder on its map",
    )


def test_nothing_names_a_machine_or_a_registry() -> None:
    # Built from parts, so that this file does not name them either.
    places = ["/" + "work/", "/" + "root/", "/tmp/" + "team", "/home/" + "user"]
    hosts = [name + ".org" for name in ("pypi", "files.python" + "hosted", "registry.npm" + "js", "deb.deb" + "ian")]
    needle = re.compile("|".join(re.escape(text) for text in places + hosts))
    faults = []
    for path in text_files():
        if path.name == "uv.lock" or path.suffix in {".zst", ".png", ".whl", ".gz"}:
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        faults += [f"{relative(path)}:{number}" for number, line in enumerate(lines, 1) if needle.search(line)]
    assert_none(faults, "no machine's paths and no registry's address outside uv.lock")


@pytest.mark.parametrize("folder", ["scripts", "scripts/show", ".ci"])
def test_scripts_can_be_run(folder: str) -> None:
    files = [path for path in (ROOT / folder).glob("*") if path.is_file() and path.suffix not in {".txt", ".py"}]
    faults = [
        relative(path)
        for path in files
        if not path.stat().st_mode & stat.S_IXUSR or not path.read_bytes().startswith(b"#!")
    ]
    assert_none(faults, "a script is executable and names its interpreter")
