"""Details: facts of an instrument that only discovery tells, for one that was listed or renamed while running.

A venue's stream may name a new market without all that its REST interface knows of it. Asked again, REST fills in what
is unknown, and by its own key shows which symbol the market had before. Pure bookkeeping: it publishes nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gwcore.model import Instrument

#: Markets whose names are remembered; the venue's whole list fits many times over.
KEYS_MAX = 100_000


class Details:
    """Names by the venue's key, and the merging of what two interfaces say."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, ...]] = {}  # venue_symbol -> every name the market had

    def learn(self, instrument: Instrument) -> None:
        """Remember the names of a market."""
        key = instrument.venue_symbol
        if key is not None and (key in self._names or len(self._names) < KEYS_MAX):
            names = (*self._names.get(key, ()), instrument.symbol, *instrument.aliases)
            self._names[key] = tuple(dict.fromkeys(names))

    @staticmethod
    def are_missing(instrument: Instrument) -> bool:
        """Whether discovery would know more."""
        return instrument.venue_symbol is None

    def fill(self, known: Instrument, discovered: Instrument) -> Instrument:
        """What is known, with discovery's facts where there was none, and all names the market ever had as aliases."""
        facts: dict[str, Any] = {
            name: getattr(discovered, name)
            for name in known.__struct_fields__
            if getattr(known, name) in (None, ()) and getattr(discovered, name) not in (None, ())
        }
        earlier = self._names.get(discovered.venue_symbol or "", ())
        names = dict.fromkeys((*discovered.aliases, *known.aliases, *earlier))
        facts["aliases"] = tuple(name for name in names if name != known.symbol)
        return msgspec.structs.replace(known, **facts)
