"""SequenceSet: which sequences of a session were seen, in any order, with bounded memory. For checking that none is missing.

Sequences are marked in blocks; a block that is whole is forgotten, so that only what is under way takes room.
"""

from __future__ import annotations

from typing import Final

#: Sequences in one block, a byte each.
BLOCK: Final = 1 << 16
#: Blocks of one session that may be under way. Above this the lowest is judged as it is.
BLOCKS_MAX: Final = 512


class SequenceSet:
    """One session of one partition. `missing` is only right once all was added."""

    def __init__(self) -> None:
        self.first = 0  # lowest and highest sequence seen; 0: none
        self.last = 0
        self.repeated = 0  # the first sequence that was seen twice
        self.count = 0
        self._blocks: dict[int, bytearray | None] = {}  # None: whole, or judged
        self._left: dict[int, int] = {}  # block -> sequences not seen yet
        self._judged: list[tuple[int, int]] = []

    def add(self, sequence: int) -> None:
        """One more."""
        number, offset = divmod(sequence, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            if number in self._blocks:
                if not self.repeated and not self._is_missing(sequence):
                    self.repeated = sequence
                return
            block = self._blocks[number] = bytearray(BLOCK)
            self._left[number] = BLOCK
            if len(self._left) > BLOCKS_MAX:
                self._judge(min(self._left))
        if block[offset]:
            self.repeated = self.repeated or sequence
            return
        block[offset] = 1
        self.count += 1
        if not self.first or sequence < self.first:
            self.first = sequence
        if sequence > self.last:
            self.last = sequence
        self._left[number] -= 1
        if not self._left[number]:
            self._blocks[number] = None
            del self._left[number]

    def missing(self) -> list[tuple[int, int]]:
        """What is missing between the lowest and the highest: inclusive bounds, in order."""
        found = list(self._judged)
        for number in range(self.first // BLOCK, self.last // BLOCK + 1):
            block = self._blocks.get(number)
            if block is not None:
                found += self._holes(number, block)
            elif number not in self._blocks:
                found.append((number * BLOCK, number * BLOCK + BLOCK - 1))
        return _joined(sorted(found))

    def _judge(self, number: int) -> None:
        block = self._blocks[number]
        assert block is not None
        self._judged += self._holes(number, block)
        self._blocks[number] = None
        del self._left[number]

    def _holes(self, number: int, block: bytearray) -> list[tuple[int, int]]:
        base = number * BLOCK
        start, end = max(self.first, base) - base, min(self.last, base + BLOCK - 1) - base
        found = []
        while (hole := block.find(0, start, end + 1)) >= 0:
            next_seen = block.find(1, hole, end + 1)
            stop = next_seen - 1 if next_seen >= 0 else end
            found.append((base + hole, base + stop))
            start = stop + 1
        return found

    def _is_missing(self, sequence: int) -> bool:
        return any(first <= sequence <= last for first, last in self._judged)


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and joined[-1][1] + 1 >= first:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def without(spans: list[tuple[int, int]], stated: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of the spans is in none of the stated ones."""
    left = spans
    for stated_first, stated_last in stated:
        cut: list[tuple[int, int]] = []
        for first, last in left:
            if last < stated_first or first > stated_last:
                cut.append((first, last))
                continue
            if first < stated_first:
                cut.append((first, stated_first - 1))
            if last > stated_last:
                cut.append((stated_last + 1, last))
        left = cut
    return left
