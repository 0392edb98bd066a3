"""Find the case of an installed plugin: what its author wrote beside its tests, else what can be made without it.

A case is `case_for(kind, name)` in `conformance_case.py`, in the folder `tests` beside the plugin's package or another one
that is named. It returns a case, or None for what it does not know. Recordings lie in `data` below that folder.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from gwcore.errors import ConfigError, PluginError
from gwcore.plugins import SIMULATOR, load_simulator, load_sink, load_transport, load_venue, plugin_names
from gwcore.testing.conformance.card import Kind
from gwcore.testing.conformance.sink_case import SinkCase
from gwcore.testing.conformance.sources import package_files
from gwcore.testing.conformance.transport_case import TransportCase
from gwcore.testing.conformance.venue_case import VenueCase

AnyCase: TypeAlias = VenueCase | SinkCase | TransportCase

CASE_FILE = "conformance_case.py"
DATA_FOLDER = "data"


def find_case(kind: Kind, name: str, tests: Path | None = None) -> AnyCase:
    """The case of a plugin. Raises PluginError for one that does not load, ConfigError for a case file that does not."""
    spec: Any = {Kind.VENUE: load_venue, Kind.SINK: load_sink, Kind.TRANSPORT: load_transport}[kind](name)
    folder = tests if tests is not None else _tests_beside(spec)
    written = case_in(folder, kind, name) if folder is not None else None
    if written is not None:
        return written
    if kind is Kind.SINK:
        return SinkCase(spec)
    if kind is Kind.TRANSPORT:
        return TransportCase(spec)
    simulator = load_simulator(name) if name in plugin_names(SIMULATOR) else None
    data = folder / DATA_FOLDER if folder is not None and (folder / DATA_FOLDER).is_dir() else None
    return VenueCase(spec, recordings=data, simulator=simulator)


def case_in(folder: Path, kind: Kind, name: str) -> AnyCase | None:
    """The case a folder's `conformance_case.py` has for a plugin; None where there is no such file or no such case."""
    path = folder / CASE_FILE
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location(f"conformance_case_{abs(hash(path))}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        case_for: Callable[[str, str], AnyCase | None] = module.case_for
        return case_for(kind.value, name)
    except (PluginError, ConfigError):
        raise
    except Exception as error:
        raise ConfigError(
            f"can't be used: {type(error).__name__}: {error}",
            place=str(path),
            hint="it needs a function case_for(kind, name) that returns a case or None",
        ) from error


def with_recordings(case: AnyCase, folder: Path) -> AnyCase:
    """The case of a venue with another folder of recordings. Raises ConfigError for another kind of plugin."""
    if not isinstance(case, VenueCase):
        raise ConfigError("only venues have recordings", place=case.spec.name)
    return replace(case, recordings=folder, kept={})


def _tests_beside(spec: Any) -> Path | None:
    """The folder `tests` beside the package the plugin's settings are in: there is one in a checkout."""
    for path in package_files(spec.settings.__module__).values():
        for parent in path.parents:
            if not (parent / "__init__.py").is_file():
                return parent / "tests" if (parent / "tests").is_dir() else None
    return None
