"""DirectoryStorage: `gwcore.ports.Storage` on a real directory, and the lock that keeps it to one process.

Every file is opened component by component without following links, so a name can't lead out of the directory, whoever
put links there. A file's name is durable when the call that made it returns; its content when `sync` returned.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gwcore.errors import ConfigError, StorageError
from gwcore.ports import AppendFile, Storage

#: Mode of the directories that are made.
FOLDER_MODE: Final = 0o750
#: How deep names may go: more is a mistake, not a layout.
_PARTS_MAX: Final = 16
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_FLAGS: Final = _READ_FLAGS | os.O_DIRECTORY
_TEMPORARY: Final = ".part~"


class DirectoryStorage:
    """One directory, made where it is absent. Every method raises StorageError with the file's path and the cause."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _faults(path):
            _make_root(path)

    def append(self, name: str, *, mode: int = 0o640) -> AppendFile:
        """See `gwcore.ports.Storage`."""
        path = self.path / name
        with _faults(path), self._folder(name, make=True) as (folder, last):
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                descriptor = os.open(last, flags | os.O_CREAT | os.O_EXCL, mode, dir_fd=folder)
            except FileExistsError:
                descriptor = os.open(last, flags, dir_fd=folder)
            else:
                os.fchmod(descriptor, mode)  # whatever the umask was
                os.fsync(folder)
            return _DirectoryFile(path, descriptor)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """See `gwcore.ports.Storage`."""
        with _faults(self.path / name), self._opened(name) as descriptor:
            if size < 0:
                size = max(0, os.fstat(descriptor).st_size - offset)
            parts = []
            while size > 0 and (part := os.pread(descriptor, size, offset)):
                parts.append(part)
                offset += len(part)
                size -= len(part)
            return parts[0] if len(parts) == 1 else b"".join(parts)

    def size(self, name: str) -> int:
        """See `gwcore.ports.Storage`."""
        with _faults(self.path / name), self._opened(name) as descriptor:
            return os.fstat(descriptor).st_size

    def exists(self, name: str) -> bool:
        """See `gwcore.ports.Storage`."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def list(self, folder: str = "") -> Sequence[str]:
        """See `gwcore.ports.Storage`. Links and what is neither file nor folder are left out."""
        if folder:
            _parts(folder)
        found: list[str] = []
        todo = [folder]
        while todo:
            below = todo.pop()
            path = self.path / below
            with _faults(path), suppress(FileNotFoundError), os.scandir(path) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(name)
                    elif entry.is_file(follow_symlinks=False) and not name.endswith(_TEMPORARY):
                        found.append(name)
        return sorted(found)

    def replace(self, name: str, data: bytes, *, mode: int = 0o640) -> None:
        """See `gwcore.ports.Storage`."""
        with _faults(self.path / name), self._folder(name, make=True) as (folder, last):
            temporary = last + _TEMPORARY
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, mode, dir_fd=folder)
            try:
                try:
                    os.fchmod(descriptor, mode)
                    _write_all(descriptor, data)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            os.fsync(folder)

    def rename(self, old: str, new: str) -> None:
        """See `gwcore.ports.Storage`."""
        with (
            _faults(self.path / old),
            self._folder(old) as (old_folder, old_last),
            self._folder(new, make=True) as (new_folder, new_last),
        ):
            os.rename(old_last, new_last, src_dir_fd=old_folder, dst_dir_fd=new_folder)
            os.fsync(new_folder)
            os.fsync(old_folder)

    def truncate(self, name: str, size: int) -> None:
        """See `gwcore.ports.Storage`."""
        with _faults(self.path / name), self._opened(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC) as descriptor:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)

    def remove(self, name: str) -> None:
        """See `gwcore.ports.Storage`."""
        with _faults(self.path / name), suppress(FileNotFoundError), self._folder(name) as (folder, last):
            os.unlink(last, dir_fd=folder)
            os.fsync(folder)

    def free_bytes(self) -> int:
        """See `gwcore.ports.Storage`."""
        with _faults(self.path):
            volume = os.statvfs(self.path)
            return volume.f_bavail * volume.f_frsize

    def child(self, folder: str) -> Storage:
        """See `gwcore.ports.Storage`. The folder is made when something is written to it."""
        return _Child(self, folder)

    @contextmanager
    def lock(self, name: str = "lock") -> Iterator[None]:
        """Hold the directory for this process alone, as long as the block runs (or the process lives).

        Raises ConfigError that names the process that has it.
        """
        path = self.path / name
        with _faults(path), self._folder(name, make=True) as (folder, last):
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(last, flags, 0o640, dir_fd=folder)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise ConfigError(
                    f"the state directory {self.path} is in use by process {holder}",
                    hint="stop that process, or choose another directory with --state-dir or another --name",
                ) from None
            with _faults(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _opened(self, name: str, flags: int = _READ_FLAGS) -> Iterator[int]:
        with self._folder(name) as (folder, last):
            descriptor = os.open(last, flags, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StorageError(f"{self.path / name} is not a file")
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _folder(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder of a name, and the name's last part."""
        *folders, last = _parts(name)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in folders:
                below = _open_folder(descriptor, part, make=make)
                os.close(descriptor)
                descriptor = below
            yield descriptor, last
        finally:
            os.close(descriptor)


class _Child:
    """A folder of a DirectoryStorage."""

    def __init__(self, parent: Storage, folder: str) -> None:
        _parts(folder)
        self._parent = parent
        self._prefix = folder + "/"

    def append(self, name: str, *, mode: int = 0o640) -> AppendFile:
        return self._parent.append(self._prefix + name, mode=mode)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        return self._parent.read(self._prefix + name, offset, size)

    def size(self, name: str) -> int:
        return self._parent.size(self._prefix + name)

    def exists(self, name: str) -> bool:
        return self._parent.exists(self._prefix + name)

    def list(self, folder: str = "") -> Sequence[str]:
        names = self._parent.list(self._prefix + folder if folder else self._prefix[:-1])
        return [name[len(self._prefix) :] for name in names]

    def replace(self, name: str, data: bytes, *, mode: int = 0o640) -> None:
        self._parent.replace(self._prefix + name, data, mode=mode)

    def rename(self, old: str, new: str) -> None:
        self._parent.rename(self._prefix + old, self._prefix + new)

    def truncate(self, name: str, size: int) -> None:
        self._parent.truncate(self._prefix + name, size)

    def remove(self, name: str) -> None:
        self._parent.remove(self._prefix + name)

    def free_bytes(self) -> int:
        return self._parent.free_bytes()

    def child(self, folder: str) -> Storage:
        return _Child(self, folder)


class _DirectoryFile:
    """An AppendFile."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        with _faults(self._path):
            _write_all(self._descriptor, data)

    def sync(self) -> None:
        with _faults(self._path):
            os.fdatasync(self._descriptor)

    def size(self) -> int:
        with _faults(self._path):
            return os.fstat(self._descriptor).st_size

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StorageError(f"{path}: a link where a file or folder of the gateway should be; remove it") from error
        raise StorageError(f"{path}: {error.strerror or error}") from error


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if len(parts) > _PARTS_MAX or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise StorageError(f"{name!r} can't name a file here: use plain names with '/' between")
    return parts


def _make_root(path: Path) -> None:
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_folder(parent: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
        os.fsync(parent)
    return os.open(name, _FOLDER_FLAGS, dir_fd=parent)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
