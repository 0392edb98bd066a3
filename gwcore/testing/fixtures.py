"""Where recorded venue data lies. It stays outside the repository (licences differ), so every test asks here for it.

The folder is `$GW_FIXTURES`, or else `shared/fixtures` in the directory that holds the repository. Nothing here reads a file.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: Names the folder that holds `README.md`, `kraken-spot/`, ...
FIXTURES_VARIABLE = "GW_FIXTURES"
_REPOSITORY = Path(__file__).resolve().parents[2]


class FixturesMissing(Exception):
    """A recording that was asked for is not there. The text says where it was looked for and how to say otherwise."""


def fixtures_dir() -> Path:
    """The folder of recordings, whether it exists or not."""
    named = os.environ.get(FIXTURES_VARIABLE)
    return Path(named) if named else _REPOSITORY.parent / "shared" / "fixtures"


def fixture_path(name: str) -> Path:
    """Path of one recording, for example `kraken-spot/checksum-vectors.json`.

    Raises FixturesMissing where the folder has no such file.
    """
    path = fixtures_dir() / name
    if not path.is_file():
        raise FixturesMissing(f"no recording {path}: set {FIXTURES_VARIABLE} to the folder that holds {name}")
    return path


#: Marks a test (or, as `pytestmark`, a module) that needs the recordings: skipped with the reason where they are absent.
requires_fixtures = pytest.mark.skipif(
    not fixtures_dir().is_dir(),
    reason=f"recordings absent: no folder {fixtures_dir()} (set {FIXTURES_VARIABLE})",
)
