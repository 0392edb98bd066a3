"""The configuration: TOML files, the environment and flags, checked as a whole, become one `GatewayConfig`."""

from gwcore.config.faults import ConfigFaults
from gwcore.config.layers import FlagValue, Setting, Sources
from gwcore.config.load import LoadedConfig, lint_config, load_config
from gwcore.config.rows import ConfigRow, config_rows

__all__ = [
    "ConfigFaults",
    "ConfigRow",
    "FlagValue",
    "LoadedConfig",
    "Setting",
    "Sources",
    "config_rows",
    "lint_config",
    "load_config",
]
