"""Running: the gateways of this user that run now, so that `gw ls` and client commands find them without being told.

Each process keeps one small file and holds a lock on it: the lock ends with the process, whatever ends it, so a file without
one is of a gateway that is gone. Imports nothing of the gateway: client commands read it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

#: Folder below the state root; no gateway is called so.
FOLDER = ".running"
#: Files looked at; more than anybody runs.
ENTRIES_MAX = 1000
_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One gateway that runs. `addresses`: transport -> address; `metrics` among them where it serves any."""

    name: str
    venue: str
    environment: str
    pid: int
    state_dir: str
    version: str
    started_ns: int
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def socket(self) -> Path | None:
        """Where Unix clients come in; None where they do not."""
        address = self.addresses.get("unix")
        return Path(address.removeprefix("unix://")) if address else None


def state_root(environ: Mapping[str, str] | None = None) -> Path:
    """The folder that holds the default state directories of all gateways of a user."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_STATE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "gw"


class Entry:
    """This process's own entry. `write` may be called again; `close` takes it back. Neither raises: nothing depends on it."""

    def __init__(self, root: Path | None = None) -> None:
        self._path = (root or state_root()) / FOLDER / f"{os.getpid()}.json"
        self._descriptor: int | None = None

    def write(self, running: Running) -> str:
        """Say that it runs, or anew what it is. Returns why it could not; empty: it could."""
        try:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(descriptor)
                    raise
                self._descriptor = descriptor
            data = json.dumps(asdict(running)).encode()
            os.pwrite(self._descriptor, data, 0)
            os.ftruncate(self._descriptor, len(data))
        except OSError as error:
            return f"{self._path}: {error.strerror or error}"
        return ""

    def close(self) -> None:
        """It ends."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = None


def find_running(root: Path | None = None) -> list[Running]:
    """Gateways of this user that run now, by name. Entries of those that are gone are removed on the way."""
    found = [running for path in _paths((root or state_root()) / FOLDER) if (running := _read(path)) is not None]
    return sorted(found, key=lambda running: (running.name, running.pid))


def _paths(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(folder))[:ENTRIES_MAX]
    except OSError:
        return
    yield from (folder / name for name in names if name.endswith(".json"))


def _read(path: Path) -> Running | None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if _is_free(descriptor):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        return Running(**json.loads(os.pread(descriptor, _BYTES_MAX, 0)))
    except (OSError, ValueError, TypeError):
        return None  # it is just being written, or of another version
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
