"""The cards of orders find what they are there for: each is broken once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gw_venue_kraken.orders import errors as orders_errors
from gw_venue_kraken.orders import frames as orders_frames
from gw_venue_kraken.orders import orders
from gw_venue_kraken.orders import rest as orders_rest

from gwcore.errors import Unsupported
from gwcore.model import Fate
from gwcore.testing.conformance import CARDS, Kind
from gwcore.testing.conformance.discover_case import case_in
from gwcore.venue import OrderAnswer


def _refuse(request: Any) -> None:
    raise Unsupported("none today")


def _guess(request_id: int, text: str, order: int | None = None) -> OrderAnswer:
    return OrderAnswer(request_id, Fate.NOT_DONE)


def _twice(request_id: int, make: Callable[[], Any], read: Any) -> Any:
    yield make()
    response = yield make()
    return orders_rest.answers_of(request_id, response, read)


@pytest.mark.parametrize(
    ("card_id", "place", "name", "broken", "words"),
    [
        ("VEN-O10", orders, "check_create", _refuse, "no sample order with it leaves"),
        ("VEN-O20", orders_frames, "number", float, "does not leave as it is"),
        ("VEN-O30", orders, "client_id", lambda number: f"{number % 2**32:032x}", "two numbers have one client id"),
        ("VEN-O40", orders_rest, "unsure", _guess, "is taken for NOT_DONE"),
        ("VEN-O50", orders_errors, "_ROWS", (), "has no code"),
        ("VEN-O60", orders_rest, "ask", _twice, "sent twice"),
    ],
)
def test_a_card_finds_its_fault(
    monkeypatch: pytest.MonkeyPatch, card_id: str, place: Any, name: str, broken: Any, words: str
) -> None:
    case = case_in(Path(__file__).parent, Kind.VENUE, "kraken")
    [card] = [card for card in CARDS[Kind.VENUE] if card.id == card_id]
    card(case)
    monkeypatch.setattr(place, name, broken)
    with pytest.raises(AssertionError, match=words):
        card(case)
