"""What a registered spec must be like, so that a plugin's mistake is told at the door and not felt later. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gwcore.errors import PluginError
from gwcore.hookspecs import API_VERSION
from gwcore.suggest import did_you_mean

#: Names of plugins, gateways and accounts: they become parts of paths and subjects.
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
_name = re.compile(NAME_PATTERN)

#: What each kind must be able to call.
_CALLABLES = {
    "venue": ("symbols", "streams"),
    "transport": ("create",),
    "sink": ("create",),
    "simulator": ("create",),
}


def is_name(text: str) -> bool:
    """Whether `text` may be the name of a gateway, plugin or account."""
    return _name.fullmatch(text) is not None


def check_spec(noun: str, spec: Any, what: str, distribution: str) -> None:
    """Raise PluginError with one sentence for the first thing wrong with a spec. `what` names the plugin."""
    fault = (
        _version_fault(spec.api_version, distribution)
        or _name_fault(spec.name)
        or _settings_fault(spec.settings)
        or _callable_fault(noun, spec)
        or (_environments_fault(spec) if noun == "venue" else None)
    )
    if fault:
        raise PluginError(f"{what} {fault}", plugin=spec.name)


def _version_fault(version: object, distribution: str) -> str | None:
    if type(version) is not int:
        return f"states api_version {version!r:.40}, which is no whole number"
    if version > API_VERSION:
        return (
            f"was made for plugin API {version} and this gwcore has {API_VERSION}: "
            f"install a newer gwcore, or an older {distribution}"
        )
    if version < API_VERSION:
        return f"was made for plugin API {version} and this gwcore has {API_VERSION}: install a newer {distribution}"
    return None


def _name_fault(name: str) -> str | None:
    return None if is_name(name) else f"has a name that does not match {NAME_PATTERN}"


def _settings_fault(settings: object) -> str | None:
    if not (isinstance(settings, type) and issubclass(settings, msgspec.Struct)):
        return "has settings that are not a msgspec Struct type"
    bare = [field.name for field in msgspec.structs.fields(settings) if field.required]
    return f"has no default for its setting{'s' if len(bare) > 1 else ''} {', '.join(bare)}" if bare else None


def _callable_fault(noun: str, spec: Any) -> str | None:
    bad = [name for name in _CALLABLES[noun] if not callable(getattr(spec, name))]
    return f"has {' and '.join(bad)} that can't be called" if bad else None


def _environments_fault(spec: Any) -> str | None:
    known = [field.name for field in msgspec.structs.fields(spec.settings)]
    if not spec.environments:
        return "has no environments"
    for name, values in spec.environments.items():
        for key in values:
            if key not in known:
                return f'has an environment "{name}" with the unknown setting {key} ({did_you_mean(key, known)})'
    return None
