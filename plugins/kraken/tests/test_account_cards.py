"""The cards of accounts find what they are there for: each is broken once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gw_venue_kraken import envelope
from gw_venue_kraken.accounts import fees
from gw_venue_kraken.accounts.account import KrakenAccount

from gwcore.engine.accounts.fills import FillMemory
from gwcore.testing.conformance import CARDS, Kind
from gwcore.testing.conformance.discover_case import case_in


def run(card_id: str) -> None:
    case = case_in(Path(__file__).parent, Kind.VENUE, "kraken")
    [card] = [card for card in CARDS[Kind.VENUE] if card.id == card_id]
    card(case)


def _no_token(self: KrakenAccount) -> Iterator[Any]:
    yield from ()
    return ()


@pytest.mark.parametrize(
    ("card_id", "place", "name", "broken", "words"),
    [
        ("VEN-A10", KrakenAccount, "refresh", _no_token, "renewing it asks the venue for nothing"),
        ("VEN-A20", FillMemory, "had", lambda self, fill, *, is_live: False, "told twice"),
        ("VEN-A40", fees, "_fee", lambda rows, keys: "0.26", "are told, true is"),
        ("VEN-A40", fees, "QUESTIONS_MAX", 1, "are told, true is"),
        ("VEN-A30", envelope, "_AUTHENTICATION", (), "the account goes on"),
    ],
)
def test_a_card_finds_its_fault(
    monkeypatch: pytest.MonkeyPatch, card_id: str, place: Any, name: str, broken: Any, words: str
) -> None:
    monkeypatch.setattr(place, name, broken)
    with pytest.raises(AssertionError, match=words):
        run(card_id)
