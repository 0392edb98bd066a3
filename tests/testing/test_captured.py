"""A capture becomes a recording for the cards: the first connection alone, times from its opening, what was answered once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gwcore.capture import RECEIVED, SENT, frame_line
from gwcore.cli.main import main
from gwcore.errors import ConfigError
from gwcore.model import Channel
from gwcore.runtime.venue.exchanges import HttpExchange
from gwcore.testing.conformance import load_recordings, write_recording
from gwcore.testing.conformance.captured import recording_of
from gwcore.venue import Topic

TOPIC = Topic(Channel.BOOK, "BTC/USD", 10)


def capture(folder: Path, *lines: bytes) -> Path:
    path = folder / "x.capture"
    path.write_bytes(b"".join(lines))
    return path


def test_the_first_connection_becomes_a_recording(tmp_path: Path) -> None:
    file = capture(
        tmp_path,
        frame_line(900, "md.0", RECEIVED, b'{"made":"by us"}', synthetic=True),
        frame_line(1_000, "md.0", SENT, b'{"op":"sub"}'),
        frame_line(1_200, "md.1", RECEIVED, b'{"another":"connection"}'),
        frame_line(1_500, "md.0", RECEIVED, b"ping"),
    )
    asked = HttpExchange("GET", "http://venue.example/book?product=A", 200, b'{"last":1}')
    recording = recording_of(file, "market", (TOPIC,), [asked, asked], [950, 1_100])
    write_recording(tmp_path / "data", recording, origin="here", licence="none", recorded="2026-11-26")
    [found] = load_recordings(tmp_path / "data")
    assert [(each.at_ns, each.is_sent, each.data) for each in found.frames] == [
        (100, True, b'{"op":"sub"}'),
        (600, False, b"ping"),
    ]
    assert (found.topics, found.name) == ((TOPIC,), "market")
    assert [tuple(each) for each in found.exchanges] == [("GET", "/book?product=A", 200, b'{"last":1}')]


def test_a_capture_in_which_nothing_came_is_none(tmp_path: Path) -> None:
    file = capture(tmp_path, frame_line(1, "md.0", SENT, b"{}"), frame_line(1, "md.1", RECEIVED, b"{}"))
    with pytest.raises(ConfigError, match=r"nothing came on the first connection \(record for longer\)"):
        recording_of(file, "x", (TOPIC,), [], [])


def test_the_file_has_to_be_named_as_recordings_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "market.jsonl"
    assert main(["record", "--venue", "kraken", "-o", str(output), "--licence", "none"]) == 2
    assert "FILE has to end with .frames.jsonl" in capsys.readouterr().err
    assert not output.exists()
