"""Find plugins by entry point, load only what was selected, and refuse a bad one in one sentence.

Each load has a plugin manager of its own, so nothing is global and no plugin can disturb another. Must not import a plugin
that nobody asked for: `list_plugins` reads metadata alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, TypeVar

import pluggy

from gwcore import hookspecs
from gwcore.errors import PluginError
from gwcore.hookspecs import PROJECT
from gwcore.plugin_checks import check_spec
from gwcore.simulator import SimulatorSpec
from gwcore.sink import SinkSpec
from gwcore.suggest import did_you_mean
from gwcore.transport import TransportSpec
from gwcore.venue import VenueSpec

Spec = TypeVar("Spec", VenueSpec, TransportSpec, SinkSpec, SimulatorSpec)

#: Longest part of a plugin's own error that goes into ours.
REASON_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class PluginKind:
    """One of the four kinds: the word for it, its entry-point group, its hook, what it registers."""

    noun: str
    group: str
    hook: str
    spec: type


VENUE: Final = PluginKind("venue", "gw.venues", "gw_register_venues", VenueSpec)
TRANSPORT: Final = PluginKind("transport", "gw.transports", "gw_register_transports", TransportSpec)
SINK: Final = PluginKind("sink", "gw.sinks", "gw_register_sinks", SinkSpec)
SIMULATOR: Final = PluginKind("simulator", "gw.simulators", "gw_register_simulators", SimulatorSpec)
KINDS: Final = {kind.noun: kind for kind in (VENUE, TRANSPORT, SINK, SIMULATOR)}


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One plugin as its distribution's metadata states it; nothing of it was imported."""

    kind: str
    name: str
    module: str
    distribution: str
    version: str


def list_plugins() -> list[PluginEntry]:
    """All installed plugins, by kind and name, from metadata alone. Duplicates are listed twice."""
    return [_entry(kind, point) for kind in KINDS.values() for point in _points(kind)]


def plugin_names(kind: PluginKind) -> list[str]:
    """Names of the installed plugins of one kind."""
    return sorted({point.name for point in _points(kind)})


def load_venue(name: str) -> VenueSpec:
    """Import the venue plugin `name` and give what it registers. Raises PluginError."""
    return _load(VENUE, name, VenueSpec)


def load_transport(name: str) -> TransportSpec:
    """Import the transport plugin `name` and give what it registers. Raises PluginError."""
    return _load(TRANSPORT, name, TransportSpec)


def load_sink(name: str) -> SinkSpec:
    """Import the sink plugin `name` and give what it registers. Raises PluginError."""
    return _load(SINK, name, SinkSpec)


def load_simulator(name: str) -> SimulatorSpec:
    """Import the simulator plugin `name` and give what it registers. Raises PluginError."""
    return _load(SIMULATOR, name, SimulatorSpec)


LOADERS: Final[dict[str, Callable[[str], Any]]] = {
    "venue": load_venue,
    "transport": load_transport,
    "sink": load_sink,
    "simulator": load_simulator,
}


def _points(kind: PluginKind) -> list[EntryPoint]:
    return sorted(entry_points(group=kind.group), key=lambda point: (point.name, _distribution(point)))


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


def _entry(kind: PluginKind, point: EntryPoint) -> PluginEntry:
    version = point.dist.version if point.dist is not None else ""
    return PluginEntry(kind.noun, point.name, point.value, _distribution(point), version)


def _load(kind: PluginKind, name: str, spec_type: type[Spec]) -> Spec:
    point = _only(kind, name)
    entry = _entry(kind, point)
    what = f'{kind.noun} "{name}" ({entry.distribution} {entry.version}, {entry.module})'
    plugin = _import(point, what, name)
    spec = _select(
        [_as_spec(kind, item, what, spec_type) for item in _registered(kind, plugin, what, name)], kind, what, name
    )
    check_spec(kind.noun, spec, what, entry.distribution)
    return spec


def _only(kind: PluginKind, name: str) -> EntryPoint:
    points = [point for point in _points(kind) if point.name == name]
    if not points:
        hint = did_you_mean(name, plugin_names(kind), what="installed")
        hint = hint or f"none is installed: install a distribution with an entry point in the group {kind.group}"
        raise PluginError(f'no {kind.noun} "{name}" is installed ({hint})', plugin=name)
    if len(points) > 1:
        owners = " and ".join(_distribution(point) for point in points)
        raise PluginError(f'{kind.noun} "{name}" is registered by {owners}: uninstall all but one', plugin=name)
    return points[0]


def _import(point: EntryPoint, what: str, name: str) -> object:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # whatever a module does on import, it is one sentence and not our end
        raise PluginError(f"{what} can't be imported: {_reason(error)}; mend or uninstall it", plugin=name) from error


def _registered(kind: PluginKind, plugin: object, what: str, name: str) -> list[object]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
        found = [item for items in getattr(manager.hook, kind.hook)() for item in items]
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} can't be registered: {_reason(error)}; mend or uninstall it", plugin=name) from error
    if not found:
        raise PluginError(
            f"{what} registers no {kind.noun}: it needs a function {kind.hook} marked with @gwcore.hookimpl that returns one",
            plugin=name,
        )
    return found


def _as_spec(kind: PluginKind, item: object, what: str, spec_type: type[Spec]) -> Spec:
    if not isinstance(item, spec_type):
        raise PluginError(
            f"{what} registers a {type(item).__name__} where a {spec_type.__name__} is due", plugin=kind.noun
        )
    return item


def _select(specs: list[Spec], kind: PluginKind, what: str, name: str) -> Spec:
    matching = [spec for spec in specs if spec.name == name]
    if not matching:
        names = ", ".join(f'"{spec.name}"' for spec in specs)
        raise PluginError(f"{what} registers {names} instead: name and entry point must be the same", plugin=name)
    if len(matching) > 1:
        raise PluginError(f"{what} registers that name {len(matching)} times: once is right", plugin=name)
    return matching[0]


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= REASON_LENGTH_MAX else text[: REASON_LENGTH_MAX - 3] + "..."
