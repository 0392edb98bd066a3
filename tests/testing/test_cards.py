"""Every card passes for a plugin that is right, and fails, alone, for the bug it is there to find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from gw_toy import sink, transport, venue
from gw_toy.simulator import SPEC as SIMULATOR

from gwcore.plugins import PluginEntry
from gwcore.testing.conformance import (
    Kind,
    Outcome,
    Result,
    SinkCase,
    TransportCase,
    VenueCase,
    cards_of,
    run_card,
    run_cards,
    write_recording,
)
from gwcore.testing.conformance.golden import write_golden
from gwcore.testing.conformance.recorder import record
from gwcore.venue import Support

VENUE_BUGS = (
    *("P30", "P30 secret", "P50", "I10", "I20", "I30"),
    *("M10", "M20", "M30", "M40", "M50", "M60", "M70", "D10", "D20"),
)


def entry(kind: str, module: str, name: str = "toy") -> PluginEntry:
    return PluginEntry(kind, name, module, "gw-toy", "1")


def venue_case(bug: str = "", **changes: object) -> VenueCase:
    case = VenueCase(venue.make_spec(bug), simulator=SIMULATOR, entry=entry("venue", "gw_toy_pure.venue"))
    return replace(case, kept={}, **changes)


@pytest.fixture(autouse=True)
def pure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy venue as a package of its own: a venue may not share one with sinks and transports, which do I/O."""
    package = tmp_path / "packages" / "gw_toy_pure"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""A toy venue."""\n')
    (package / "venue.py").write_text(Path(venue.__file__).read_text())
    monkeypatch.syspath_prepend(package.parent)
    return package


def failed(results: list[Result]) -> dict[str, str]:
    return {each.card.id[4:]: each.reason for each in results if each.outcome is Outcome.FAILED}


def run(case: VenueCase | SinkCase | TransportCase) -> list[Result]:
    kind = Kind.VENUE if isinstance(case, VenueCase) else Kind.SINK if isinstance(case, SinkCase) else Kind.TRANSPORT
    return run_cards(cards_of(kind), case)


def ship(folder: Path, case: VenueCase) -> Path:
    write_recording(folder, record(case, "market", 3.0), origin="the toy", licence="none", recorded="2026-11-22")
    return folder


#: Of what the toy does not have: accounts and orders.
PRIVATE = {card.id[4:] for card in cards_of(Kind.VENUE) if card.id[4] in "AO"}


# --- venues -----------------------------------------------------------------------------------------------------------


def test_a_venue_that_is_right_passes(tmp_path: Path) -> None:
    case = venue_case(recordings=ship(tmp_path / "data", venue_case()))
    write_golden(case)
    results = run(venue_case(recordings=tmp_path / "data"))
    assert failed(results) == {}
    skipped = {each.card.id for each in results if each.outcome is Outcome.SKIPPED}
    assert {each[4:] for each in skipped} == PRIVATE
    assert {each.outcome for each in results} == {Outcome.PASSED, Outcome.SKIPPED}
    assert [text for each in results for text in each.warnings] == []


@pytest.mark.parametrize("bug", VENUE_BUGS)
def test_each_bug_is_found_by_its_card_alone(bug: str) -> None:
    found = failed(run(venue_case(bug)))
    assert list(found) == [bug.split(maxsplit=1)[0]], found


def test_every_card_has_a_bug() -> None:
    """P10, P20 and D30 are about what is around the code: they have tests of their own below. Those of accounts and orders
    have theirs beside the Kraken plugin: the toy has neither."""
    ids = {card.id[4:] for card in cards_of(Kind.VENUE)}
    assert ids == {bug.split()[0] for bug in VENUE_BUGS} | {"P10", "P20", "D30"} | PRIVATE


def test_another_name_in_the_entry_point() -> None:
    found = failed(run(venue_case(entry=entry("venue", "gw_toy_pure.venue", "toyota"))))
    assert list(found) == ["P10"]
    assert "'toyota'" in found["P10"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import time", "imports time"),
        ("from os import path", "imports os"),
        ("import urllib.request", "imports urllib.request"),
        ("from gwcore.engine.market.books import BookKeeper", "imports gwcore.engine"),
        ("from gwcore import runtime", "imports gwcore.runtime"),
        ("import gw_sinks.subjects", "imports gw_sinks, another plugin"),
        ("def late():\n    import random", "imports random"),
        ("from datetime import datetime\nNOW = datetime.now()", "calls datetime.now()"),
        ("TEXT = open('file').read()", "calls open()"),
    ],
)
def test_imports_that_are_not_pure(pure: Path, line: str, said: str) -> None:
    (pure / "extra.py").write_text(f'"""More."""\n{line}\n')
    found = failed(run(venue_case()))
    assert list(found) == ["P20"]
    assert f"extra.py:{3 if chr(10) in line else 2} {said}" in found["P20"]


def test_messages_that_are_not_the_reviewed_ones(tmp_path: Path) -> None:
    case = venue_case(recordings=ship(tmp_path, venue_case()))
    [golden] = write_golden(case)
    golden.write_text(golden.read_text().replace('"BUY"', '"SELL"', 1))
    found = failed(run(venue_case(recordings=tmp_path)))
    assert list(found) == ["D30"]
    assert f"{golden.name}:" in found["D30"]


def test_a_claim_without_anything_to_show_it_fails() -> None:
    results = run(replace(venue_case(), simulator=None, kept={}))
    assert set(failed(results)) == {card.id[4:] for card in cards_of(Kind.VENUE)} - {
        "P10",
        "P20",
        "P30",
        *PRIVATE,
    }
    assert all("there is no recording and no simulator" in reason for reason in failed(results).values())


def test_skips_come_from_what_is_claimed_alone() -> None:
    claims = frozenset({Support.TRADE_SUMMARY})
    case = venue_case(spec=venue.make_spec(supports=claims))
    outcomes = {each.card.id[4:]: each for each in run(case)}
    skipped = {key for key, each in outcomes.items() if each.outcome is Outcome.SKIPPED}
    assert skipped == {"I10", "I20", "I30", "M30", "M40", "M50"} | PRIVATE
    assert outcomes["M40"].reason == "needs MARKET_BY_PRICE, which the venue does not claim"
    assert failed(list(outcomes.values())) == {}
    unproven = venue_case(spec=venue.make_spec(supports=claims | {Support.MARKET_BY_PRICE}))
    card = next(card for card in cards_of(Kind.VENUE) if card.id == "VEN-M40")
    assert (
        run_card(card, unproven).reason == "needs one of BOOK_CHECKSUM, BOOK_SEQUENCE, of which the venue claims none"
    )


def test_what_is_recorded_and_not_claimed_is_noted(tmp_path: Path) -> None:
    ship(tmp_path, venue_case())
    less = venue.make_spec(supports=venue.SUPPORTS - {Support.TRADE_SUMMARY})
    card = next(card for card in cards_of(Kind.VENUE) if card.id == "VEN-P50")
    result = run_card(card, venue_case(spec=less, recordings=tmp_path))
    assert result.outcome is Outcome.PASSED
    assert result.warnings == ("TRADE_SUMMARY is seen in recording market and not claimed",)


def test_bugs_are_found_on_a_recording_alone(tmp_path: Path) -> None:
    """What needs answers of the venue can't be seen there: refusals, and a second address."""
    ship(tmp_path, venue_case())
    for bug in ("P50", "I10", "I20", "I30", "M10", "M30", "M40", "M50", "M60", "M70", "D10", "D20"):
        found = failed(run(venue_case(bug, simulator=None, recordings=tmp_path)))
        assert list(found) == [bug], found


