"""Choice: which of the venue's symbols are wanted: globs from the configuration or an operator, and what the venue offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gwcore.engine.market.shards import matches
from gwcore.model import Instrument, TradingStatus

#: Globs of an operator that are kept; he may say `*` instead of more.
GLOBS_MAX = 1000


class Globs(NamedTuple):
    """What is wanted: `symbols` less `exclude`."""

    symbols: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def adding(self, wanted: Sequence[str]) -> Globs:
        """With these too; an exclusion by the very same glob ends."""
        symbols = tuple(dict.fromkeys((*self.symbols, *wanted)))
        return Globs(symbols, tuple(glob for glob in self.exclude if glob not in wanted))

    def removing(self, unwanted: Sequence[str]) -> Globs:
        """Without these, whatever else says that they are wanted."""
        symbols = tuple(glob for glob in self.symbols if glob not in unwanted)
        return Globs(symbols, tuple(dict.fromkeys((*self.exclude, *unwanted))))


class Choice:
    """What the venue offers, and what of it is wanted. Bounded by the venue's instruments."""

    def __init__(self, globs: Globs) -> None:
        self.globs = globs
        self.offered: dict[str, Instrument] = {}  # all that is traded, wanted or not

    def wants(self, instrument: Instrument) -> bool:
        """Whether it is to be subscribed."""
        return self.is_offered(instrument) and matches(instrument.symbol, *self.globs)

    def wanted_by(self, globs: Globs) -> dict[str, Instrument]:
        """What would be subscribed with these globs."""
        return {symbol: each for symbol, each in self.offered.items() if matches(symbol, *globs)}

    def note(self, instruments: Iterable[Instrument], *, is_whole: bool) -> None:
        """The venue said what is traded; `is_whole`: and nothing else is."""
        if is_whole:
            self.offered.clear()
        for instrument in instruments:
            if self.is_offered(instrument):
                self.offered[instrument.symbol] = instrument
            else:
                self.offered.pop(instrument.symbol, None)

    @staticmethod
    def is_offered(instrument: Instrument) -> bool:
        """Whether it can be subscribed at all."""
        return instrument.status is not TradingStatus.DELISTED
