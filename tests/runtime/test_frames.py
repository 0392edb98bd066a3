"""FrameSplitter against the library alone: same messages, same answers, same end, wherever the stream is cut."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from gwcore.runtime.venue.frames import HEAD_BYTES_MAX, FrameSplitter

BYTES_MAX = 70_000


def frame(opcode: int, body: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = False) -> bytes:
    """A frame as a server would send it, or should not."""
    size, bit = len(body), 0x80 if mask else 0
    first = bytes([(0x80 if fin else 0) | rsv | opcode])
    if size < 126:
        head = first + bytes([bit | size])
    elif size < 65536:
        head = first + bytes([bit | 126]) + size.to_bytes(2)
    else:
        head = first + bytes([bit | 127]) + size.to_bytes(8)
    return head + (b"\0\0\0\0" if mask else b"") + body


class Peer:
    """A client and what it got: messages with their fragments joined, what it answered, how it ended."""

    def __init__(self, *, with_splitter: bool) -> None:
        self.protocol = ClientProtocol(parse_uri("ws://venue/"), max_size=BYTES_MAX)
        self.splitter = FrameSplitter(BYTES_MAX) if with_splitter else None
        self.messages: list[bytes] = []
        self.plain = 0
        self._parts = b""
        server = ServerProtocol()
        self.protocol.send_request(self.protocol.connect())
        server.receive_data(b"".join(self.protocol.data_to_send()))
        (request,) = server.events_received()
        server.send_response(server.accept(request))  # type: ignore[arg-type]
        self.head = b"".join(server.data_to_send())

    def hear(self, data: bytes) -> None:
        if self.splitter is None:
            self._to_library(data)
            return
        for is_message, piece in self.splitter.feed(data):
            if is_message:
                self.plain += 1
                self.messages.append(piece)
            else:
                self._to_library(piece)
                self.splitter.passes |= self.protocol.state is not State.OPEN

    def _to_library(self, data: bytes) -> None:
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                continue
            assert isinstance(event, Frame)
            if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts += event.data
                if event.fin:
                    self.messages.append(self._parts)
                    self._parts = b""

    def end(self) -> tuple[object, ...]:
        error = self.protocol.parser_exc
        # What the client sends is masked at random: only how much it is can be compared.
        sent = [len(data) for data in self.protocol.data_to_send()]
        return self.messages, self.protocol.state, type(error), str(error), sum(sent)


def both(stream: bytes, cuts: Sequence[int]) -> tuple[Peer, Peer]:
    """The library with everything at once, and the splitter with the stream cut at these places (head included)."""
    alone, split = Peer(with_splitter=False), Peer(with_splitter=True)
    alone.hear(alone.head + stream)
    data, start = split.head + stream, 0
    for stop in (*sorted(cut % (len(data) + 1) for cut in cuts), len(data)):
        if stop > start:
            split.hear(data[start:stop])
            start = stop
    return alone, split


GOOD = (
    frame(1, b'{"channel":"heartbeat"}'),
    frame(2, b"\xff\x00"),
    frame(1),
    frame(1, b"a" * 125),
    frame(1, b"b" * 126),
    frame(1, b"c" * 65_535),
    frame(1, b"d" * 65_536),
    frame(1, b"e" * BYTES_MAX),
    frame(9, b"ping"),
    frame(10, b"pong"),
    frame(1, b"one ", fin=False) + frame(9, b"between") + frame(0, b"two ", fin=False) + frame(0, b"three"),
)
BAD = (
    frame(1, b"too large" * BYTES_MAX),
    frame(1, b"masked", mask=True),
    frame(1, b"m" * 200, mask=True),
    frame(1, b"reserved", rsv=0x40),
    frame(3, b"no such opcode"),
    frame(0, b"nothing to continue"),
    frame(1, b"begun", fin=False) + frame(1, b"another"),
    frame(9, b"p" * 126),
    frame(9, b"", fin=False),
    frame(8, b"\x03\xe8bye"),
    frame(8, b"\x03"),
)


@pytest.mark.parametrize("seed", range(60))
def test_same_as_the_library_alone(seed: int) -> None:
    rng = random.Random(seed)
    frames = rng.choices(GOOD, k=rng.randint(1, 12))
    if seed % 2:
        frames.append(BAD[seed // 2 % len(BAD)])
        frames += rng.choices(GOOD, k=3)
    stream = b"".join(frames)
    alone, split = both(stream, [rng.randrange(len(stream) + 200) for _ in range(rng.randint(0, 30))])
    assert split.end() == alone.end()


def test_every_cut_of_a_short_stream() -> None:
    stream = b"".join((GOOD[0], GOOD[8], GOOD[4], GOOD[10], GOOD[1], BAD[9]))
    for cut in range(len(stream) + 200):
        alone, split = both(stream, [cut])
        assert split.end() == alone.end()


def test_byte_by_byte() -> None:
    stream = b"".join((GOOD[0], GOOD[8], GOOD[4], GOOD[10], GOOD[1]))
    alone, split = both(stream, range(len(stream) + 200))
    assert split.end() == alone.end()
    assert split.plain == 3


def test_whole_messages_do_not_reach_the_library() -> None:
    _, split = both(b"".join(GOOD[:8]), [])
    assert split.plain == 8


def test_a_frame_that_announces_too_much_is_not_waited_for() -> None:
    split = Peer(with_splitter=True)
    split.hear(split.head + b"\x81\x7f" + (2**40).to_bytes(8) + b"and so on")
    assert "exceeds limit" in str(split.protocol.parser_exc)
    assert split.splitter is not None
    assert split.splitter.passes


def test_a_head_without_end_is_the_library_s() -> None:
    splitter = FrameSplitter(BYTES_MAX)
    assert list(splitter.feed(b"HTTP/1.1 101 Switching Protocols\r\n")) == []
    endless = b"x" * HEAD_BYTES_MAX
    assert [is_message for is_message, _ in splitter.feed(endless)] == [False]
    assert list(splitter.feed(b"more")) == [(False, b"more")]