def test_a_recording_says_where_it_is_from(tmp_path: Path) -> None:
    ship(tmp_path, venue_case())
    meta = tmp_path / "market.meta.toml"
    for text, said in (
        (meta.read_text().replace('licence = "none"', ""), "does not say licence"),
        (meta.read_text().replace('sha256 = "', 'sha256 = "00'), "the frames are not those it describes"),
    ):
        meta.write_text(text)
        card = next(card for card in cards_of(Kind.VENUE) if card.id == "VEN-D20")
        assert said in run_card(card, venue_case(recordings=tmp_path)).reason
        ship(tmp_path, venue_case())


# --- sinks and transports ---------------------------------------------------------------------------------------------


def sink_case(bug: str = "", name: str = "toy") -> SinkCase:
    spec, destination = sink.make(bug)
    return SinkCase(spec, destination, entry=entry("sink", "gw_toy.sink", name))


def transport_case(bug: str = "", name: str = "toy") -> TransportCase:
    return TransportCase(
        transport.make_spec(bug), slow_bytes_max=4 * 1024 * 1024, entry=entry("transport", "gw_toy.transport", name)
    )


def test_a_sink_and_a_transport_that_are_right_pass() -> None:
    assert failed(run(sink_case())) == {}
    assert failed(run(transport_case())) == {}


@pytest.mark.parametrize("bug", ["P30", "K10", "K20", "K20 silent"])
def test_each_bug_of_a_sink_is_found_by_its_card_alone(bug: str) -> None:
    found = failed(run(sink_case(bug)))
    assert list(found) == [bug.split()[0]], found


@pytest.mark.parametrize("bug", ["P30", "T10", "T20", "T30"])
def test_each_bug_of_a_transport_is_found_by_its_card_alone(bug: str) -> None:
    found = failed(run(transport_case(bug)))
    assert list(found) == [bug], found


@pytest.mark.parametrize("make", [sink_case, transport_case])
def test_registration_and_surface_of_sinks_and_transports(make: object, tmp_path: Path, monkeypatch) -> None:
    assert list(failed(run(make(name="other")))) == ["P10"]
    package = tmp_path / "more" / "gw_toy_reaching"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from gwcore.journal import Journal\nimport asyncio\n")
    monkeypatch.syspath_prepend(package.parent)
    found = failed(run(replace(make(), entry=entry("sink", "gw_toy_reaching"))))
    assert list(found) == ["P20"]
    assert "__init__.py:1 imports gwcore.journal, which is not on the public surface" in found["P20"]


def test_a_sink_without_a_destination_fails() -> None:
    assert set(failed(run(replace(sink_case(), destination=None)))) == {"K10", "K20"}
