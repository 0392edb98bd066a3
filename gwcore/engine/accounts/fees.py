"""FeeTable: what the master account pays, as it was told; what the venue answers anew is news only where it differs. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gwcore.model import FeesUpdate, UpdateType


class FeeTable:
    """Fees by symbol. Bounded by what was asked for: symbols that are gone are forgotten."""

    def __init__(self) -> None:
        self._told: dict[str, FeesUpdate] = {}

    def __len__(self) -> int:
        return len(self._told)

    def news(self, rows: Iterable[FeesUpdate], symbols: Iterable[str]) -> list[FeesUpdate]:
        """Rows to tell: those whose maker or taker fee is another than was told. `symbols`: all that were asked for.

        The volume moves with every trade and is told with the fees that follow from it, not by itself. A market that the
        venue told of and tells of no more is told once without its fees: what they are now is not known.
        """
        known, asked = {row.symbol: row for row in rows}, set(symbols)
        self._told = {symbol: row for symbol, row in self._told.items() if symbol in asked}
        news = [row for row in known.values() if _fees(self._told.get(row.symbol)) != _fees(row)]
        for symbol, row in self._told.items():
            if symbol not in known and _fees(row) != (None, None):
                news.append(FeesUpdate(account=row.account, symbol=symbol))
        self._told |= {row.symbol: row for row in news}
        return news

    def lose(self) -> list[FeesUpdate]:
        """The venue could not be asked for too long: what was told may not be so any more. Told once."""
        news = [
            FeesUpdate(account=row.account, symbol=symbol, update_type=UpdateType.STALE)
            for symbol, row in self._told.items()
        ]
        self._told.clear()
        return news


def _fees(row: FeesUpdate | None) -> tuple[str | None, str | None] | None:
    return None if row is None else (row.maker_fee, row.taker_fee)
