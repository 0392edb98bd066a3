"""ReadFolder: the reading half of `gwcore.ports.Storage`, on a folder that belongs to somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gwcore.errors import ConfigError, StorageError


class ReadFolder:
    """A folder; nothing is written or made. Names are plain, with `/` between.

    Raises StorageError with the cause, FileNotFoundError for what is absent.
    """

    def __init__(self, path: Path, what: str) -> None:
        if not path.is_dir():
            raise ConfigError(f"there is no folder {path}", hint=what)
        self._path = path

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Bytes of a file from `offset` on, at most `size`; -1: all."""
        try:
            with (self._path / name).open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"{self._path / name}: {error.strerror or error}") from error

    def size(self, name: str) -> int:
        """Bytes of a file."""
        try:
            return (self._path / name).stat().st_size
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageError(f"{self._path / name}: {error.strerror or error}") from error

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self._path / name).is_file()

    def list(self, folder: str = "") -> Sequence[str]:
        """Names of all files below a folder, sorted."""
        below = self._path / folder
        return sorted(path.relative_to(self._path).as_posix() for path in below.rglob("*") if path.is_file())
