"""What was sent on one connection for one journal class and is not yet acknowledged. Pure."""

from __future__ import annotations

from collections import deque


class AckWindow:
    """Turns acknowledgements, in whatever order they come, into one position up to which all is acknowledged."""

    __slots__ = ("_early", "_first", "_sent", "bytes_outstanding", "position")

    def __init__(self, position: int) -> None:
        self.position = position  # everything up to here is acknowledged
        self.bytes_outstanding = 0
        self._first = 0  # number of the oldest message that is not acknowledged
        self._sent: deque[tuple[int, int]] = deque()  # (position, bytes) from `_first` on
        self._early: set[int] = set()  # numbers acknowledged ahead of `_first`

    def __len__(self) -> int:
        return len(self._sent)

    def sent(self, position: int, size: int) -> int:
        """Note a message; returns its number, which its acknowledgement brings back."""
        self._sent.append((position, size))
        self.bytes_outstanding += size
        return self._first + len(self._sent) - 1

    def acknowledged(self, number: int) -> bool:
        """Note an acknowledgement; True when `position` moved. What is not outstanding is ignored."""
        if number != self._first:
            if self._first < number < self._first + len(self._sent):
                self._early.add(number)
            return False
        if not self._sent:
            return False
        self._advance()
        while self._early and self._first in self._early:
            self._early.remove(self._first)
            self._advance()
        return True

    def _advance(self) -> None:
        self.position, size = self._sent.popleft()
        self.bytes_outstanding -= size
        self._first += 1
