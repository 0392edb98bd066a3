"""The conformance cards, one test each."""

from __future__ import annotations

from conformance_case import case_for

from gwcore.testing.conformance.pytest_items import card_tests

CASE = case_for("venue", "demo")
assert CASE is not None
test_card = card_tests(CASE)
