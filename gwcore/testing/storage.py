"""A directory in memory that knows what was synced: for the seeded simulation and for crash tests.

What a crash does is chosen with a seed. Files and names are durable as soon as the call that makes them returns, as the
contract of `Storage` says; only what an `AppendFile` wrote since its last sync is at risk.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from enum import Enum

from gwcore.errors import StorageError
from gwcore.ports import AppendFile, Storage


class Crash(Enum):
    """What becomes of writes that were not synced."""

    VANISH = "VANISH"  # all are gone
    TORN = "TORN"  # a prefix of each file's unsynced bytes is there
    REORDERED = "REORDERED"  # each write by itself is there, torn, or gone; holes are zeros


class _Content:
    """One file: what is in it now, and what of it is durable."""

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.data = bytearray()
        self.synced_size = 0
        self.writes: list[tuple[int, int]] = []  # (offset, size) since the last sync

    def durable(self, crash: Crash, chance: random.Random) -> _Content:
        left = _Content(self.mode)
        left.data += self.data[: self.synced_size]
        unsynced = len(self.data) - self.synced_size
        if crash is Crash.TORN and unsynced:
            left.data += self.data[self.synced_size : self.synced_size + chance.randint(0, unsynced)]
        elif crash is Crash.REORDERED:
            for offset, size in self.writes:
                kept = chance.choice((0, size, chance.randint(0, size)))
                if kept:
                    left.data += bytes(max(0, offset + kept - len(left.data)))
                    left.data[offset : offset + kept] = self.data[offset : offset + kept]
        left.synced_size = len(left.data)
        return left


class _Volume:
    """What all directories of one memory share: files, space, faults."""

    def __init__(self, capacity_bytes: int) -> None:
        self.files: dict[str, _Content] = {}
        self.capacity_bytes = capacity_bytes
        self.sync_error = ""
        self.on_operation: Callable[[str, str], None] | None = None

    def operation(self, operation: str, name: str) -> None:
        if self.on_operation is not None:
            self.on_operation(operation, name)

    def used_bytes(self) -> int:
        return sum(len(content.data) for content in self.files.values())


class _MemoryFile:
    """An AppendFile."""

    def __init__(self, volume: _Volume, name: str, content: _Content) -> None:
        self._volume = volume
        self._name = name
        self._content = content
        self._open = True

    def write(self, data: bytes) -> None:
        if not self._open:
            raise StorageError(f"{self._name} is closed")
        self._volume.operation("write", self._name)
        content, room = self._content, self._volume.capacity_bytes - self._volume.used_bytes()
        written = data[: max(0, room)]
        if written:
            content.writes.append((len(content.data), len(written)))
            content.data += written
        if len(written) < len(data):
            raise StorageError(f"{self._name}: no space left on device")

    def sync(self) -> None:
        self._volume.operation("sync", self._name)
        if self._volume.sync_error:
            raise StorageError(f"{self._name}: {self._volume.sync_error}")
        self._content.synced_size = len(self._content.data)
        self._content.writes.clear()

    def size(self) -> int:
        return len(self._content.data)

    def close(self) -> None:
        self._open = False


class MemoryStorage:
    """`gwcore.ports.Storage` in memory, with faults: a full volume, a sync that fails, a crash.

    `capacity_bytes` may be changed while it runs. `sync_error`, once set, is what every sync raises. `on_operation` is
    called with (operation, name) before every operation that changes something, and may raise to stop the writer there.
    """

    def __init__(self, *, capacity_bytes: int = 1 << 40, _volume: _Volume | None = None, _prefix: str = "") -> None:
        self._volume = _volume or _Volume(capacity_bytes)
        self._prefix = _prefix

    @property
    def capacity_bytes(self) -> int:
        """Size of the volume."""
        return self._volume.capacity_bytes

    @capacity_bytes.setter
    def capacity_bytes(self, value: int) -> None:
        self._volume.capacity_bytes = value

    @property
    def sync_error(self) -> str:
        """What every sync raises; empty: none fails."""
        return self._volume.sync_error

    @sync_error.setter
    def sync_error(self, value: str) -> None:
        self._volume.sync_error = value

    @property
    def on_operation(self) -> Callable[[str, str], None] | None:
        """Called before every change."""
        return self._volume.on_operation

    @on_operation.setter
    def on_operation(self, value: Callable[[str, str], None] | None) -> None:
        self._volume.on_operation = value

    def crash(self, crash: Crash = Crash.VANISH, seed: int = 0) -> MemoryStorage:
        """A new memory with what a power loss at this moment leaves. The old one is not changed."""
        chance, left = random.Random(seed), MemoryStorage(capacity_bytes=self._volume.capacity_bytes)
        for name in sorted(self._volume.files):
            left._volume.files[name] = self._volume.files[name].durable(crash, chance)
        return left

    def mode(self, name: str) -> int:
        """Permissions that a file was made with. Raises FileNotFoundError."""
        return self._content(name).mode

    def append(self, name: str, *, mode: int = 0o640) -> AppendFile:
        """See `gwcore.ports.Storage`."""
        full = self._full(name)
        content = self._volume.files.get(full)
        if content is None:
            self._volume.operation("create", full)
            content = self._volume.files[full] = _Content(mode)
        return _MemoryFile(self._volume, full, content)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """See `gwcore.ports.Storage`."""
        data = self._content(name).data
        return bytes(data[offset:] if size < 0 else data[offset : offset + size])

    def size(self, name: str) -> int:
        """See `gwcore.ports.Storage`."""
        return len(self._content(name).data)

    def exists(self, name: str) -> bool:
        """See `gwcore.ports.Storage`."""
        return self._full(name) in self._volume.files

    def list(self, folder: str = "") -> Sequence[str]:
        """See `gwcore.ports.Storage`."""
        start = self._full(folder) + "/" if folder else self._prefix
        return sorted(name[len(self._prefix) :] for name in self._volume.files if name.startswith(start))

    def replace(self, name: str, data: bytes, *, mode: int = 0o640) -> None:
        """See `gwcore.ports.Storage`."""
        full = self._full(name)
        self._volume.operation("replace", full)
        if self._volume.used_bytes() + len(data) > self._volume.capacity_bytes:
            raise StorageError(f"{full}: no space left on device")
        if self._volume.sync_error:
            raise StorageError(f"{full}: {self._volume.sync_error}")
        content = self._volume.files[full] = _Content(mode)
        content.data += data
        content.synced_size = len(data)

    def rename(self, old: str, new: str) -> None:
        """See `gwcore.ports.Storage`."""
        self._content(old)
        self._volume.operation("rename", self._full(old))
        self._volume.files[self._full(new)] = self._volume.files.pop(self._full(old))

    def truncate(self, name: str, size: int) -> None:
        """See `gwcore.ports.Storage`."""
        content = self._content(name)
        self._volume.operation("truncate", self._full(name))
        del content.data[size:]
        content.synced_size = min(content.synced_size, size)
        content.writes = [(offset, length) for offset, length in content.writes if offset + length <= size]

    def remove(self, name: str) -> None:
        """See `gwcore.ports.Storage`."""
        if self._full(name) in self._volume.files:
            self._volume.operation("remove", self._full(name))
            del self._volume.files[self._full(name)]

    def free_bytes(self) -> int:
        """See `gwcore.ports.Storage`."""
        return max(0, self._volume.capacity_bytes - self._volume.used_bytes())

    def child(self, folder: str) -> Storage:
        """See `gwcore.ports.Storage`."""
        return MemoryStorage(_volume=self._volume, _prefix=self._full(folder) + "/")

    def _full(self, name: str) -> str:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise StorageError(f"{name!r} can't name a file here: use plain names with '/' between")
        return self._prefix + name

    def _content(self, name: str) -> _Content:
        content = self._volume.files.get(self._full(name))
        if content is None:
            raise FileNotFoundError(name)
        return content
