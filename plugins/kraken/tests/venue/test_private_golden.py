"""Every recorded private frame and answer becomes what `private.golden.txt` says, and a person has read that file."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

from gwcore.testing.fixtures import requires_fixtures


def private_frames() -> ModuleType:
    spec = importlib.util.spec_from_file_location("private_frames", Path(__file__).with_name("private_frames.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@requires_fixtures
def test_recorded_private_frames_decode_as_written() -> None:
    frames = private_frames()
    now = frames.all_lines()
    if os.environ.get("GW_GOLDEN") == "write":
        frames.GOLDEN.write_text("\n".join(now) + "\n")
    assert now == frames.GOLDEN.read_text().splitlines()
    assert sum(line.startswith(">") for line in now) >= 50
