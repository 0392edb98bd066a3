"""Real nats-servers on loopback for tests and shows: killed, stopped, paused, reloaded, started again where they were.

Needs nats-server beside the running interpreter (the extra `embedded`) or on PATH. It speaks no NATS itself.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from gwcore.testing.processes import END_S, ProcessError, wait_for

_START_S = 20.0


def find_nats_server() -> str:
    """Path of the binary. Raises ProcessError."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ProcessError("there is no nats-server: install the extra gwcore[embedded]")
    return found


#: Below what systems give to outgoing connections: a server that was killed finds its port free at its next start.
_PORTS = range(15_000, 32_000)
_next_port = itertools.cycle([*_PORTS[os.getpid() * 61 % len(_PORTS) :], *_PORTS[: os.getpid() * 61 % len(_PORTS)]])


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on just now, all different. Raises ProcessError where there are none."""
    with ExitStack() as stack:
        found: list[int] = []
        for port in itertools.islice(_next_port, len(_PORTS)):
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise ProcessError(f"there are no {count} free ports from {_PORTS.start} to {_PORTS.stop - 1}")


class NatsServer:
    """One server with JetStream in `folder`. `extra` are further lines of its configuration."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "n1",
        extra: str = "",
        sync_interval: str = "1s",
        store: Path | None = None,
        ports: Sequence[int] = (),
    ) -> None:
        self.folder = folder
        self.name = name
        self.store = store or folder / "store"
        self.port, self.http_port = ports or free_ports(2)
        self.extra = extra
        self.sync_interval = sync_interval
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.write_config()

    @property
    def url(self) -> str:
        """Where clients come in."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Where its monitoring listens."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def config_path(self) -> Path:
        """Its configuration."""
        return self.folder / "server.conf"

    def write_config(self) -> None:
        """Write the configuration anew, for `reload` or the next start."""
        self.config_path.write_text(
            f'server_name: {self.name}\nhost: "127.0.0.1"\nport: {self.port}\nhttp: "127.0.0.1:{self.http_port}"\n'
            # More than any disk has: what streams may grow to is not to be refused beforehand.
            f'jetstream {{ store_dir: "{self.store}", sync_interval: {self.sync_interval}, max_file_store: 1TB }}\n'
            f"{self.extra}\n"
        )

    def start(self) -> NatsServer:
        """Start, and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_nats_server(), "-c", str(self.config_path)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_for(f"nats-server {self.name} to listen", self._is_listening, timeout_s=_START_S)
        except ProcessError as error:
            raise ProcessError(f"{error}: {self.log()[-2000:]}") from None
        return self

    def log(self) -> str:
        """What it wrote so far."""
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL, and wait; no error where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait; SIGKILL where that does not help."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
        self.kill()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._send(signal.SIGSTOP)
        wait_for(f"nats-server {self.name} to stand still", self._is_stopped)

    def resume(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def reload(self, extra: str) -> None:
        """Other lines of configuration, taken while it runs."""
        self.extra = extra
        self.write_config()
        seen = self.log().count("Reloaded server configuration")
        self._send(signal.SIGHUP)
        wait_for("nats-server to reload", lambda: self.log().count("Reloaded server configuration") > seen)

    def _send(self, number: signal.Signals) -> None:
        if self._process is None:
            raise ProcessError(f"nats-server {self.name} does not run")
        self._process.send_signal(number)

    def _is_stopped(self) -> bool:
        # Each of its threads stops when the kernel gets to it.
        assert self._process is not None
        tasks = Path(f"/proc/{self._process.pid}/task")
        return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir())

    def _is_listening(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise ProcessError(f"nats-server {self.name} ended")
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2):
            return True
        return False


def make_cluster(folder: Path, size: int = 3) -> list[NatsServer]:
    """Servers of one cluster, not started."""
    ports = free_ports(3 * size)
    route_ports = ports[2 * size :]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in route_ports)
    return [
        NatsServer(
            folder / f"n{number + 1}",
            name=f"n{number + 1}",
            ports=ports[2 * number : 2 * number + 2],
            extra=f'cluster {{ name: show, listen: "127.0.0.1:{route_ports[number]}", routes: [{routes}] }}',
        )
        for number in range(size)
    ]
