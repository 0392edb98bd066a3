"""Make a recording for the cards out of a capture: what `gw record --licence` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gwcore.capture import SENT, read_frames
from gwcore.errors import ConfigError
from gwcore.rest import HttpRequest
from gwcore.runtime.venue.exchanges import HttpExchange
from gwcore.testing.conformance.recording import Exchange, RecordedFrame, Recording, target_of
from gwcore.venue import Topic

#: The connection that becomes the recording; others are left out.
CONNECTION = "md.0"


def recording_of(
    capture: Path, name: str, topics: Sequence[Topic], exchanges: Iterable[HttpExchange], opened_ns: Sequence[int]
) -> Recording:
    """The first connection of a capture. Raises ConfigError where nothing came on it."""
    with capture.open("rb") as lines:
        frames = [each for each in read_frames(lines, str(capture)) if each.connection == CONNECTION]
    if not any(each.direction != SENT for each in frames):
        raise ConfigError("nothing came on the first connection", place=str(capture), hint="record for longer")
    start_ns = min([*opened_ns[:1], frames[0].time_ns])
    return Recording(
        name=name,
        topics=tuple(topics),
        frames=tuple(
            RecordedFrame(max(0, each.time_ns - start_ns), each.direction == SENT, each.frame)
            for each in frames
            if not each.synthetic
        ),
        exchanges=tuple(
            dict.fromkeys(
                Exchange(each.method, target_of(HttpRequest(method=each.method, url=each.url)), each.status, each.body)
                for each in exchanges
            )
        ),
    )
