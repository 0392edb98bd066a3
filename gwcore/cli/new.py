"""`gw new venue NAME`: write a venue plugin that can be installed and passes the first cards."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

from gwcore.errors import ConfigError
from gwcore.plugin_checks import NAME_PATTERN, is_name
from gwcore.plugins import VENUE, plugin_names
from gwcore.testing.conformance.phases import PHASES

#: Template -> where it goes below the new folder; `@package@` and `@name@` are filled in, in both.
FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "init.py.txt": "@package@/__init__.py",
    "plugin.py.txt": "@package@/plugin.py",
    "settings.py.txt": "@package@/settings.py",
    "symbols.py.txt": "@package@/symbols.py",
    "streams.py.txt": "@package@/streams.py",
    "market_data.py.txt": "@package@/market_data.py",
    "account.py.txt": "@package@/account.py",
    "conformance_case.py.txt": "tests/conformance_case.py",
    "test_conformance.py.txt": "tests/test_conformance.py",
}


@click.group(name="new")
def command() -> None:
    """Write a new plugin to start from."""


@command.command(name="venue")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to; must not exist. Else gw-venue-NAME in the current folder.",
)
def venue(name: str, folder: Path | None) -> int:
    """Write the plugin of a venue NAME: it can be installed, passes the first cards, and says which are next."""
    if not is_name(name) or name.endswith(("-", "_")):
        raise ConfigError(f"{name!r} can't be the name of a venue", hint=f"it has to match {NAME_PATTERN}")
    if name in plugin_names(VENUE):
        raise ConfigError(f'a venue "{name}" is installed already', hint="choose another name, or uninstall that one")
    target = folder if folder is not None else Path(f"gw-venue-{name}")
    if target.exists():
        raise ConfigError(f"{target} exists", hint="choose another place with --folder")
    try:
        for place, text in plugin_files(name).items():
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        (target / "tests" / "data").mkdir()
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror}", hint="choose another place") from error
    click.echo(str(target))
    first, *later = PHASES
    cards = " ".join(f"--card {card}" for card in first.cards)
    click.echo(f"next: pip install -e {target}; gw conform {name} {cards}  (green from the start)", err=True)
    for phase in later:
        click.echo(f"then: {phase.name}: {', '.join(phase.cards)} ({phase.what})", err=True)
    return 0


def plugin_files(name: str) -> dict[str, str]:
    """Place below the plugin's folder -> text."""
    _, *later = PHASES
    words = {
        "@name@": name,
        "@package@": f"gw_venue_{name.replace('-', '_')}",
        "@phases@": ", ".join(phase.name for phase in later),
        "@steps@": "\n".join(f"- **{phase.name}** ({phase.what}): {', '.join(phase.cards)}" for phase in later),
    }
    templates = files("gwcore.cli") / "new_venue"
    found = {place: (templates / template).read_text(encoding="utf-8") for template, place in FILES.items()}
    return {_filled(place, words): _filled(text, words) for place, text in found.items()}


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
