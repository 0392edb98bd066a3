"""docs/schema is what the structs say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "scripts" / "schema"), "--check"], capture_output=True, text=True, check=False
    )


def test_schemas_are_up_to_date() -> None:
    result = check(ROOT)
    assert result.returncode == 0, result.stderr


def test_an_old_and_a_surplus_schema_are_told(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "schema", tmp_path / "scripts" / "schema")
    shutil.copytree(ROOT / "docs" / "schema", tmp_path / "docs" / "schema")
    (tmp_path / "docs" / "schema" / "envelope.json").write_text("{}")
    (tmp_path / "docs" / "schema" / "event.gone.json").write_text("{}")
    result = check(tmp_path)
    assert result.returncode == 1
    assert "docs/schema/envelope.json is out of date" in result.stderr
    assert "docs/schema/event.gone.json is out of date" in result.stderr
    assert result.stderr.count("\n") == 2
