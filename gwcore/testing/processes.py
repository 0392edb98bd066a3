"""Real processes for end-to-end tests, shows and the demo: a simulator, a gateway, clients; each ended by its own id.

Needs `gw` beside the running interpreter. Every wait has a limit and says what it waited for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

T = TypeVar("T")

#: How long a start, and any condition, may take on a busy machine.
WAIT_S = 60.0
POLL_S = 0.05
#: How long a process may take to end after SIGTERM before it is killed.
END_S = 20.0


class ProcessError(AssertionError):
    """A process did not do what it should in time; the text holds the end of its output."""


def wait_for(what: str, condition: Callable[[], T | None], *, timeout_s: float = WAIT_S) -> T:
    """Poll until the condition gives something true, and return that. Raises ProcessError naming `what`."""
    end = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise ProcessError(f"waited {timeout_s:g} s for {what}")
        time.sleep(POLL_S)


def ask(url: str, body: object = None) -> bytes:
    """GET, or POST of JSON where there is a body, to an address on this machine. Raises ProcessError with the answer."""
    data = None if body is None else msgspec.json.encode(body)
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    # No proxy: these are addresses of this machine, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            found: bytes = answer.read()
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise ProcessError(f"{url}: {error.code}: {error.read()[:500]!r}") from None


class Process:
    """One `gw` command whose output goes to files in `folder`."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, **environment: str) -> None:
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).parent / "gw"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | environment,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def text(self) -> str:
        """What it printed so far."""
        return self.out.read_text(errors="replace")

    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return self.err.read_text(errors="replace")

    def wait_for(self, what: str, condition: Callable[[], T | None], *, timeout_s: float = WAIT_S) -> T:
        """`wait_for`, which also ends, with its last words, when the process does."""

        def check() -> T | None:
            found = condition()
            if not found and self.exit_code is not None:
                raise ProcessError(f"{self.name} ended with {self.exit_code} before {what}: {self.errors()[-2000:]}")
            return found

        try:
            return wait_for(what, check, timeout_s=timeout_s)
        except ProcessError as error:
            raise ProcessError(f"{error}\n{self.name}: {self.errors()[-2000:]}") from None

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Wait for its end; returns the exit code."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"{self.name} did not end within {timeout_s:g} s: {self.errors()[-2000:]}") from None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end(self) -> int:
        """SIGTERM, then SIGKILL where that does not help; returns the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self._process.kill()
        self._process.wait()


class Sim(Process):
    """`gw sim NAME` on a free port."""

    def __init__(self, folder: Path, *arguments: str, venue: str = "kraken") -> None:
        super().__init__("sim", ["sim", venue, "--port", "0", *arguments], folder)
        line = self.wait_for("the simulator's ready line", self._ready_line)
        words = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
        self.ws_url, self.rest_url, self.control_url = words["ws"], words["rest"], words["control"]

    def _ready_line(self) -> str | None:
        return next((line for line in self.text().splitlines() if line.startswith("ready ")), None)

    def fault(self, name: str, **options: object) -> str:
        """Switch a fault; returns what the simulator says it did."""
        return ask(f"{self.control_url}fault", {"name": name, **options}).decode()

    def stats(self) -> dict[str, Any]:
        """What the simulator counted."""
        return msgspec.json.decode(ask(f"{self.control_url}stats"), type=dict[str, Any])


class Gw(Process):
    """`gw run` against a simulator, with metrics on a free port."""

    def __init__(self, folder: Path, sim: Sim, *arguments: str, state: str = "state", **environment: str) -> None:
        self.state_dir = folder / state
        common = ["run", "--venue", "kraken", "--env", "sim", "--rest-url", sim.rest_url, "--ws-public-url", sim.ws_url]
        common += ["--state-dir", str(self.state_dir), "--metrics-port", "0"]
        super().__init__("gateway", [*common, *arguments], folder, **environment)
        self._metrics_url = ""

    @property
    def socket_path(self) -> Path:
        """Where Unix clients come in."""
        return self.state_dir / "run" / "gw.sock"

    @property
    def metrics_url(self) -> str:
        """Base address of metrics and health, as the log tells it."""
        if not self._metrics_url:
            self._metrics_url = self.wait_for("the metrics address", self._told_address)
        return self._metrics_url

    def _told_address(self) -> str | None:
        for line in self.errors().splitlines():
            if "metrics and health: " in line:
                return line.split("metrics and health: ", 1)[1].split('"')[0].strip().rstrip("/")
        return None

    def status(self) -> dict[str, Any]:
        """The status page, or nothing while it can't be reached."""
        try:
            return msgspec.json.decode(ask(f"{self.metrics_url}/status"), type=dict[str, Any])
        except (ProcessError, OSError):
            return {}

    def wait_ready(self) -> None:
        """Wait until all that was asked for is up."""
        self.wait_for("the gateway to be ready", lambda: self.status().get("ready"))


@contextlib.contextmanager
def ending(*processes: Process) -> Iterator[None]:
    """End these at the end of the block, in the order given."""
    try:
        yield
    finally:
        for process in processes:
            process.end()


def read_lines(file: IO[bytes] | Path) -> list[bytes]:
    """All whole lines of a file, without their ends."""
    data = file.read_bytes() if isinstance(file, Path) else file.read()
    return data.split(b"\n")[:-1]
