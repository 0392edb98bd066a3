"""`gw conform NAME`: check an installed plugin by the cards of the conformance kit, without pytest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import msgspec

from gwcore.errors import ConfigError, PluginError
from gwcore.plugins import KINDS, plugin_names
from gwcore.redaction import redact
from gwcore.suggest import did_you_mean
from gwcore.testing.conformance.card import Card, Kind, Outcome, Result, run_card
from gwcore.testing.conformance.catalogue import cards_of
from gwcore.testing.conformance.discover_case import AnyCase, find_case, with_recordings
from gwcore.testing.conformance.golden import write_golden
from gwcore.testing.conformance.recording import RecordingFault
from gwcore.testing.conformance.venue_case import VenueCase

_MARKS = {Outcome.PASSED: "ok", Outcome.FAILED: "FAILED", Outcome.SKIPPED: "skipped"}
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(name="conform")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in Kind]),
    help="What kind of plugin NAME is; needed where several have that name.",
)
@click.option("--card", "ids", multiple=True, metavar="ID", help="Only this card (VEN-M40, or M40).")
@click.option("--tests", type=_FOLDER, help="Folder of the plugin's tests; else the one beside its package.")
@click.option("--recordings", type=_FOLDER, help="Folder of a venue's recordings; else data/ in that of its tests.")
@click.option(
    "--write-golden", is_flag=True, help="Write what the recordings decode to, for you to read. Checks nothing."
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to print.")
def command(
    name: str,
    kind: str | None,
    ids: tuple[str, ...],
    tests: Path | None,
    recordings: Path | None,
    write_golden: bool,
    output: str,
) -> int:
    """Check the plugin NAME by the cards of its kind.

    Exit code 1 where a card failed. A venue is shown by its recordings and by the simulator of the same name; a sink needs
    a case beside its tests (see docs/cards.md).
    """
    chosen = Kind(kind) if kind is not None else _only_kind(name)
    case = find_case(chosen, name, tests)
    if recordings is not None:
        case = with_recordings(case, recordings)
    if write_golden:
        return _write_golden(case)
    results = []
    for card in _selected(chosen, ids):
        result = run_card(card, case)
        results.append(result)
        _show(result, name, output)
    if output == "text":
        counts = Counter(result.outcome for result in results)
        said = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
        click.echo(f"{chosen.value} {name}: {said}", err=True)
    return 1 if any(result.outcome is Outcome.FAILED for result in results) else 0


def _only_kind(name: str) -> Kind:
    found = [kind for kind in Kind if name in plugin_names(KINDS[kind.value])]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = " and a ".join(kind.value for kind in found)
        raise click.UsageError(f"{name} is a {kinds}: say which with --kind")
    names = sorted({each for kind in Kind for each in plugin_names(KINDS[kind.value])})
    hint = did_you_mean(name, names, what="installed")
    raise PluginError(f'no venue, sink or transport "{name}" is installed ({hint})', plugin=name)


def _selected(kind: Kind, ids: tuple[str, ...]) -> list[Card]:
    cards = {card.id: card for card in cards_of(kind)}
    if not ids:
        return list(cards.values())
    prefix = next(iter(cards)).partition("-")[0]
    chosen = []
    for text in ids:
        card = cards.get(text.upper()) or cards.get(f"{prefix}-{text.upper()}")
        if card is None:
            raise click.UsageError(f"no card {text} for a {kind.value}; there are: {', '.join(cards)}")
        chosen.append(card)
    return chosen


def _show(result: Result, name: str, output: str) -> None:
    card = result.card
    if output == "json":
        row = {
            "plugin": name,
            "kind": card.kind.value,
            "card": card.id,
            "law": card.law,
            "outcome": result.outcome.value,
            "reason": redact(result.reason),
            "warnings": [redact(text) for text in result.warnings],
        }
        click.echo(msgspec.json.encode(row).decode())
        return
    click.echo(f"{_MARKS[result.outcome]:8} {card.id}  {card.law}")
    if result.reason:
        click.echo(f"         {redact(result.reason)}")
    for text in result.warnings:
        click.echo(f"         warning: {redact(text)}")


def _write_golden(case: AnyCase) -> int:
    if not isinstance(case, VenueCase):
        raise ConfigError("only venues have golden files", place=case.spec.name)
    try:
        files = write_golden(case)
    except RecordingFault as error:
        raise ConfigError(str(error)) from error
    if not files:
        raise ConfigError("it has no recordings in a folder", place=case.spec.name, hint="name one with --recordings")
    for path in files:
        click.echo(str(path))
    return 0
