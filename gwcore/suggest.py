"""The words "did you mean ...?" for a name that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Letters that a beginning of a name has at least.
PART_LENGTH_MIN = 3


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None where none is like it."""
    by_folded = {name.lower(): name for name in known}
    folded = word.lower()
    if len(folded) >= PART_LENGTH_MIN:
        # Half of a name is meant more often than another name of as many letters: trade is trade_summary, not ready.
        whole = [name for name in by_folded if name.startswith(folded)]
        if whole:
            return by_folded[min(whole, key=len)]
    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], *, what: str = "known") -> str:
    """`did you mean "x"? known: x, y` or `known: x, y`; the list is left out where it is empty."""
    names = sorted(known)
    near = closest(word, names)
    parts = [f'did you mean "{near}"?'] if near else []
    if names:
        parts.append(f"{what}: {', '.join(names)}")
    return " ".join(parts)
