"""PaperLog: what one paper account must not forget: a JSON line a fact, and begun anew when it is large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from gwcore.errors import StorageError
from gwcore.paper.records import PaperFact
from gwcore.ports import AppendFile, Storage

#: At this size the log is begun anew with what is still known.
BYTES_MAX: Final = 64 * 1024 * 1024
#: Read by the owner alone, as the execution records of the journal.
MODE: Final = 0o600
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(PaperFact)


class PaperLog:
    """One account's file in `storage`. Blocks; its writing belongs on a thread."""

    def __init__(self, storage: Storage, account: str) -> None:
        self._storage = storage
        self._name = f"{account}.jsonl"
        self._file: AppendFile | None = None

    def read(self) -> Iterator[PaperFact]:
        """All facts, oldest first. A last line that was cut by a crash is left out. Raises StorageError for any other."""
        if not self._storage.exists(self._name):
            return
        lines = self._storage.read(self._name).split(b"\n")
        for number, line in enumerate(lines[:-1], 1):  # behind the last end of a line is what a crash left
            try:
                yield _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StorageError(
                    f"paper/{self._name}, line {number} can't be read ({error}): mend it, or move the file away to begin "
                    "with the funds of [paper]"
                ) from error

    def begin(self, facts: Sequence[PaperFact]) -> None:
        """Make the log hold exactly these. Raises StorageError."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._storage.replace(self._name, _lines(facts), mode=MODE)

    def append(self, facts: Sequence[PaperFact], everything: Callable[[], Sequence[PaperFact]]) -> None:
        """These happened; returns when they are durable. `everything`: what to begin anew with. Raises StorageError."""
        if self._file is None:
            self._file = self._storage.append(self._name, mode=MODE)
        if self._file.size() > BYTES_MAX:
            self.begin(everything())
            return
        self._file.write(_lines(facts))
        self._file.sync()

    def close(self) -> None:
        """No more."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lines(facts: Sequence[PaperFact]) -> bytes:
    return b"".join(_encode(fact) + b"\n" for fact in facts)
