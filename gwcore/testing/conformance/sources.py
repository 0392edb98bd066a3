"""What a plugin's source files say: what they import and call, and what stands beside its settings. Read, never run."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec

#: What of gwcore a plugin may import; the rest is the core's own business.
PUBLIC = (
    "gwcore.archive",
    "gwcore.book",
    "gwcore.errors",
    "gwcore.hookspecs",
    "gwcore.model",
    "gwcore.nats_connection",
    "gwcore.nats_settings",
    "gwcore.numbers",
    "gwcore.plugins",
    "gwcore.ports",
    "gwcore.rest",
    "gwcore.secrets",
    "gwcore.settings",
    "gwcore.simulator",
    "gwcore.sink",
    "gwcore.subjects",
    "gwcore.transport",
    "gwcore.venue",
    "gwcore.wire",
)
#: Modules that do I/O, read a clock, take chance or start threads: not for what only translates (law 5).
IMPURE = frozenset(
    {
        *("_thread", "aiohttp", "anyio", "asyncio", "concurrent", "ftplib", "gevent", "grpc", "http.client"),
        *("http.server", "httpx", "importlib", "io", "logging", "mmap", "multiprocessing", "nats", "os", "pathlib"),
        *("picows", "platform", "queue", "random", "redis", "requests", "resource", "sched", "secrets", "select"),
        *("selectors", "shutil", "signal", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "subprocess"),
        *("tempfile", "threading", "time", "trio", "urllib.request", "urllib3", "uuid", "uvloop", "webbrowser"),
        *("websocket", "websockets", "zmq"),
    }
)
#: Calls that do the same without an import that tells.
IMPURE_CALLS = frozenset(
    {
        *("open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"),
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    }
)


def package_files(module: str) -> dict[str, Path]:
    """Module name -> file, of the whole package that `module` is in. Raises AssertionError where there is none."""
    top = module.partition(".")[0]
    spec = find_spec(top)
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        raise AssertionError(f"there is no package {top!r} to read")
    if not spec.submodule_search_locations:
        return {top: Path(str(spec.origin))}
    files = {}
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).rglob("*.py")):
            parts = [top, *path.relative_to(folder).with_suffix("").parts]
            files[".".join(parts).removesuffix(".__init__")] = path
    return files


def parse(path: Path) -> ast.Module:
    """A source file as a tree. Raises SyntaxError."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.Module, module: str, *, is_package: bool) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that is imported; `from a import b` gives `a` and `a.b`. Relative names are made whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, *([base] if base else [])])
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def called(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, last two names) of each call by name: `open`, `datetime.now`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            yield node.lineno, ".".join(ast.unparse(node.func).split(".")[-2:])


def is_impure(name: str) -> bool:
    """Whether a dotted name is a module of IMPURE, or within one."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in IMPURE for count in range(1, len(parts) + 1))


def is_public(name: str) -> bool:
    """Whether a dotted name within gwcore is on the public surface. `gwcore` itself is, and what it exports."""
    if name.count(".") <= 1 and not _is_module(name):
        return True
    return any(name == public or name.startswith(public + ".") for public in PUBLIC)


def _is_module(name: str) -> bool:
    return name != "gwcore" and find_spec(name) is not None


def comments_of_fields(settings: type) -> Mapping[str, str]:
    """Field -> the comment at its line's end, or on the lines right above it; empty where there is none.

    Raises OSError where the source can't be read.
    """
    found: dict[str, str] = {}
    for struct in reversed(settings.__mro__):
        if issubclass(struct, msgspec.Struct) and struct is not msgspec.Struct:
            found |= _comments_of(struct)
    return found


def _comments_of(settings: type) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(settings))
    lines = source.splitlines()
    [node] = ast.parse(source).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and item.end_lineno is not None:
            # On any of its lines: a formatter may have put the value, and the comment with it, into brackets.
            own = [line.partition("  # ")[2].strip() for line in lines[item.lineno - 1 : item.end_lineno]]
            above = lines[item.lineno - 2].strip()
            comment = next((text for text in reversed(own) if text), "")
            found[ast.unparse(item.target)] = comment or (above[2:].strip() if above.startswith("# ") else "")
    return found
