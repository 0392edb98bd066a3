"""Where recorded venue data lies. It stays outside the repository (licences differ), so every test asks here for it.

The folder is `$GW_FIXTURES`, or else `shared/fixtures` in the directory that holds the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import pytest

    #: Marks a test (or, as `pytestmark`, a module) that needs the recordings: skipped with the reason where they are absent.
    requires_fixtures: pytest.MarkDecorator

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
        raise FixturesMissing(f"no recording {path}: set {FIXTURES_VARIABLE} to the folder of recordings")
    return path


class _Line(msgspec.Struct):
    frame: msgspec.Raw = msgspec.Raw()
    message: msgspec.Raw = msgspec.Raw()
    dir: str = "rx"
    channel: str | None = None
    method: str | None = None


_line_of = msgspec.json.Decoder(_Line).decode


def received_frames(path: Path) -> Iterator[bytes]:
    """The frames of one JSON Lines recording that came from the venue, byte for byte.

    A line is a frame (a JSON array, or an object with `channel` or `method`), or holds one under `frame` or `message`; lines
    with neither, and those with `dir` `tx`, are passed over. A key `channel` or `method` that is no text is an error.
    """
    for text in path.read_bytes().splitlines():
        if not text.strip():
            continue
        if text.lstrip().startswith(b"["):
            yield text
            continue
        line = _line_of(text)
        wrapped = bytes(line.frame) or bytes(line.message)
        if line.dir != "tx" and (wrapped or line.channel is not None or line.method is not None):
            yield wrapped or text


def __getattr__(name: str) -> Any:
    """`requires_fixtures`, made when it is asked for: recordings are also read where there is no pytest (`gw conform`)."""
    if name != "requires_fixtures":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    return pytest.mark.skipif(
        not fixtures_dir().is_dir(),
        reason=f"recordings absent: no folder {fixtures_dir()} (set {FIXTURES_VARIABLE})",
    )
