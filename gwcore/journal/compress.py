"""Compressing closed segments, one at a time, on a thread of its own, without anybody waiting for it.

The compressed file is made whole and durable under another name first, then it gets its name, then the plain one goes:
at each instant a reader, and the next start after a crash, finds the segment once at least.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gwcore.errors import StorageError
from gwcore.journal.files import (
    FOLDER,
    packed_name,
    segment_name,
)
from gwcore.journal.format import MODES
from gwcore.journal.packed import FRAME_BYTES, compress_frame, encode_table
from gwcore.ports import Storage

#: What a compressed file is called while it is made.
_NEW_SUFFIX: Final = ".new"


class SegmentCompressor:
    """Compresses what the lanes have closed. `files_lock` is held while files are swapped, as retention does."""

    def __init__(
        self,
        storage: Storage,
        segments: Mapping[str, Callable[[], Sequence[int]]],
        files_lock: threading.Lock,
        *,
        level: int,
        reserve_bytes: int,
    ) -> None:
        self._storage = storage
        self._segments = segments
        self._lock = files_lock
        self._level = level
        self._reserve_bytes = reserve_bytes
        self._done: dict[str, int] = dict.fromkeys(segments, 0)  # all up to this one are compressed
        self._stopped = False
        self.segments = 0  # compressed by this process
        self.bytes_before = 0
        self.bytes_after = 0

    def stop(self) -> None:
        """Let a run that is under way end soon; its segment stays as it was."""
        self._stopped = True

    def run(self) -> int:
        """Compress all closed segments that are not; returns how many. Raises StorageError; then nothing is lost."""
        if not self._level:
            return 0
        count = 0
        for journal_class, segments in self._segments.items():
            for first_position in segments()[:-1]:  # the last one is, or may be, written to
                if self._stopped:
                    return count
                if first_position <= self._done[journal_class]:
                    continue
                if self._storage.exists(segment_name(journal_class, first_position)):
                    count += self._compress(journal_class, first_position)
                if self._stopped:
                    return count
                self._done[journal_class] = first_position
        return count

    def _compress(self, journal_class: str, first_position: int) -> int:
        storage, name = self._storage, segment_name(journal_class, first_position)
        if storage.free_bytes() < 2 * self._reserve_bytes:
            raise StorageError("too little free space to compress closed segments")
        new = packed_name(name) + _NEW_SUFFIX
        storage.remove(new)
        try:
            written = self._write(name, new, MODES[journal_class])
            with self._lock:
                if first_position not in self._segments[journal_class]() or self._stopped:
                    storage.remove(new)
                    return 0
                before, after = storage.size(name), storage.size(new)
                if not written or after >= before:
                    storage.remove(new)
                    return 0
                storage.rename(new, packed_name(name))
                storage.remove(name)
        except FileNotFoundError:  # retention was faster
            storage.remove(new)
            return 0
        self.segments += 1
        self.bytes_before += before
        self.bytes_after += after
        return 1

    def _write(self, name: str, new: str, mode: int) -> bool:
        storage, offset = self._storage, 0
        sizes: list[tuple[int, int]] = []
        file = storage.append(new, mode=mode)
        try:
            while content := storage.read(name, offset, FRAME_BYTES):
                if self._stopped:
                    return False
                frame = compress_frame(content, self._level)
                file.write(frame)
                sizes.append((len(frame), len(content)))
                offset += len(content)
            file.write(encode_table(sizes))
            file.sync()
        finally:
            file.close()
        return True


def remove_unfinished(storage: Storage, journal_class: str) -> None:
    """Delete what a compression that was cut short left."""
    for name in storage.list(f"{FOLDER}/{journal_class}"):
        if name.endswith(_NEW_SUFFIX):
            storage.remove(name)
