"""What the proxy takes for one message: nothing is lost or held, wherever the stream is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwcore.testing.proxy.units import UnitSplitter

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(body: bytes, *, mask: bool = False, opcode: int = 1) -> bytes:
    bit, key = (0x80, b"\x01\x02\x03\x04") if mask else (0, b"")
    if len(body) < 126:
        return bytes([0x80 | opcode, bit | len(body)]) + key + body
    if len(body) < 65536:
        return bytes([0x80 | opcode, bit | 126]) + len(body).to_bytes(2) + key + body
    return bytes([0x80 | opcode, bit | 127]) + len(body).to_bytes(8) + key + body


@settings(max_examples=150, deadline=None)
@given(
    bodies=st.lists(st.tuples(st.binary(max_size=200), st.booleans(), st.sampled_from((1, 2, 9))), max_size=8),
    start=st.sampled_from(
        (HEAD, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"INFO {", b"")
    ),
    tail=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 2000), max_size=8),
)
def test_units_joined_are_the_stream_wherever_it_is_cut(
    bodies: list[tuple[bytes, bool, int]], start: bytes, tail: bytes, cuts: list[int]
) -> None:
    stream = start + b"".join(frame(body, mask=mask, opcode=opcode) for body, mask, opcode in bodies) + tail
    splitter, units = UnitSplitter(), []
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for here, there in itertools.pairwise(places):
        units += splitter.feed(stream[here:there])
    units += splitter.flush()
    assert b"".join(unit.joined() for unit in units) == stream
    if splitter.is_websocket:
        messages = [unit.body for unit in units if unit.is_message]
        assert messages[: len(bodies)] == [body for body, _, opcode in bodies if opcode != 9][: len(messages)]


@pytest.mark.parametrize("size", [0, 5, 126, 70_000])
@pytest.mark.parametrize("mask", [True, False])
def test_a_shortened_frame_is_a_frame(size: int, mask: bool) -> None:
    splitter = UnitSplitter()
    units = splitter.feed(HEAD + frame(b"y" * 80_000, mask=mask))
    assert units[1].shortened(size).joined() == frame(b"y" * size, mask=mask)


def test_what_is_too_long_to_wait_for_is_passed_on() -> None:
    splitter = UnitSplitter()
    splitter.feed(HEAD)
    announced = b"\x82\x7f" + (1 << 40).to_bytes(8) + b"more"
    assert b"".join(unit.joined() for unit in splitter.feed(announced)) == announced
    endless = b"GET /" + b"x" * 70_000
    assert b"".join(unit.joined() for unit in UnitSplitter().feed(endless)) == endless
