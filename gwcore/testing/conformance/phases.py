"""Phases: in which order a venue's author turns its cards green. `gw new venue` and docs/tutorial-venue.md follow them."""

from __future__ import annotations

from typing import NamedTuple

from gwcore.testing.conformance.card import Card, Kind
from gwcore.testing.conformance.catalogue import cards_of


class Phase(NamedTuple):
    """A step on the way; `cards` without their kind (`P10`). `what`: what is written in it."""

    name: str
    what: str
    cards: tuple[str, ...]


PHASES = (
    Phase("plugin", "pyproject.toml, plugin.py, settings.py: what `gw new venue` writes", ("P10", "P20", "P30")),
    Phase("instruments", "Symbols.discover, and `/products` of a simulator", ("I10", "I20", "I30")),
    Phase(
        "stream",
        "limits, endpoint, subscribe, decode, and the simulator's frames",
        ("M10", "M20", "M30", "M60", "M70", "D10", "D20"),
    ),
    Phase("recovery", "book_rule, snapshots, recordings, and what is claimed", ("M40", "M50", "D30", "P50")),
    Phase("accounts", "Streams.account, login, download, where the venue has accounts", ("A10", "A20", "A30", "A40")),
    Phase("orders", "VenueSpec.orders, where the venue trades", ("O10", "O20", "O30", "O40", "O50", "O60")),
)


def cards_up_to(name: str) -> tuple[Card, ...]:
    """The venue's cards of a phase and of all before it, in their order. Raises KeyError for an unknown phase."""
    names = [phase.name for phase in PHASES]
    if name not in names:
        raise KeyError(f"no phase {name!r}; there are: {', '.join(names)}")
    wanted = {f"VEN-{card}" for phase in PHASES[: names.index(name) + 1] for card in phase.cards}
    return tuple(card for card in cards_of(Kind.VENUE) if card.id in wanted)
