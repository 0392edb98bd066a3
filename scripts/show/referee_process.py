"""A referee in its environment, as a process that is asked by line: see bench/referees/referee.py."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gwcore.testing.processes import ProcessError


class RefereeProcess:
    """One referee. `program` is its command, which `--log` and `arguments` are added to."""

    def __init__(self, program: Sequence[str], log: Path, arguments: Sequence[str] = (), **environment: str) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [*program, "--log", str(log), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
        )

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command, return the answer. Raises ProcessError with the end of its log."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            raise ProcessError(f"the referee ended: {self.log.read_text(errors='replace')[-2000:]}") from None
        return answer

    def end(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
