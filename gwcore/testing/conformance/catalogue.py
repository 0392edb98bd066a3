"""All cards there are, by kind, in the order they are run: from the least to the most derived."""

from __future__ import annotations

from collections.abc import Mapping

from gwcore.testing.conformance import (
    cards_account,
    cards_claims,
    cards_decode,
    cards_healing,
    cards_instruments,
    cards_market_data,
    cards_orders,
    cards_plugin,
    cards_sink,
    cards_transport,
)
from gwcore.testing.conformance.card import Card, Kind

#: What a group's letter stands for.
GROUPS: Mapping[str, str] = {
    "P": "plugin",
    "I": "instruments",
    "M": "market data",
    "D": "decode",
    "A": "accounts",
    "O": "orders",
    "K": "sink",
    "T": "transport",
}
_ORDER = list(GROUPS)


def cards_of(kind: Kind) -> tuple[Card, ...]:
    """The cards of one kind of plugin."""
    return CARDS[kind]


def _sorted(*groups: tuple[Card, ...]) -> tuple[Card, ...]:
    cards = [card for group in groups for card in group]
    ids = [card.id for card in cards]
    assert len(set(ids)) == len(ids), "two cards have one id"
    return tuple(sorted(cards, key=lambda card: (_ORDER.index(card.id[4]), card.id)))


CARDS: Mapping[Kind, tuple[Card, ...]] = {
    Kind.VENUE: _sorted(
        cards_plugin.VENUE_CARDS,
        cards_claims.CARDS,
        cards_instruments.CARDS,
        cards_market_data.CARDS,
        cards_healing.CARDS,
        cards_decode.CARDS,
        cards_account.CARDS,
        cards_orders.CARDS,
    ),
    Kind.SINK: _sorted(cards_plugin.SINK_CARDS, cards_sink.CARDS),
    Kind.TRANSPORT: _sorted(cards_plugin.TRANSPORT_CARDS, cards_transport.CARDS),
}
