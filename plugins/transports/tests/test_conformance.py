"""The conformance cards: the Unix transport on a real socket, NATS on a real server."""

from __future__ import annotations

from pathlib import Path

from gwcore.testing.conformance import Kind
from gwcore.testing.conformance.discover_case import case_in
from gwcore.testing.conformance.pytest_items import card_tests

UNIX = case_in(Path(__file__).parent, Kind.TRANSPORT, "unix")
NATS = case_in(Path(__file__).parent, Kind.TRANSPORT, "nats")
assert UNIX is not None
assert NATS is not None
test_unix = card_tests(UNIX)
test_nats = card_tests(NATS)
