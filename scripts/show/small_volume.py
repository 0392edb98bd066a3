"""A small volume that can be filled up: a tmpfs, which needs Linux and root. Shows about full disks share it."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MEGABYTE = 1_000_000


def no_volume() -> str:
    """Why there can be none here; empty: there can."""
    if sys.platform != "linux":
        return "it mounts a tmpfs, and this is not Linux"
    return "" if os.geteuid() == 0 else "it mounts a tmpfs, which needs root"


@contextlib.contextmanager
def small_volume(mountpoint: Path, size: int) -> Iterator[None]:
    """A tmpfs."""
    mountpoint.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mountpoint)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(mountpoint)], check=True)


def leave_free(ballast: Path, free: int) -> None:
    """Fill the volume up to so many bytes. Others write there too: it may be full a bit sooner."""
    volume = os.statvfs(ballast.parent)
    with ballast.open("ab", buffering=0) as file:
        left = max(0, volume.f_bavail * volume.f_frsize - free)
        try:
            while left > 0:
                left -= file.write(bytes(min(left, MEGABYTE)))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
