"""Golden messages: what a recording decodes to, one message a line, read by a person once and compared ever after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gwcore.testing.conformance.recording import GOLDEN_SUFFIX, Recording
from gwcore.testing.conformance.stage import Stage
from gwcore.testing.conformance.tape import decode_tape
from gwcore.testing.conformance.venue_case import Source, VenueCase


def golden_lines(case: VenueCase, source: Source) -> list[str]:
    """The messages of a recording, as JSON: number of the frame, type, message. Raises what the plugin raises."""
    stage = Stage(case, source)
    stage.run((stage.length_s() or 0.0) + 0.001)
    return [
        msgspec.json.encode({"frame": number, "type": type(message).__name__, "message": _plain(message)}).decode()
        for number, message in decode_tape(case.streams(), stage.tapes()[0])
    ]


def write_golden(case: VenueCase) -> list[Path]:
    """Write the messages of each recording in the case's folder anew; returns the files. They are to be read."""
    written = []
    for source in case.sources():
        if case.recordings is not None and source.recording is not None and not _is_foreign(case, source.recording):
            path = case.recordings / (source.recording.name + GOLDEN_SUFFIX)
            path.write_text("".join(f"{line}\n" for line in golden_lines(case, source)), encoding="utf-8")
            written.append(path)
    return written


def _is_foreign(case: VenueCase, recording: Recording) -> bool:
    return any(recording is each for each in case.more_recordings)


def _plain(message: Any) -> Any:
    # Named tuples are arrays in JSON, and what stood where would be anybody's guess.
    return message._asdict() if hasattr(message, "_asdict") else message
