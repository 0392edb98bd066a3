"""Wheels of a checkout, and places to use them from: a folder on the path, or an environment with nothing else in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

#: How long a build, and an installation with all it needs, may take.
BUILD_S, INSTALL_S = 120.0, 600.0


def build_wheel(project: Path, folder: Path) -> Path:
    """Build the distribution in `project`; needs hatchling beside the interpreter. Raises AssertionError with its words."""
    before = set(folder.glob("*.whl")) if folder.is_dir() else set()
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], BUILD_S, cwd=project)
    [wheel] = set(folder.glob("*.whl")) - before
    return wheel


def unpack(wheel: Path, folder: Path) -> Path:
    """The wheel's files below a folder: on PYTHONPATH its plugins are found. Returns the folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def on_path(*folders: Path) -> Mapping[str, str]:
    """The environment of a process that finds what is in these folders."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}


def new_environment(folder: Path, wheels: Iterable[Path | str]) -> Path:
    """A virtual environment with these wheels (a text: with extras) and what they need; returns its folder of programs.

    Raises AssertionError with pip's words.
    """
    _run([sys.executable, "-m", "venv", str(folder)], BUILD_S)
    programs = folder / "bin"
    _run([str(programs / "python"), "-m", "pip", "install", "--quiet", *map(str, wheels)], INSTALL_S)
    return programs


def _run(command: list[str], timeout_s: float, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command[:6])} ended with {done.returncode}: {done.stderr[-1500:]}")
