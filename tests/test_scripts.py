"""Set-up says in one sentence what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run_setup(folder: Path, path: str, python: str | None = None) -> subprocess.CompletedProcess[str]:
    """scripts/setup in a copy, so that it never touches the real .venv."""
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    environment = {"PATH": path} | ({"PYTHON": python} if python else {})
    return subprocess.run(
        ["/bin/sh", str(folder / "scripts/setup")], env=environment, capture_output=True, text=True, check=False
    )


def test_a_wrong_python_is_named(tmp_path: Path) -> None:
    result = run_setup(tmp_path, os.environ["PATH"], "/bin/false")
    assert result.returncode == 1
    assert result.stderr == "setup: PYTHON=/bin/false is no Python 3.11 or newer; name one that is, or unset PYTHON\n"


def test_an_old_python_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    assert f"PYTHON={old} is no Python 3.11" in run_setup(tmp_path, os.environ["PATH"], str(old)).stderr


def test_no_python_at_all_is_said_with_the_cure(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("dirname", "cat", "sed"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    result = run_setup(tmp_path, str(tools))
    assert result.returncode == 1
    assert result.stderr.startswith("setup: no Python 3.11 or newer found; install one, or name it: PYTHON=")
