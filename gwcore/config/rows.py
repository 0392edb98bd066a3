"""The effective configuration as rows of key, value and origin: what `gw config show` prints. Pure; secrets are masked."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from gwcore.config.load import LoadedConfig
from gwcore.redaction import redact

DEFAULT = "default"


class ConfigRow(NamedTuple):
    """One value: `gateway.name`, what it is, and where it came from."""

    key: str
    value: Any
    origin: str


def config_rows(loaded: LoadedConfig) -> list[ConfigRow]:
    """All values of all tables in use, in the order of the tables."""
    config = loaded.config
    tables: list[tuple[str, Any]] = [
        ("gateway", config.gateway),
        (f"venue.{config.venue.spec.name}", config.venue.settings),
        *((f"transport.{transport.spec.name}", transport.settings) for transport in config.transports),
        *((f"sink.{sink.spec.name}", sink.settings) for sink in config.sinks),
        ("healing", config.healing),
        ("detection", config.detection),
        ("paper", config.paper),
        ("journal", config.journal),
        ("clients", config.clients),
        ("capture", config.capture),
        ("runtime", config.runtime),
        *((f"account.{account.name}", account.settings) for account in config.accounts),
        *((f"user.{name}", settings) for name, settings in config.users.items()),
    ]
    return [
        ConfigRow(f"{table}.{key}", _shown(value), loaded.origins.get(f"{table}.{key}", DEFAULT))
        for table, settings in tables
        for key, value in msgspec.structs.asdict(settings).items()
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, tuple | list):
        return [_shown(item) for item in value]
    return value
