"""The conformance cards: the file sink on a disk that fails, the JetStream sink with its own server, which is killed."""

from __future__ import annotations

from pathlib import Path

from gwcore.testing.conformance import Kind
from gwcore.testing.conformance.discover_case import case_in
from gwcore.testing.conformance.pytest_items import card_tests

FILE = case_in(Path(__file__).parent, Kind.SINK, "file")
JETSTREAM = case_in(Path(__file__).parent, Kind.SINK, "jetstream")
assert FILE is not None
assert JETSTREAM is not None
test_file = card_tests(FILE)
test_jetstream = card_tests(JETSTREAM)
