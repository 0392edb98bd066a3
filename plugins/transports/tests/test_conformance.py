"""The conformance cards, on a real socket."""

from __future__ import annotations

from gw_transports.unix import SPEC

from gwcore.testing.conformance import TransportCase
from gwcore.testing.conformance.pytest_items import card_tests

# A client that is cut reads why within this time, or does not read at all.
test_unix = card_tests(TransportCase(SPEC, settings={"close_s": 0.2}))
