"""Cards P: how a plugin is registered, what it imports, how its settings are written. The same for every kind."""

from __future__ import annotations

import msgspec

from gwcore.config.forms import is_secret_type
from gwcore.errors import PluginError
from gwcore.plugins import KINDS, LOADERS, PluginEntry, list_plugins
from gwcore.testing.conformance import sources
from gwcore.testing.conformance.card import Card, Kind, require
from gwcore.testing.conformance.sink_case import SinkCase
from gwcore.testing.conformance.transport_case import TransportCase
from gwcore.testing.conformance.venue_case import VenueCase

Case = VenueCase | SinkCase | TransportCase

#: Words that make a setting's name sound like a secret.
SECRET_WORDS = frozenset({"apikey", "credential", "credentials", "nkey", "passphrase", "password", "secret", "token"})
#: Last words that say that it is about a secret, not the secret: a path, a lifetime, a count.
NOT_SECRET_WORDS = frozenset({"file", "path", "dir", "url", "s", "ms", "ns", "max", "min", "count", "name"})
PLACES_MAX = 5


def kind_of(case: Case) -> Kind:
    """The kind of plugin a case is about."""
    return Kind("venue" if isinstance(case, VenueCase) else "sink" if isinstance(case, SinkCase) else "transport")


def entry_of(case: Case) -> PluginEntry:
    """How the plugin is registered. Fails the card where it is not, or more than once."""
    if case.entry is not None:
        return case.entry
    kind, name = kind_of(case).value, case.spec.name
    found = [entry for entry in list_plugins() if (entry.kind, entry.name) == (kind, name)]
    group = KINDS[kind].group
    require(found, f"no installed distribution has an entry point {name!r} in the group {group}")
    require(len(found) == 1, f"{', '.join(each.distribution for each in found)} each have an entry point {name!r}")
    return found[0]


def check_entry_point(case: Case) -> None:
    """The entry point's name is the spec's, and loading it gives this spec."""
    entry = entry_of(case)
    name = case.spec.name
    require(entry.name == name, f"the entry point {entry.name!r} ({entry.module}) registers the name {name!r}")
    if case.entry is not None:
        return
    try:
        loaded = LOADERS[entry.kind](name)
    except PluginError as error:
        raise AssertionError(str(error)) from error
    # Not the whole spec: a hook may make it anew, with other functions in it, each time it is called.
    same = (loaded.settings, loaded.api_version) == (case.spec.settings, case.spec.api_version)
    require(same, f"{entry.module} registers another spec under {name!r} than the one that is checked")


def check_pure(case: VenueCase) -> None:
    """A venue imports the public surface of gwcore and nothing that does I/O, reads a clock or takes chance."""
    _check_imports(case, is_pure=True)


def check_surface(case: SinkCase | TransportCase) -> None:
    """A sink or transport does I/O, but of gwcore it imports the public surface alone."""
    _check_imports(case, is_pure=False)


def _check_imports(case: Case, *, is_pure: bool) -> None:
    entry = entry_of(case)
    own = entry.module.partition(".")[0]
    others = {each.module.partition(".")[0] for each in list_plugins()} - {own}
    places = []
    for module, path in sources.package_files(entry.module).items():
        tree = sources.parse(path)
        seen: set[tuple[int, str]] = set()
        for line, name in sources.imported(tree, module, is_package=path.name == "__init__.py"):
            fault = _import_fault(name, others, is_pure=is_pure)
            if fault and (line, fault) not in seen:
                seen.add((line, fault))
                places.append(f"{path.name}:{line} {fault}")
        if is_pure:
            places += [
                f"{path.name}:{line} calls {name}()"
                for line, name in sources.called(tree)
                if name in sources.IMPURE_CALLS
            ]
    require(not places, "; ".join(places[:PLACES_MAX]))


def _import_fault(name: str, others: set[str], *, is_pure: bool) -> str:
    top = name.partition(".")[0]
    if top == "gwcore" and not sources.is_public(name):
        return f"imports {'.'.join(name.split('.')[:2])}, which is not on the public surface"
    if top in others:
        return f"imports {top}, another plugin"
    if is_pure and sources.is_impure(name):
        return f"imports {'.'.join(name.split('.')[:2]) if '.' in name and top not in sources.IMPURE else top}"
    return ""


def check_settings(case: Case) -> None:
    """Each setting has a default and a comment, and what sounds like a secret is a reference to one."""
    settings = case.spec.settings
    if not issubclass(settings, msgspec.Struct):
        raise AssertionError(f"{settings!r} is no msgspec Struct type")
    fields = {field.name: field for field in msgspec.structs.fields(settings)}
    where = f"{settings.__module__}.{settings.__qualname__}"
    bare = [name for name, field in fields.items() if field.required]
    require(not bare, f"{where}: no default for {', '.join(bare)}")
    try:
        comments = sources.comments_of_fields(settings) if fields else {}
    except OSError as error:
        raise AssertionError(f"{where}: its source can't be read: {error}") from error
    silent = [name for name in fields if not comments.get(name)]
    require(not silent, f"{where}: no comment says what these are: {', '.join(silent)}")
    plain = [name for name, field in fields.items() if _sounds_secret(name) and not is_secret_type(field.type)]
    require(not plain, f"{where}: {', '.join(plain)} would hold a secret: make it a gwcore.settings.SecretRef")
    config = settings.__struct_config__
    require(config.forbid_unknown_fields, f"{where}: takes unknown keys; set forbid_unknown_fields=True")


def _sounds_secret(name: str) -> bool:
    words = name.split("_")
    if words[-1] in NOT_SECRET_WORDS:
        return False
    return not SECRET_WORDS.isdisjoint(words) or words[-2:] in (["api", "key"], ["private", "key"])


_NAME = "the entry point's name is the name in the spec"
_SETTINGS = "each setting has a default and a comment; secrets are typed as references"
VENUE_CARDS = (
    Card(id="VEN-P10", law=_NAME, check=check_entry_point),
    Card(
        id="VEN-P20",
        law="the plugin imports only the public surface, and no I/O, clock or random module",
        check=check_pure,
    ),
    Card(id="VEN-P30", law=_SETTINGS, check=check_settings),
)
SINK_CARDS = (
    Card(id="SNK-P10", law=_NAME, check=check_entry_point),
    Card(id="SNK-P20", law="of gwcore the plugin imports only the public surface", check=check_surface),
    Card(id="SNK-P30", law=_SETTINGS, check=check_settings),
)
TRANSPORT_CARDS = (
    Card(id="TRN-P10", law=_NAME, check=check_entry_point),
    Card(id="TRN-P20", law="of gwcore the plugin imports only the public surface", check=check_surface),
    Card(id="TRN-P30", law=_SETTINGS, check=check_settings),
)
