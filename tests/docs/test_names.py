"""The pages name nothing that is not there: no setting, option, command, metric, card, make target or script."""

from __future__ import annotations

import inspect
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import click
import msgspec
import pytest
from doc_blocks import FENCE, pages

from gwcore import hookspecs, settings
from gwcore.cli.main import cli
from gwcore.cli.options import GreedyCommand
from gwcore.config.layers import FREE_TABLES, NAMED_TABLES, TABLES
from gwcore.runtime.observability.catalogue import CATALOGUE
from gwcore.testing.conformance.catalogue import CARDS

ROOT = Path(__file__).resolve().parents[2]

#: The past names what is gone; the other one the flags of another product.
NOT_OURS = {"CHANGELOG.md", "docs/coming-from-roq.md"}
PAGES = [path for path in pages() if path.relative_to(ROOT).as_posix() not in NOT_OURS]
#: The example of the tutorial, and names that a reader puts in place of his own.
EXAMPLES = {"demo", "NAME", "SIMULATOR", "X", "name"}

by_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def spans(path: Path) -> list[str]:
    """What stands between backticks in the text of a page."""
    return re.findall(r"`([^`\n]+)`", FENCE.sub("", text_of(path)))


def code_lines(path: Path) -> Iterator[str]:
    """Lines of shell blocks, without what goes on from the line before."""
    for block in FENCE.finditer(text_of(path)):
        if block["language"] == "sh":
            yield from block["code"].replace("\\\n", " ").splitlines()


def commands_in(path: Path) -> Iterator[list[str]]:
    """Arguments of each `gw ...` on a page."""
    for line in [*code_lines(path), *(span for span in spans(path) if re.match(r"gw [a-z]", span))]:
        for part in re.split(r"\s[|&;]+\s?|\s#\s|\s\d?>\s?|&$", line.strip()):
            words = shlex.split(re.sub(r"[\[\]…]|\.\.\.", "", part))
            if words and Path(words[0]).name == "gw" and words[1:]:
                yield words[1:]


def fault_of(words: list[str]) -> str:
    """What is wrong with a command line; empty: nothing. Values are not looked at: they may be placeholders."""
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, "kraken" if words[0] in EXAMPLES else words[0])
        if found is None:
            return f"{words[0]} is no command"
        command, words = found, words[1:]
    words = command.spread(words) if isinstance(command, GreedyCommand) else list(words)
    try:
        _, left, _ = command.make_parser(click.Context(command)).parse_args(words)
    except click.NoSuchOption as error:
        return error.format_message()
    except click.UsageError:  # an option or argument without its value: how a page names it
        return ""
    return f"{left} is too much" if left and not isinstance(command, click.Group) else ""


@by_page
def test_each_command_is_there_and_takes_what_stands_behind_it(path: Path) -> None:
    faults = [f"gw {' '.join(words)}: {fault}" for words in commands_in(path) if (fault := fault_of(words))]
    assert faults == []


def every_option(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from [*parameter.opts, *parameter.secondary_opts]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from every_option(found, context)


#: Options of other programs that pages speak of: of MkDocs, and of those below bench/.
OTHERS_OPTIONS = {"--strict", "--profile"}


@by_page
def test_each_option_in_the_text_is_one_of_some_command(path: Path) -> None:
    known = set(every_option(cli, click.Context(cli))) | OTHERS_OPTIONS
    named = {found[0] for span in spans(path) if (found := re.match(r"--[a-z][\w-]*", span))}
    assert named - known == set()


def test_each_metric_is_there() -> None:
    series = {name + end for name, metric in CATALOGUE.items() if metric.kind == "histogram" for end in ENDS}
    hooks = {name for name in vars(hookspecs) if name.startswith("gw_register_")}
    packages = re.compile(r"gw_(venue|sim|sink|transport)_\w+|gw_sinks|gw_transports")
    faults = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in PAGES
        for name in sorted(set(re.findall(r"(?<![\w/.])gw_[a-z0-9_]+", text_of(path))))
        if not name.endswith("_") and name not in CATALOGUE.keys() | series | hooks and not packages.fullmatch(name)
    ]
    assert faults == []


ENDS = ("_bucket", "_sum", "_count")


