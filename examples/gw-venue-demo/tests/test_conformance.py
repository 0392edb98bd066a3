"""The conformance cards, one test each."""

from __future__ import annotations

from pathlib import Path

from gwcore.testing.conformance import Kind
from gwcore.testing.conformance.discover_case import case_in
from gwcore.testing.conformance.pytest_items import card_tests

CASE = case_in(Path(__file__).parent, Kind.VENUE, "demo")
assert CASE is not None
test_card = card_tests(CASE)
