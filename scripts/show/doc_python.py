"""Run a Python block of a page as it stands: `await` may be outside a function. Usage: doc_python.py FILE [BEFORE]."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import sys
from pathlib import Path
from types import FunctionType


def main(paths: list[str]) -> int:
    """Run BEFORE, then FILE, with the same names."""
    names: dict[str, object] = {"__name__": "__main__"}
    for path in reversed(paths):
        code = compile(Path(path).read_text(encoding="utf-8"), path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(FunctionType(code, names)())
        else:
            exec(code, names)
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
