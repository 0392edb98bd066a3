"""All faults of a configuration at once, so that it is mended in one go."""

from __future__ import annotations

from collections.abc import Sequence

from gwcore.errors import ConfigError, GatewayError, PluginError


class ConfigFaults(ConfigError):
    """Several faults. `faults` holds each as an error of its own; the text has one a line."""

    def __init__(self, faults: Sequence[GatewayError]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class FaultList:
    """Collects faults while a configuration is read."""

    def __init__(self) -> None:
        self._faults: list[GatewayError] = []

    def add(self, message: str, *, place: str, hint: str = "") -> None:
        """One more fault, at `place`, with the cure in `hint`."""
        self._faults.append(ConfigError(message, place=place, hint=hint))

    def add_error(self, error: GatewayError, *, place: str = "") -> None:
        """A fault that came as an error; `place` is put before a plugin's."""
        if isinstance(error, PluginError) and place:
            error = PluginError(f"{place}: {error}", plugin=error.plugin)
        self._faults.append(error)

    def __len__(self) -> int:
        return len(self._faults)

    def raise_any(self) -> None:
        """Raise what was collected: the fault itself where it is the only one."""
        if len(self._faults) == 1:
            raise self._faults[0]
        if self._faults:
            raise ConfigFaults(self._faults)
