"""Chance and ids that follow from one seed: the same numbers in every process, whatever PYTHONHASHSEED is.

Every consumer takes its own stream by name, so that one drawing more often does not change what another one sees.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from gwcore.ports import Clock
from gwcore.runtime.clock import UlidSequence

T = TypeVar("T")


def derive(seed: int, name: str) -> int:
    """A 64-bit seed for the stream `name`. Uses a real hash: `hash()` of text differs from process to process."""
    return int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big")


class SeededRandom:
    """`ports.Random` from a seed, with the few draws that a simulation needs."""

    __slots__ = ("_random", "seed")

    def __init__(self, seed: int, name: str = "") -> None:
        self.seed = derive(seed, name)
        self._random = random.Random(self.seed)

    def stream(self, name: str) -> SeededRandom:
        """An independent stream: depends on the seed and the name, not on what was drawn here so far."""
        return SeededRandom(self.seed, name)

    def random(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random.random() < probability

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high]."""
        return low + (high - low) * self._random.random()

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high], both included."""
        return self._random.randint(low, high)

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`, which must not be empty."""
        return items[int(self._random.random() * len(items))]

    def shuffle(self, items: list[T]) -> None:
        """Bring `items` into another order, in place."""
        self._random.shuffle(items)

    def bytes(self, size: int) -> bytes:
        """`size` bytes."""
        return self._random.randbytes(size)


class SeededIds:
    """`ports.Ids` from a clock and a seed."""

    __slots__ = ("_clock", "_random", "_sequence")

    def __init__(self, clock: Clock, rng: SeededRandom) -> None:
        self._clock = clock
        self._random = rng
        self._sequence = UlidSequence()

    def session_id(self) -> str:
        """A ULID: 26 letters and digits, above every one given out before."""
        return self._sequence.next(self._clock.now_ns() // 1_000_000, self._random.bytes(10))
