"""Make a recording out of a run of the simulator: what a plugin's author ships where the venue's own data may not be."""

from __future__ import annotations

from gwcore.testing.conformance.recording import RecordedFrame, Recording
from gwcore.testing.conformance.stage import Stage
from gwcore.testing.conformance.tape import Asked, Sent
from gwcore.testing.conformance.venue_case import VenueCase


def record(case: VenueCase, name: str, seconds: float) -> Recording:
    """The first connection of a healthy run against the case's simulator, with the HTTP that came before it.

    Raises AssertionError where the case has no simulator, or the run does not settle.
    """
    [source] = case.sources(only_answering=True)
    stage = Stage(case, source)
    stage.settle()
    exchanges = tuple(dict.fromkeys(stage.exchanges))
    stage.run(seconds)
    tape = stage.lines[0].tapes[0]
    frames = tuple(
        RecordedFrame(entry.at_ns - tape.opened_ns, isinstance(entry, Sent), entry.frame)
        for entry in tape.entries
        if not isinstance(entry, Asked)
    )
    return Recording(name=name, topics=tape.shard.topics, frames=frames, exchanges=exchanges)
