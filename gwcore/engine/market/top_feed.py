"""TopFeed: best prices as the venue tells them, where no book is kept. Stale with their connection, or when nothing trades.

Best prices of books are the books' own business; this must not see those.
"""

from __future__ import annotations

from gwcore.engine.market.outbox import Outbox
from gwcore.model import Origin, StaleReason, TopOfBook, UpdateType


class TopFeed:
    """The symbols of one connection whose best prices clients take for good."""

    def __init__(self, outbox: Outbox) -> None:
        self._publish = outbox.publish
        self.last: dict[str, TopOfBook] = {}
        self._held: dict[str, TopOfBook] | None = None  # what may not be taken for good; None: all may

    def on_top(self, top: TopOfBook, received_ns: int) -> None:
        """The venue's best prices."""
        if self._held is not None:
            self._held[top.symbol] = top
            return
        self.last[top.symbol] = top
        self._publish(top, received_ns)

    def hold(self, is_held: bool) -> None:
        """What comes is too old to be taken for good, or is no longer: then the last of each symbol is what the venue
        holds, and a symbol that is quiet would not be told again."""
        if is_held and self._held is None:
            held = dict(self.last)
            self.stale(StaleReason.LAG)
            self._held = held
        elif not is_held and self._held is not None:
            held, self._held = self._held, None
            self.last.update(held)
            for top in held.values():
                self._publish(top)

    def stale(self, reason: StaleReason, symbol: str | None = None) -> None:
        """One symbol's prices, or all, can't be vouched for any more."""
        for each in sorted(self.last) if symbol is None else self.last.keys() & {symbol}:
            self._publish(TopOfBook(symbol=each, update_type=UpdateType.STALE, reason=reason, origin=Origin.GATEWAY))
            del self.last[each]
        if self._held is not None:
            for each in list(self._held) if symbol is None else [symbol]:
                self._held.pop(each, None)
