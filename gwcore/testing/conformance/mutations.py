"""Frames cut and mutated, from a seed: what a bad line, a bad proxy or a bad day of the venue makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from gwcore.testing.seeds import SeededRandom

#: What stands where a number stood.
_NUMBERS = (b"null", b"-1", b"1e999", b"1e-999", b"NaN", b'"x"', b"[]", b"{}", b"true", b"9" * 400, b"0.1.2", b"")
#: ... where a text stood.
_TEXTS = (b"null", b"0", b'""', b'"\\ud800"', b'"\xff"', b'"\\u0000"', b"[[]]", b'{"a":1}', b'"' + b"A" * 5000 + b'"')
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NESTING = 5_000


def mutations(frame: bytes, random: SeededRandom, count: int) -> Iterator[tuple[str, bytes]]:
    """(what was done, frame): first the cuts that always matter, then `count` drawn ones."""
    yield "empty", b""
    yield "last byte cut", frame[:-1]
    yield "first byte cut", frame[1:]
    yield "cut in the middle", frame[: len(frame) // 2]
    yield "twice", frame + frame
    yield "nested", b"[" * _NESTING + frame
    for _ in range(count):
        kind, mutate = random.pick(_KINDS)
        yield kind, mutate(frame, random)


def _cut(frame: bytes, random: SeededRandom) -> bytes:
    return frame[: random.integer(0, len(frame))]


def _without(frame: bytes, random: SeededRandom) -> bytes:
    start = random.integer(0, len(frame))
    return frame[:start] + frame[start + random.integer(1, 20) :]


def _flip(frame: bytes, random: SeededRandom) -> bytes:
    if not frame:
        return b"\x00"
    at = random.integer(0, len(frame) - 1)
    return frame[:at] + bytes([frame[at] ^ (1 << random.integer(0, 7))]) + frame[at + 1 :]


def _insert(frame: bytes, random: SeededRandom) -> bytes:
    at = random.integer(0, len(frame))
    return frame[:at] + random.bytes(random.integer(1, 8)) + frame[at:]


def _double(frame: bytes, random: SeededRandom) -> bytes:
    start = random.integer(0, len(frame))
    stop = start + random.integer(1, 40)
    return frame[:stop] + frame[start:]


def _swap(pattern: re.Pattern[bytes], others: tuple[bytes, ...]) -> Callable[[bytes, SeededRandom], bytes]:
    def swap(frame: bytes, random: SeededRandom) -> bytes:
        found = list(pattern.finditer(frame))
        if not found:
            return _cut(frame, random)
        match = random.pick(found)
        return frame[: match.start()] + random.pick(others) + frame[match.end() :]

    return swap


_KINDS: tuple[tuple[str, Callable[[bytes, SeededRandom], bytes]], ...] = (
    ("cut", _cut),
    ("a part left out", _without),
    ("a bit flipped", _flip),
    ("bytes put in", _insert),
    ("a part doubled", _double),
    ("a number replaced", _swap(_NUMBER, _NUMBERS)),
    ("a text replaced", _swap(_TEXT, _TEXTS)),
)
