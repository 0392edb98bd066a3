"""What a subscriber of one depth is sent of a market: the best `depth` levels a side and their changes (sheet 4.8).

Rules of the wire that are made here: changes in the order in which they happened, several of one price included;
the next deeper level is back-filled right after a removal; a level pushed out by a better one is not marked, the
client cuts it off at the end of the message.
"""

from __future__ import annotations

from gw_sim_kraken.market.matching import Side

Change = tuple[int, int]  # price, quantity


class Window:
    """The view of one depth. `take` ends a message."""

    __slots__ = ("_pushed_out", "changes", "depth", "last_ns")

    def __init__(self, depth: int, last_ns: int) -> None:
        self.depth = depth
        self.last_ns = last_ns  # time of the last change that subscribers of this depth saw
        self.changes: tuple[list[Change], list[Change]] = ([], [])
        # Levels that left during this message: clients still hold them, so their changes must be told.
        self._pushed_out: tuple[set[int], set[int]] = (set(), set())

    def on_level(self, side: Side, price: int, before: int, after: int) -> None:
        """One level changed; `side` is already in its new state."""
        if after == 0:
            self._on_removal(side, price)
        elif before == 0:
            self._on_insertion(side, price, after)
        elif self._is_inside(side, price) or price in self._pushed_out[side.index]:
            self.changes[side.index].append((price, after))

    def take(self, now_ns: int) -> tuple[list[Change], list[Change]] | None:
        """Bids and asks of the message, None where nothing of it is seen at this depth."""
        bids, asks = self.changes
        if not bids and not asks:
            return None
        self.changes = ([], [])
        for pushed_out in self._pushed_out:
            pushed_out.clear()
        self.last_ns = now_ns
        return bids, asks

    def _is_inside(self, side: Side, price: int) -> bool:
        levels = side.levels
        return len(levels) <= self.depth or price * side.sign <= levels.peekitem(self.depth - 1)[0]

    def _on_removal(self, side: Side, price: int) -> None:
        changes, pushed_out = self.changes[side.index], self._pushed_out[side.index]
        levels, depth = side.levels, self.depth
        if len(levels) < depth:
            changes.append((price, 0))
            pushed_out.discard(price)
            return
        level = levels.peekitem(depth - 1)[1]  # was the first outside, if the removed one was inside
        if price * side.sign < level.price * side.sign:
            changes.append((price, 0))
            changes.append((level.price, level.quantity))
            pushed_out.discard(level.price)
        elif price in pushed_out:
            changes.append((price, 0))
            pushed_out.discard(price)

    def _on_insertion(self, side: Side, price: int, quantity: int) -> None:
        levels, depth = side.levels, self.depth
        if len(levels) <= depth:
            self.changes[side.index].append((price, quantity))
            return
        pushed = levels.peekitem(depth)[1]
        if price * side.sign < pushed.price * side.sign:
            self.changes[side.index].append((price, quantity))
            self._pushed_out[side.index].add(pushed.price)
