"""Two network namespaces with one way between them, that loses packets or is narrow: for faults of real TCP (row F5).

Each room is a thread of this process that moved into a namespace of its own; what it starts is born there. All is gone when
the threads and their children are. Needs root, and `ip`, `nft` and `tc` (Debian: iproute2, nftables).
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
#: The packages that have the tools, where they are not there yet.
TOOLS = {"ip": "iproute2", "tc": "iproute2", "nft": "nftables"}
#: What the narrow end of a way may hold back before it drops: a home router's buffer, and many seconds at 64 kbit/s.
QUEUE_BYTES = 512 * 1024


class NoRooms(Exception):
    """This machine has no such thing; the text says what lacks."""


class Room:
    """One namespace. `address` is its end of the way."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._thread = ThreadPoolExecutor(1)
        self.thread_id = self._thread.submit(_move_out).result()

    def do(self, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Have it done in there."""
        return self._thread.submit(work, *arguments, **options).result()

    def run(self, *command: str) -> None:
        """A command in there. Raises NoRooms with its words where it fails."""
        found = self.do(subprocess.run, command, capture_output=True, text=True)
        if found.returncode:
            raise NoRooms(f"`{' '.join(command)}` says: {found.stderr.strip()[:200]}")

    def lose(self, percent: int) -> None:
        """Lose this share of the packets that come in."""
        self.run("nft", "flush", "chain", "ip", "loss", "in")
        if percent:
            self.run("nft", f"add rule ip loss in iifname way numgen random mod 100 < {percent} counter drop")

    def lost(self) -> int:
        """Packets lost since `lose`."""
        listed = self.do(subprocess.run, ["nft", "list", "chain", "ip", "loss", "in"], capture_output=True, text=True)
        found = re.search(r"counter packets (\d+)", listed.stdout)
        return int(found.group(1)) if found else 0

    def narrow(self, bits: int | None) -> None:
        """Let so many bits a second out; None: all."""
        if bits is None:
            self.run("tc", "qdisc", "del", "dev", "way", "root")
        else:
            limit = ("rate", f"{bits}bit", "burst", "3000", "limit", str(QUEUE_BYTES))
            self.run("tc", "qdisc", "add", "dev", "way", "root", "tbf", *limit)

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown()


def _move_out() -> int:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise NoRooms(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    return threading.get_native_id()


def rooms() -> tuple[Room, Room]:
    """Two rooms and the way between them. Raises NoRooms."""
    if os.geteuid():
        raise NoRooms("it takes root to make a network namespace")
    for tool, package in TOOLS.items():
        if shutil.which(tool) is None:
            # Absent or out of reach, the check below says so.
            subprocess.run(["apt-get", "install", "-y", "-q", package], capture_output=True, timeout=120, check=False)
        if shutil.which(tool) is None:
            raise NoRooms(f"`{tool}` is not installed (apt-get install {package})")
    pair = Room("10.99.0.1"), Room("10.99.0.2")
    pair[0].run("ip", "link", "add", "way", "type", "veth", "peer", "name", "way", "netns", str(pair[1].thread_id))
    for room in pair:
        room.run("ip", "link", "set", "lo", "up")
        room.run("ip", "addr", "add", f"{room.address}/24", "dev", "way")
        room.run("ip", "link", "set", "way", "up")
        room.run("nft", "add", "table", "ip", "loss")
        room.run("nft", "add chain ip loss in { type filter hook input priority 0; }")
    return pair
