"""Where settings come from: files, environment variables, flags. Each source becomes settings with the place they came from.

Grammar of environment variables, two underscores between the parts and the parts in capitals:

    GW_GATEWAY__BOOK_DEPTH=25            key book_depth of [gateway]; likewise HEALING, JOURNAL, CLIENTS, CAPTURE, RUNTIME
    GW_VENUE__KRAKEN__REST_URL=https...  key rest_url of [venue.kraken]; likewise TRANSPORT, SINK, ACCOUNT and USER

A `-` in a plugin's name is written `_`. Texts and secret references stand as they are, numbers and true/false as in TOML,
lists with commas between. Variables without two underscores (GW_DEBUG) are no settings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gwcore.config.faults import FaultList
from gwcore.config.toml_lines import KeyPath, key_lines
from gwcore.suggest import did_you_mean

#: Tables with keys in them, tables that hold one table a plugin, and tables that hold one table a name of the operator's.
FLAT_TABLES = ("gateway", "healing", "detection", "journal", "clients", "capture", "runtime", "paper")
NAMED_TABLES = ("venue", "transport", "sink")
FREE_TABLES = ("account", "user")
TABLES = FLAT_TABLES + NAMED_TABLES + FREE_TABLES
#: The table within one of an account that holds the venue's own settings for it.
OPTIONS = "options"

#: Largest configuration file read.
FILE_BYTES_MAX = 1024 * 1024
ENVIRONMENT_PREFIX = "GW_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value as it was given. `origin` is `FILE:LINE`, a variable or a flag; `is_text`: still to be read as its type."""

    value: Any
    origin: str
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class FlagValue:
    """One flag that was given: the key it stands for (`("venue", "*", "rest_url")`: of the chosen venue) and its value."""

    option: str
    path: KeyPath
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All that a configuration is made from; later ones win, key by key: files in order, environment, flags."""

    files: tuple[Path, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[FlagValue, ...] = ()


def read_file(path: Path, faults: FaultList) -> dict[KeyPath, Setting]:
    """Settings of one TOML file, by path."""
    text = _text(path, faults)
    if text is None:
        return {}
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        faults.add(f"this is not TOML: {error}", place=str(path))
        return {}
    lines = key_lines(text)
    settings: dict[KeyPath, Setting] = {}
    for name, content in tables.items():
        place = f"{path}:{lines.get((name,), 1)}"
        if name not in TABLES:
            _unknown_table(name, content, place, faults)
        elif not isinstance(content, dict):
            faults.add(f"{name} is a table", place=place, hint=f"write [{name}] on a line of its own")
        else:
            settings.update(_table((name,), content, path, lines, faults))
    return settings


def read_environment(
    environ: Mapping[str, str], names: Mapping[str, list[str]], faults: FaultList
) -> dict[KeyPath, Setting]:
    """Settings of the environment, by path. `names`: the installed plugins of each of NAMED_TABLES."""
    settings: dict[KeyPath, Setting] = {}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or "__" not in variable:
            continue
        path = tuple(variable[len(ENVIRONMENT_PREFIX) :].lower().split("__"))
        table = path[0]
        if table not in TABLES:
            faults.add(f'no table "{table}"', place=variable, hint=did_you_mean(table, TABLES, what="tables"))
            continue
        form = "GW_<TABLE>__<KEY>" if table in FLAT_TABLES else f"GW_{table.upper()}__<NAME>__<KEY>"
        if len(path) != form.count("__") + 1 or not all(path):
            faults.add("not the name of a setting", place=variable, hint=f"the form is {form}")
            continue
        if table not in FLAT_TABLES:
            real = next((name for name in names.get(table, ()) if name.replace("-", "_") == path[1]), path[1])
            path = (table, real, path[2])
        settings[path] = Setting(value, variable, is_text=True)
    return settings


def _text(path: Path, faults: FaultList) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        faults.add(f"the file can't be read: {(error.strerror or str(error)).lower()}", place=str(path))
        return None
    if len(data) > FILE_BYTES_MAX:
        faults.add(f"the file has more than {FILE_BYTES_MAX} bytes", place=str(path))
        return None
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add("the file is not UTF-8 text", place=f"{path}:{line}")
        return None


def _unknown_table(name: str, content: object, place: str, faults: FaultList) -> None:
    if isinstance(content, dict):
        faults.add(f"no table [{name}]", place=place, hint=did_you_mean(name, TABLES, what="tables"))
    else:
        faults.add(f"the key {name} stands in no table", place=place, hint="put it below a line such as [gateway]")


def _table(
    table: KeyPath, content: dict[str, Any], path: Path, lines: dict[KeyPath, int], faults: FaultList
) -> dict[KeyPath, Setting]:
    settings: dict[KeyPath, Setting] = {}
    named = table[0] not in FLAT_TABLES and len(table) == 1
    for key, value in content.items():
        place = f"{path}:{lines.get((*table, key), lines.get(table, 1))}"
        if not named:
            settings[(*table, key)] = Setting(value, place)
            if table[0] == "account" and key == OPTIONS and isinstance(value, dict):
                settings.update(_table((*table, key), value, path, lines, faults))
        elif isinstance(value, dict):
            # The table itself is noted too: an empty [sink.flie] is a typing error like any other.
            settings[(*table, key)] = Setting(None, place)
            settings.update(_table((*table, key), value, path, lines, faults))
        else:
            faults.add(
                f"{table[0]}.{key} is a key without a {table[0]}", place=place, hint=f"put it below [{table[0]}.<name>]"
            )
    return settings
