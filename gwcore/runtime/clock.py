"""The real clock, random and ids behind `gwcore.ports`. The simulation has its own in `gwcore.testing`."""

from __future__ import annotations

import os
import random
import time

#: Crockford's base 32: no I, L, O, U; its order is the order of the values.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENTROPY_BITS = 80
_TIME_MASK = (1 << 48) - 1


def encode_ulid(value: int) -> str:
    """A 128-bit number as 26 letters and digits that sort as the number does."""
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -5, -5))


class UlidSequence:
    """Makes ULIDs (48 bits of milliseconds, 80 of entropy) that rise strictly, also within a millisecond or when
    the wall clock goes back: then the last one plus one is taken."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = -1

    def next(self, time_ms: int, entropy: bytes) -> str:
        """The next id. `entropy` is 10 bytes."""
        value = (time_ms & _TIME_MASK) << _ENTROPY_BITS | int.from_bytes(entropy, "big")
        if value >> _ENTROPY_BITS <= self._last >> _ENTROPY_BITS:
            value = self._last + 1
        self._last = value
        return encode_ulid(value)


class SystemClock:
    """`ports.Clock` of this machine."""

    __slots__ = ()

    # The system's own functions, without a call of ours around them: they are asked several times a message.
    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


class SystemRandom:
    """`ports.Random` seeded by the system. For jitter, not for secrets."""

    __slots__ = ("_random",)

    def __init__(self) -> None:
        self._random = random.Random(os.urandom(32))

    def random(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


class SystemIds:
    """`ports.Ids` from the wall clock and the system's entropy."""

    __slots__ = ("_sequence",)

    def __init__(self) -> None:
        self._sequence = UlidSequence()

    def session_id(self) -> str:
        """A ULID: 26 letters and digits; within this process each is above the one before."""
        return self._sequence.next(time.time_ns() // 1_000_000, os.urandom(10))
