"""Capture lines: every frame's bytes come back, whatever they are; secrets do not; damage is named."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwcore.capture import RECEIVED, SENT, CaptureHead, frame_line, head_line, read_frames, read_head
from gwcore.redaction import redact_frame

FRAMES = (
    b'{"channel":"book","data":[{"price":1.10,"qty":1E-8}]}',
    b'{"a": 1}',
    b"[1,2]",
    b'{"a":\n1}',
    b'{"a":1',
    b"",
    b"ping",
    b'"text"',
    b"\x00\xff",
    b'{"a":"\xff"}',
    '{"a":"é"}'.encode(),
    b'{"a":1}\r',
    b'{"a":1} ',
    b"[" * 100_000,
    b'{"a":' * 100_000,
)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: repr(frame[:40]))
def test_a_frames_bytes_come_back(frame: bytes) -> None:
    line = frame_line(7, "md.0", RECEIVED, frame)
    assert line.count(b"\n") == 1
    assert json.loads(line)["rx_ns"] == 7
    found = list(read_frames([line], "x"))
    if frame:
        assert [(one.time_ns, one.connection, one.direction, one.synthetic, one.frame) for one in found] == [
            (7, "md.0", RECEIVED, False, frame)
        ]


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_come_back(frame: bytes) -> None:
    (found,) = read_frames([frame_line(1, "md.0", SENT, frame, synthetic=True)], "x")
    assert (found.frame, found.direction, found.synthetic) == (redact_frame(frame), SENT, True)


def test_json_stands_as_it_came() -> None:
    frame = b'{"channel":"book", "data":[{"price":1.10,"qty":0.00000000}]}'
    assert b'"frame":' + frame + b"}\n" in frame_line(1, "md.0", RECEIVED, frame)


def test_secrets_are_masked_and_the_rest_is_untouched() -> None:
    frame = b'{"method":"subscribe","params":{"channel":"executions","token":"Tk-123\\"x", "snap":true},"qty":1.10}'
    (found,) = read_frames([frame_line(1, "ex.a", SENT, frame)], "x")
    assert (
        found.frame == b'{"method":"subscribe","params":{"channel":"executions","token":"***", "snap":true},"qty":1.10}'
    )


def test_the_head_comes_back_and_is_no_frame() -> None:
    head = CaptureHead(venue="kraken", reason="CHECKSUM", symbols=("BTC/USD",), session_id="S", sequences=(3, 4))
    line = head_line(head)
    assert read_head(line) == head
    assert list(read_frames([line], "x")) == []
    assert read_head(b'{"captured_at":"now"}') is None
    assert read_head(b"{oops") is None
    assert read_head(b"\xff\xff") is None
    assert read_head(b"[" * 100_000) is None


def test_a_damaged_line_is_named_and_a_torn_end_is_an_end() -> None:
    good = frame_line(1, "md.0", RECEIVED, b"{}")
    with pytest.raises(ValueError, match=r"x\.jsonl:2: no line of a capture"):
        list(read_frames([good, b"{oops\n", good], "x.jsonl"))
    with pytest.raises(ValueError, match=r"x\.jsonl:1: no line of a capture"):
        list(read_frames([b'{"rx_ns":1,"frame_base64":"%%%"}\n'], "x.jsonl"))
    with pytest.raises(ValueError, match=r"x\.jsonl:1: no line of a capture"):
        list(read_frames([b'{"frame":' + b"[" * 100_000 + b"\n"], "x.jsonl"))
    assert len(list(read_frames([good, good[:-9]], "x.jsonl"))) == 1


def test_other_recordings_are_read_too() -> None:
    lines = [b'{"captured_at":"now"}\n', b'{"rx_ns":5,"dir":"tx","frame":{"method":"ping"}}\n', b'{"frame":{"a":1}}\n']
    assert [(one.line, one.time_ns, one.direction, one.frame) for one in read_frames(lines, "x")] == [
        (2, 5, "tx", b'{"method":"ping"}'),
        (3, 0, "rx", b'{"a":1}'),
    ]


def test_a_head_of_a_later_version_is_still_read() -> None:
    line = msgspec.json.encode({"capture": {"format": 2, "venue": "kraken", "more": [1]}})
    head = read_head(line)
    assert head is not None
    assert (head.format, head.venue) == (2, "kraken")
