"""docs/schema is what the structs say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "scripts" / "schema"), "--check"], capture_output=True, text=True, check=False
    )


def test_schemas_are_up_to_date() -> None:
    result = check(ROOT)
    assert result.returncode == 0, result.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The scripts and what they wrote, to be spoilt."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "schema", tmp_path / "scripts" / "schema")
    for folder in ("scripts/asyncapi", "docs/schema"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_an_old_and_a_surplus_schema_are_told(copy: Path) -> None:
    (copy / "docs" / "schema" / "envelope.json").write_text("{}")
    (copy / "docs" / "schema" / "event.gone.json").write_text("{}")
    result = check(copy)
    assert result.returncode == 1
    assert "docs/schema/envelope.json is out of date" in result.stderr
    assert "docs/schema/event.gone.json is out of date" in result.stderr
    assert result.stderr.count("\n") == 2


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ('operation("send"', 'operation("sent"', "is no AsyncAPI document: $.operations['md.reference_data.live']"),
        ('"host": "{host}:{port}"', '"hosts": "{host}:{port}"', "is no AsyncAPI document: $.servers.nats"),
        ('"#/channels/reply"', '"#/channels/replies"', "is no AsyncAPI document: #/channels/replies leads nowhere"),
        ('"position", "funds"', '"position"', "places no funds: say on which subject"),
        ('"ping": (', '"pong": (', "places no ping: say on which subject"),
        ("The client's choice", "Another text", "docs/schema/asyncapi.json is out of date"),
    ],
)
def test_an_asyncapi_document_that_is_none_is_told(copy: Path, right: str, wrong: str, told: str) -> None:
    script = copy / "scripts" / "asyncapi" / "document.py"
    text = script.read_text()
    assert right in text
    script.write_text(text.replace(right, wrong))
    result = check(copy)
    assert result.returncode == 1
    assert told in result.stderr
    assert "Traceback" not in result.stderr
