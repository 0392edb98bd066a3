"""A file system that forgets what was not synced: real processes meet a power cut on it. Needs Linux with FUSE, and root.

    python -m gwcore.testing.lossyfs SOURCE MOUNTPOINT

The files of SOURCE are there, durable, and are never written to. Writing `MODE SEED DESTINATION` to `/.cut` is the power
cut: from then on every call fails with EIO, and DESTINATION (a folder that must not exist) gets what a disk would
hold. A file's content is durable after fsync of the file, a name after fsync of its folder: stricter than ext4. MODE is
VANISH, TORN or REORDERED, as in `gwcore.testing.storage`. All is in memory.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import sys
from pathlib import Path
from typing import Any

from gwcore.testing.storage import Crash

CONTROL = "/.cut"


class Node:
    """A file or folder: as processes see it, and as the disk holds it."""

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.data = bytearray()
        self.durable = bytearray()
        self.unsynced: list[tuple[int, bytes | None]] = []  # (offset, data), or (size, None) for a truncation
        self.entries: dict[str, Node] = {}
        self.durable_entries: dict[str, Node] = {}

    @property
    def is_folder(self) -> bool:
        """Whether it holds entries and not data."""
        return stat.S_ISDIR(self.mode)

    def write(self, offset: int, data: bytes) -> None:
        """Write, not yet durably."""
        _apply(self.data, offset, data)
        self.unsynced.append((offset, data))

    def truncate(self, size: int) -> None:
        """Cut or lengthen, not yet durably."""
        _apply(self.data, size, None)
        self.unsynced.append((size, None))

    def sync(self) -> None:
        """Make content durable."""
        for offset, data in self.unsynced:
            _apply(self.durable, offset, data)
        self.unsynced.clear()

    def after_cut(self, crash: Crash, chance: random.Random) -> bytearray:
        """What the disk holds of a file when the power goes."""
        left = bytearray(self.durable)
        kept = chance.randint(0, len(self.unsynced)) if crash is Crash.TORN else len(self.unsynced)
        for number, (offset, data) in enumerate(self.unsynced if crash is not Crash.VANISH else ()):
            if crash is Crash.TORN and number >= kept:
                if number == kept and data:
                    _apply(left, offset, data[: chance.randint(0, len(data))])
                break
            if crash is Crash.REORDERED:
                share = chance.choice((0.0, 1.0, chance.random()))
                if data is None or share == 0.0:
                    continue
                data = data[: int(share * len(data))]
            _apply(left, offset, data)
        return left


class LossyTree:
    """The operations, path by path, as mfusepy calls them. Raises OSError."""

    use_ns = True

    def __init__(self) -> None:
        self.root = Node(stat.S_IFDIR | 0o755)
        self._is_cut = False

    def load(self, source: Path, node: Node | None = None) -> None:
        """Take in a folder; all of it is durable."""
        node = node or self.root
        for path in source.iterdir():
            mode = path.lstat().st_mode
            child = node.entries[path.name] = Node(mode)
            if child.is_folder:
                self.load(path, child)
            elif stat.S_ISREG(mode):
                child.data[:] = child.durable[:] = path.read_bytes()
            else:
                del node.entries[path.name]
        node.durable_entries = dict(node.entries)

    def cut(self, crash: Crash, seed: int, destination: Path) -> None:
        """The power goes."""
        self._is_cut = True
        self._dump(self.root, destination, crash, random.Random(seed))

    def _dump(self, node: Node, path: Path, crash: Crash, chance: random.Random) -> None:
        path.mkdir(mode=0o755)
        for name, child in sorted(node.durable_entries.items()):
            if child.is_folder:
                self._dump(child, path / name, crash, chance)
            else:
                (path / name).write_bytes(child.after_cut(crash, chance))
            (path / name).chmod(stat.S_IMODE(child.mode))

    def _find(self, path: str) -> Node:
        if self._is_cut:
            raise OSError(errno.EIO, "the power is off")
        node = self.root
        for part in path.split("/"):
            if part:
                if part not in node.entries:
                    raise OSError(errno.ENOENT, path)
                node = node.entries[part]
        return node

    def _folder(self, path: str) -> tuple[Node, str]:
        folder, _, name = path.rpartition("/")
        return self._find(folder), name

    # --- what the kernel asks -----------------------------------------------------------------------------------------

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """Type, mode, size and owner."""
        if path == CONTROL:
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": 0}
        node = self._find(path)
        owner = {"st_uid": os.getuid(), "st_gid": os.getgid()}
        return {"st_mode": node.mode, "st_nlink": 1, "st_size": len(node.data), **owner}

    def readdir(self, path: str, fh: int) -> list[str]:
        """Names in a folder."""
        return [".", "..", *self._find(path).entries]

    def open(self, path: str, flags: int) -> int:
        """Nothing to do but look whether it is there."""
        if path != CONTROL:
            self._find(path)
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        """A new file; its name is not durable."""
        folder, name = self._folder(path)
        folder.entries[name] = Node(stat.S_IFREG | stat.S_IMODE(mode))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        """A new folder; its name is not durable."""
        folder, name = self._folder(path)
        if name in folder.entries:
            raise OSError(errno.EEXIST, path)
        folder.entries[name] = Node(stat.S_IFDIR | stat.S_IMODE(mode))
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """What processes see."""
        return bytes(self._find(path).data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        """Not durable; to the control file: the power cut."""
        if path == CONTROL:
            mode, seed, destination = data.decode().split(maxsplit=2)
            self.cut(Crash(mode), int(seed), Path(destination.strip()))
        else:
            self._find(path).write(offset, bytes(data))
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """Not durable."""
        if path != CONTROL:
            self._find(path).truncate(length)
        return 0

    def unlink(self, path: str) -> int:
        """Not durable."""
        folder, name = self._folder(path)
        self._find(path)
        del folder.entries[name]
        return 0

    rmdir = unlink

    def rename(self, old: str, new: str) -> int:
        """Not durable."""
        node = self._find(old)
        (old_folder, old_name), (new_folder, new_name) = self._folder(old), self._folder(new)
        del old_folder.entries[old_name]
        new_folder.entries[new_name] = node
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """Kept."""
        node = self._find(path)
        node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        """Ignored."""
        return 0

    def utimens(self, path: str, times: Any = None) -> int:
        """Ignored."""
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        """Make a file's content durable."""
        self._find(path).sync()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        """Make a folder's names durable."""
        node = self._find(path)
        node.durable_entries = dict(node.entries)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        """Always room."""
        blocks = 1 << 22
        return {"f_bsize": 4096, "f_frsize": 4096, "f_blocks": blocks, "f_bfree": blocks, "f_bavail": blocks}


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    end = offset + (0 if data is None else len(data))
    if len(content) < end:
        content.extend(bytes(end - len(content)))  # a hole is zeros
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


def main(arguments: list[str]) -> None:
    """Mount, and serve until unmounted."""
    import mfusepy  # type: ignore[import-untyped]  # a tool of tests: the rest of the module does without it

    tree = LossyTree()
    tree.load(Path(arguments[0]))
    names = [name for name in dir(tree) if not name.startswith("_") and callable(getattr(tree, name))]
    operations = type("Operations", (mfusepy.Operations,), {"use_ns": True})()
    for name in names:
        if hasattr(mfusepy.Operations, name):
            setattr(operations, name, getattr(tree, name))
    mfusepy.FUSE(operations, arguments[1], foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0)


if __name__ == "__main__":
    main(sys.argv[1:])
