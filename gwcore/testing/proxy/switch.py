"""LineSwitch: a simulator behind a fault proxy, with the faults of both under one roof: `line.NAME` is the proxy's."""

from __future__ import annotations

from typing import Any

from gwcore.simulator import Simulator
from gwcore.testing.proxy.thread import ProxyThread

PREFIX = "line."


class LineSwitch:
    """A Simulator that passes everything on but faults of the line. `line` is set once the proxy runs."""

    def __init__(self, simulator: Simulator) -> None:
        self.line: ProxyThread | None = None
        self._simulator = simulator

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)

    def fault(self, name: str, **options: Any) -> str:
        """A fault of the line or of the venue; `restore` ends both. Raises ValueError naming those there are."""
        if self.line is not None and name.startswith(PREFIX):
            return self.line.fault(name[len(PREFIX) :], **options)
        if self.line is not None and name == "restore":
            self.line.fault("restore")
        return self._simulator.fault(name, **options)
