"""Card: one numbered law of a contract and the function that checks it; and what came of checking.

Ids are spaced by ten and never used for another law. A card is skipped only by what `spec.supports` says (there is no second
list of abilities). Imports no test framework: `gw conform` and pytest run the same cards.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gwcore.venue import Support

#: Longest reason of a result: a card names the first places where a law broke, not all.
REASON_LENGTH_MAX = 2_000


class Kind(str, Enum):
    """What kind of plugin a card is about."""

    VENUE = "venue"
    SINK = "sink"
    TRANSPORT = "transport"


class Outcome(str, Enum):
    """What came of one card."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One law. Call it with a case of its kind: returns, or raises AssertionError saying which law broke and where."""

    id: str
    law: str  # one line
    check: Callable[[Any], None]
    needs: frozenset[Support] = frozenset()  # all of these ...
    needs_one_of: frozenset[Support] = frozenset()  # ... and, where not empty, at least one of these

    @property
    def kind(self) -> Kind:
        """Told by the id's first part."""
        return {"VEN": Kind.VENUE, "SNK": Kind.SINK, "TRN": Kind.TRANSPORT}[self.id.partition("-")[0]]

    def __call__(self, case: Any) -> None:
        """Check. Whatever else than AssertionError is raised is a fault of the plugin or of the card."""
        try:
            self.check(case)
        except AssertionError as error:
            raise AssertionError(f"{self.id} {self.law}: {error}") from error

    def skip_reason(self, supports: Iterable[Support] | None) -> str:
        """Why this card says nothing of a plugin with these abilities; empty: it does. None: the kind has none."""
        if supports is None:
            return ""
        missing = sorted(each.value for each in self.needs.difference(supports))
        if missing:
            return f"needs {', '.join(missing)}, which the venue does not claim"
        if self.needs_one_of and self.needs_one_of.isdisjoint(supports):
            names = ", ".join(sorted(each.value for each in self.needs_one_of))
            return f"needs one of {names}, of which the venue claims none"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one card. `reason` is empty for a passed one; `warnings` do not fail it."""

    card: Card
    outcome: Outcome
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Notes:
    """What a card noticed without its law being broken. Part of every case; the runner empties it for each card."""

    warnings: list[str] = field(default_factory=list)

    def warn(self, text: str) -> None:
        """Note something, once."""
        if text not in self.warnings:
            self.warnings.append(text)


def require(condition: object, text: str) -> None:
    """Raise AssertionError with `text` unless the condition holds; unlike `assert` also under `python -O`."""
    if not condition:
        raise AssertionError(text)


def run_card(card: Card, case: Any) -> Result:
    """Check one card. Never raises: what a plugin raises is a failure with its place."""
    spec = case.spec
    reason = card.skip_reason(getattr(spec, "supports", None))
    if reason:
        return Result(card=card, outcome=Outcome.SKIPPED, reason=reason)
    notes: Notes = case.notes
    notes.warnings.clear()
    try:
        card(case)
    except AssertionError as error:
        reason = str(error)
    except Exception as error:  # a plugin may raise anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{card.id} {card.law}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    outcome = Outcome.FAILED if reason else Outcome.PASSED
    return Result(card=card, outcome=outcome, reason=reason[:REASON_LENGTH_MAX], warnings=tuple(notes.warnings))


def run_cards(cards: Iterable[Card], case: Any) -> list[Result]:
    """Check cards in their order; one result for each."""
    return [run_card(card, case) for card in cards]
