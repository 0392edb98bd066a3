"""One table of the configuration becomes one settings struct: defaults, then presets, then what was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from gwcore.config.faults import FaultList
from gwcore.config.forms import FormError, expected_form, read_value
from gwcore.config.layers import Setting
from gwcore.config.toml_lines import KeyPath
from gwcore.suggest import did_you_mean

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class FilledTable(Generic[S]):
    """Settings of one table. Keys in `bad` had a fault and hold their default; `origins`: key -> where from."""

    settings: S
    bad: frozenset[str]
    origins: Mapping[str, str]


def fill_table(kind: type[S], table: KeyPath, given: Mapping[KeyPath, Setting], faults: FaultList) -> FilledTable[S]:
    """Make `kind` from the settings given for `table`. Faults are noted; their keys stay at the default."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    bad: set[str] = set()
    for path, setting in given.items():
        if len(path) != len(table) + 1 or path[:-1] != table:
            continue
        key, name = path[-1], ".".join(path)
        if key not in fields:
            faults.add(f"no setting {name}", place=setting.origin, hint=did_you_mean(key, fields, what="settings"))
            continue
        try:
            values[key] = read_value(setting.value, fields[key].type, is_text=setting.is_text)
            origins[key] = setting.origin
        except FormError as error:
            bad.add(key)
            faults.add(f"{name}: {error}", place=setting.origin, hint=error.hint)
    try:
        return FilledTable(kind(**values), frozenset(bad), origins)
    except (TypeError, ValueError) as error:  # a check of the plugin's own, in __post_init__
        named = [origin for key, origin in origins.items() if key in str(error)] or [*origins.values(), "default"]
        faults.add(f"[{'.'.join(table)}]: {error}", place=named[0])
        return FilledTable(kind(), frozenset(fields), origins)


def expected_forms(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Setting -> what it wants, in words: for generated documentation."""
    return {field.name: expected_form(field.type) for field in msgspec.structs.fields(kind)}
