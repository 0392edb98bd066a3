"""Reads all sources, loads the chosen plugins, fills and checks every table, and reports all faults together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gwcore import plugins
from gwcore.config import checks
from gwcore.config.entries import Entries
from gwcore.config.faults import FaultList
from gwcore.config.layers import NAMED_TABLES, Setting, Sources, read_environment, read_file
from gwcore.config.tables import FilledTable, fill_table
from gwcore.config.toml_lines import KeyPath
from gwcore.errors import PluginError
from gwcore.plugin_checks import is_name
from gwcore.settings import (
    CaptureSettings,
    ClientSettings,
    DetectionSettings,
    GatewayConfig,
    GatewaySettings,
    HealingSettings,
    JournalSettings,
    PaperSettings,
    RuntimeSettings,
    SelectedSink,
    SelectedTransport,
    SelectedVenue,
)
from gwcore.suggest import did_you_mean
from gwcore.venue import VenueSpec

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration without a fault, and where each value came from (`gateway.name` -> origin; absent: default)."""

    config: GatewayConfig
    origins: Mapping[str, str]


def load_config(sources: Sources) -> LoadedConfig:
    """The configuration of a gateway. Imports the chosen plugins only.

    Raises ConfigError (ConfigFaults for several faults) or PluginError, with place and cure.
    """
    reader = _Reader(sources)
    loaded = reader.read()
    reader.faults.raise_any()
    if loaded is None:
        raise AssertionError("a configuration without a venue has a fault")
    return loaded


def lint_config(sources: Sources) -> None:
    """Check a configuration, without connecting, and with the tables of plugins that it does not choose.

    It need not choose a venue: a file may be only a part. Raises as `load_config`.
    """
    reader = _Reader(sources, whole=False)
    reader.read()
    reader.lint_others()
    reader.faults.raise_any()