@cache
def tables() -> dict[str, set[str]]:
    """table -> its keys; `venue.kraken`, `account` and the like by their first words."""
    found: dict[str, set[str]] = {}
    for value in vars(settings).values():
        if inspect.isclass(value) and issubclass(value, msgspec.Struct):
            named = re.match(r"Table `\[(\w+)", inspect.getdoc(value) or "")
            if named:
                found[named[1]] = set(value.__struct_fields__)
    for kind in NAMED_TABLES:
        for entry in entry_points(group=f"gw.{kind}s"):
            for spec in getattr(entry.load(), f"gw_register_{kind}s")():
                found[f"{kind}.{spec.name}"] = set(spec.settings.__struct_fields__)
    return found


def setting_fault(dotted: str, key: str) -> str:
    """What is wrong with `[dotted] key`; empty: nothing."""
    first, _, rest = dotted.partition(".")
    if first in {"tool", "project"}:  # of pyproject.toml
        return ""
    if first not in TABLES:
        return f"[{dotted}] is no table"
    name, _, below = rest.partition(".")
    if first in NAMED_TABLES:
        if not name or name in EXAMPLES:
            return ""
        keys = tables().get(f"{first}.{name}")
        if keys is None:
            return f"[{dotted}]: no such {first}"
    else:
        keys = tables()[first]
        if first in FREE_TABLES and below == "options":
            return ""
    if first not in FREE_TABLES and first not in NAMED_TABLES and rest:
        return f"[{dotted}] is no table"
    return f"[{dotted}] has no {key}" if key and key not in keys else ""


def settings_in(path: Path) -> Iterator[tuple[str, str]]:
    """(table, key) of `[table] key`, `[table]`, `table.key` and GW_TABLE__KEY."""
    for span in spans(path):
        if found := re.match(r"\[([a-z]+(?:\.[\w-]+)*)\](?: ([a-z_]+)\b)?", span):
            yield found[1], found[2] or ""
        elif (found := re.fullmatch(r"([a-z]+)\.([a-z_]+)(?: = .*)?", span)) and found[1] in tables():
            yield found[1], found[2]
        elif (found := re.fullmatch(r"(venue|transport|sink)\.(\w+)\.([a-z_]+)", span)) is not None:
            yield f"{found[1]}.{found[2]}", found[3]
    for name in re.findall(r"\bGW_([A-Z]+(?:__[A-Z_]+?)+)(?![A-Z_])", text_of(path)):
        *table, key = name.lower().split("__")
        if table[0] != "table":  # the form itself: GW_TABLE__KEY
            yield ".".join(table), key


@by_page
def test_each_setting_is_there(path: Path) -> None:
    assert [fault for table, key in settings_in(path) if (fault := setting_fault(table, key))] == []


def test_the_settings_looked_at_are_many() -> None:
    """So that the test above does not look past them all."""
    assert sum(len(list(settings_in(path))) for path in PAGES) > 60
    assert sum(len(list(commands_in(path))) for path in PAGES) > 120


def test_each_card_is_there_and_each_is_on_the_page() -> None:
    known = {card.id for cards in CARDS.values() for card in cards}
    named = {name for path in PAGES for name in re.findall(r"\b(?:VEN|SNK|TRN)-[A-Z]\d+\b", text_of(path))}
    assert named - known == set()
    assert {card for card in known if f"| `{card}` |" not in text_of(ROOT / "docs/cards.md")} == set()


@by_page
def test_each_make_target_script_and_variable_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    said = " \n".join([*code_lines(path), *spans(path)])
    assert set(re.findall(r"\bmake ([a-z]+)\b", said)) - targets == set()
    scripts = {name.rstrip(".") for name in re.findall(r"(?<![\w/])scripts/[\w./-]+", said)}
    assert {name for name in scripts if not (ROOT / name).exists()} == set()
    known = source_variables()
    assert {name for name in re.findall(r"\bGW_[A-Z]+\b(?!__)", said) if name not in known} == set()


@cache
def source_variables() -> frozenset[str]:
    """Variables of the environment that some Python file of ours reads or sets."""
    found: set[str] = set()
    for folder in ("gwcore", "plugins", "tests"):
        for where, folders, names in os.walk(ROOT / folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                if name.endswith(".py"):
                    found.update(re.findall(r"\bGW_[A-Z]+\b", text_of(Path(where, name))))
    return frozenset(found)
