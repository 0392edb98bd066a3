"""Environments of the referees: other people's clients on Python 3.13, below .referees/, each made when it is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
FOLDER = TOP / ".referees"
REQUIREMENTS = TOP / "bench/referees/requirements"
INSTALL_S = 600


class NoEnvironment(Exception):
    """There is no Python 3.13, or pip could not install; the text says what to do."""


def environment(name: str) -> Path:
    """The interpreter of a referee's environment, made from its pinned requirements. Raises NoEnvironment."""
    folder = FOLDER / name
    python, stamp = folder / "bin/python", folder / "requirements.txt"
    wanted = (REQUIREMENTS / f"{name}.txt").read_text()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([_python313(), "-m", "venv", str(folder)], "make a virtual environment")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]
    _run([str(python), *install, str(REQUIREMENTS / f"{name}.txt")], f"install {name}")
    stamp.write_text(wanted)
    return python


def _python313() -> str:
    for candidate in _candidates():
        check = [candidate, "-c", "import sys; sys.exit(sys.version_info[:2] != (3, 13))"]
        try:
            if subprocess.run(check, capture_output=True, timeout=30, check=False).returncode == 0:
                return candidate
        except (OSError, subprocess.TimeoutExpired):
            continue
    raise NoEnvironment("no Python 3.13 found, which the referees need; install one, or name it: PYTHON313=...")


def _candidates() -> Iterator[str]:
    if named := os.environ.get("PYTHON313"):
        yield named
        return
    yield "python3.13"
    # Its shims only answer for the versions that are switched on.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob("versions/3.13*/bin/python3.13")))


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if done.returncode:
        raise NoEnvironment(f"can't {what}: {done.stderr.strip()[-500:]}")