class _Reader:
    def __init__(self, sources: Sources, *, whole: bool = True) -> None:
        self.faults = FaultList()
        self._sources = sources
        self._whole = whole
        self._names = {kind: plugins.plugin_names(plugins.KINDS[kind]) for kind in NAMED_TABLES}
        self._given: dict[KeyPath, Setting] = {}
        self._origins: dict[str, str] = {}
        self._chosen: set[tuple[str, ...]] = set()

    def read(self) -> LoadedConfig | None:
        """All tables of what is chosen. None where no venue could be loaded; then there is a fault, or only a part."""
        self._merge()
        gateway = self._fill(GatewaySettings, ("gateway",))
        checks.check_gateway(gateway, self.faults)
        self._point_flags(gateway.settings.venue)
        venue = self._venue(gateway)
        transports = [
            SelectedTransport(spec=spec, settings=settings)
            for spec, settings in self._components("transport", gateway, plugins.load_transport)
        ]
        sinks = [
            SelectedSink(spec=spec, settings=settings)
            for spec, settings in self._components("sink", gateway, plugins.load_sink)
        ]
        healing = self._fill(HealingSettings, ("healing",))
        checks.check_healing(healing, self.faults)
        detection = self._fill(DetectionSettings, ("detection",))
        journal = self._fill(JournalSettings, ("journal",))
        checks.check_journal(journal, self.faults)
        clients = self._fill(ClientSettings, ("clients",))
        capture = self._fill(CaptureSettings, ("capture",))
        runtime = self._fill(RuntimeSettings, ("runtime",))
        checks.check_runtime(runtime, self.faults)
        paper = self._fill(PaperSettings, ("paper",)).settings
        entries = Entries(self._given, self._fill, self.faults)
        accounts = entries.accounts(venue.spec if venue is not None else None, on_paper=paper.enabled)
        users = entries.users()
        self._refuse_strangers()
        if venue is None:
            return None
        channels = gateway.settings.channels if len(self.faults) else checks.default_channels(gateway, venue)
        config = GatewayConfig(
            gateway=msgspec.structs.replace(self._resolved(gateway.settings), channels=channels),
            venue=venue,
            transports=tuple(transports),
            sinks=tuple(sinks),
            healing=healing.settings,
            journal=journal.settings,
            clients=clients.settings,
            capture=capture.settings,
            runtime=runtime.settings,
            detection=detection.settings,
            accounts=accounts,
            paper=paper,
            users=users,
        )
        return LoadedConfig(config, dict(self._origins))

    def lint_others(self) -> None:
        """Check the tables of installed plugins that are not chosen; this imports them."""
        for table in sorted({path[:2] for path in self._given if path[0] in NAMED_TABLES} - self._chosen):
            if table[1] in self._names[table[0]]:
                setting = self._given.get(table)
                spec = self._choose(table[0], table[1], setting.origin if setting else "")
                if spec is not None:
                    self._fill(spec.settings, table)

    def _merge(self) -> None:
        for file in self._sources.files:
            self._given.update(read_file(file, self.faults))
        self._given.update(read_environment(self._sources.environ, self._names, self.faults))
        for flag in self._sources.flags:
            if "*" not in flag.path:
                self._given[flag.path] = Setting(flag.value, flag.option)

    def _point_flags(self, venue: str) -> None:
        for flag in self._sources.flags:
            if "*" in flag.path and venue:
                path = tuple(venue if part == "*" else part for part in flag.path)
                self._given[path] = Setting(flag.value, flag.option)

    def _fill(self, kind: type[S], table: KeyPath, presets: Mapping[KeyPath, Setting] | None = None) -> FilledTable[S]:
        filled = fill_table(kind, table, {**(presets or {}), **self._given}, self.faults)
        for key, origin in filled.origins.items():
            self._origins[".".join((*table, key))] = origin
        return filled

    def _venue(self, gateway: FilledTable[GatewaySettings]) -> SelectedVenue | None:
        name = gateway.settings.venue
        if not name:
            if self._whole and "venue" not in gateway.bad:
                hint = "--venue NAME, or venue in [gateway]; " + did_you_mean(
                    "", self._names["venue"], what="installed"
                )
                self.faults.add("no venue is chosen", place="gateway.venue", hint=hint.rstrip("; "))
            return None
        table = ("venue", name)
        self._chosen.add(table)
        spec = self._choose("venue", name, gateway.origins.get("venue", ""))
        if spec is None:
            return None
        before = len(self.faults)
        filled = self._fill(spec.settings, table, self._presets(spec, gateway))
        if len(self.faults) == before:
            checks.check_against_venue(gateway, spec, filled.settings, self.faults)
        return SelectedVenue(spec=spec, settings=filled.settings)

    def _choose(self, kind: str, name: str, origin: str) -> Any:
        try:
            return plugins.LOADERS[kind](name)
        except PluginError as error:
            self.faults.add_error(error, place=origin)
            return None

    def _presets(self, spec: VenueSpec, gateway: FilledTable[GatewaySettings]) -> dict[KeyPath, Setting]:
        env = gateway.settings.env
        if env not in spec.environments:
            if "env" not in gateway.bad:
                self.faults.add(
                    f'gateway.env: venue {spec.name} has no environment "{env:.60}"',
                    place=gateway.origins.get("env", "default"),
                    hint=did_you_mean(env, spec.environments, what="environments"),
                )
            return {}
        origin = f'environment "{env}"'
        return {("venue", spec.name, key): Setting(value, origin) for key, value in spec.environments[env].items()}

    def _components(self, kind: str, gateway: FilledTable[GatewaySettings], load: Any) -> list[tuple[Any, Any]]:
        found = []
        names = getattr(gateway.settings, f"{kind}s")
        for name in dict.fromkeys(names):
            self._chosen.add((kind, name))
            spec = self._choose(kind, name, gateway.origins.get(f"{kind}s", ""))
            if spec is not None:
                found.append((spec, self._fill(spec.settings, (kind, name)).settings))
        return found

    def _refuse_strangers(self) -> None:
        told: set[KeyPath] = set()
        flags = self._refuse_flags()
        for path, setting in self._given.items():
            table = path[:2]
            if path[0] not in NAMED_TABLES or table in self._chosen or table in told:
                continue
            kind, name = table
            if setting.origin not in flags and name not in self._names[kind]:
                told.add(table)
                self.faults.add(
                    f'no {kind} "{name}" is installed',
                    place=setting.origin,
                    hint=did_you_mean(name, self._names[kind], what="installed"),
                )

    def _refuse_flags(self) -> set[str]:
        """Faults for flags that stand only for what is not chosen. Returns all flags that were given."""
        tables: dict[str, list[KeyPath]] = {}
        for flag in self._sources.flags:
            if flag.path[0] in NAMED_TABLES and "*" not in flag.path:
                tables.setdefault(flag.option, []).append(flag.path[:2])
        for option, wanted in tables.items():
            if not self._chosen.intersection(wanted):
                what = " nor ".join(" ".join(table) for table in wanted)
                self.faults.add(
                    f"neither {what} is chosen" if len(wanted) > 1 else f"{what} is not chosen",
                    place=option,
                    hint="add " + " or ".join(f"--{kind} {name}" for kind, name in wanted),
                )
        return {flag.option for flag in self._sources.flags}

    def _resolved(self, settings: GatewaySettings) -> GatewaySettings:
        environ = self._sources.environ
        name = settings.name or settings.venue
        home, base = environ.get("HOME", "~"), environ.get("XDG_STATE_HOME", "")
        # The directory standard says that a relative path there is to be ignored.
        default = (Path(base) if base.startswith("/") else Path(home) / ".local" / "state") / "gw"

        def folder(given: str, otherwise: str) -> str:
            path = (
                Path(given.replace("~", home, 1) if given.startswith("~/") else given) if given else default / otherwise
            )
            return str(path.expanduser().absolute())

        if not is_name(name):
            return settings
        return msgspec.structs.replace(
            settings, name=name, state_dir=folder(settings.state_dir, name), keys_dir=folder(settings.keys_dir, "keys")
        )
