"""A recorded book as it stands: levels in the recording's own digits, and whether its checksum holds."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import Any

from sortedcontainers import SortedDict

from gw_sim_kraken.market.checksum import checksum_of_texts


class BookState:
    """Follows a recording by the rules of the sheet: apply in order, then cut to depth."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.seen_snapshot = False
        self.checksum: int | None = None
        self.stamp = ""
        # (price, quantity) in wire text, keyed by price for asks and by its negative for bids.
        self._bids: SortedDict[Decimal, tuple[str, str]] = SortedDict()
        self._asks: SortedDict[Decimal, tuple[str, str]] = SortedDict()

    def apply(self, kind: str, row: dict[str, Any]) -> None:
        """One recorded row. What is no level is left out."""
        if kind == "snapshot":
            self.seen_snapshot = True
            self._bids.clear()
            self._asks.clear()
        for side, sign, levels in ((self._bids, -1, row.get("bids")), (self._asks, 1, row.get("asks"))):
            for level in levels or ():
                price, quantity = str(level["price"]), str(level["qty"])
                if quantity.strip("0."):
                    side[Decimal(price) * sign] = (price, quantity)
                else:
                    side.pop(Decimal(price) * sign, None)
            while len(side) > self.depth:
                side.popitem()
        checksum = row.get("checksum")
        self.checksum = checksum if isinstance(checksum, int) else None
        self.stamp = str(row.get("timestamp", self.stamp))

    def holds(self) -> bool:
        """Whether the recording's last checksum is the one of these levels."""
        if not self.seen_snapshot or self.checksum is None:
            return False
        return checksum_of_texts(self._asks.values(), self._bids.values()) == self.checksum

    def levels(self, depth: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Bids and asks, best first."""
        return list(islice(self._bids.values(), depth)), list(islice(self._asks.values(), depth))

    def snapshot(self, symbol: str) -> bytes:
        """A snapshot frame in the recording's own digits, with its last checksum and time stamp."""
        bids, asks = (
            ",".join(f'{{"price":{price},"qty":{quantity}}}' for price, quantity in levels)
            for levels in self.levels(self.depth)
        )
        stamp = f',"timestamp":"{self.stamp}"' if self.stamp else ""
        return (
            f'{{"channel":"book","type":"snapshot","data":[{{"symbol":"{symbol}","bids":[{bids}],"asks":[{asks}],'
            f'"checksum":{self.checksum}{stamp}}}]}}'
        ).encode()
