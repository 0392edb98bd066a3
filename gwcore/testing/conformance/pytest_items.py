"""The cards as pytest items: `test_card = card_tests(case)` in a test module gives one item a card, with the card's id."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

from gwcore.testing.conformance.card import Card, Kind, Outcome, run_card
from gwcore.testing.conformance.catalogue import cards_of
from gwcore.testing.conformance.phases import cards_up_to
from gwcore.testing.conformance.sink_case import SinkCase
from gwcore.testing.conformance.transport_case import TransportCase
from gwcore.testing.conformance.venue_case import VenueCase


class ConformanceWarning(UserWarning):
    """What a card noticed without its law being broken."""


def card_tests(case: VenueCase | SinkCase | TransportCase, *, up_to: str | None = None) -> Callable[[Card], None]:
    """A test function over all cards of the case's kind; of a venue that is being written, those `up_to` a phase."""
    kind = Kind.VENUE if isinstance(case, VenueCase) else Kind.SINK if isinstance(case, SinkCase) else Kind.TRANSPORT

    cards = cards_of(kind) if up_to is None else cards_up_to(up_to)

    @pytest.mark.parametrize("card", cards, ids=lambda card: f"{case.spec.name}-{card.id}")
    def test_card(card: Card) -> None:
        result = run_card(card, case)
        for text in result.warnings:
            warnings.warn(f"{card.id}: {text}", ConformanceWarning, stacklevel=1)
        if result.outcome is Outcome.SKIPPED:
            pytest.skip(result.reason)
        if result.outcome is Outcome.FAILED:
            pytest.fail(result.reason, pytrace=False)

    return test_card
