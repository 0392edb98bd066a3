"""What the writer of an archive says of files that are not finished: one state file a journal class.

    open/<class>-<number>.part     a file being written
    state/<class>.json             what is durable of it

Bytes of an open file behind its `size` are not promised: a reader stops there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from gwcore.archive.names import ArchiveFile, data_name, list_archive
from gwcore.errors import StorageError
from gwcore.ports import Storage

#: How often an archive is looked at anew because its writer finished files meanwhile (once in some seconds).
LOOKS_MAX: Final = 10

_STATE: Final = "state/"


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What the state file says of one file. Fields are only ever appended."""

    name: str  # of the open file
    kind: str
    date: str
    session_id: str  # of its first record
    first: int  # positions of its first and last record
    last: int
    lines: int
    size: int  # durable bytes; what follows is dropped

    def final(self, journal_class: str) -> ArchiveFile:
        """What it is when finished."""
        name = data_name(self.kind, self.date, journal_class, self.session_id, self.first, self.last)
        return ArchiveFile(name, self.kind, self.date, journal_class, self.session_id, self.first, self.last)


class ClassState(msgspec.Struct, frozen=True, kw_only=True):
    """The state file. Everything up to `position` is in the archive."""

    position: int = 0
    number: int = 1  # of the next open file
    open: tuple[FileEntry, ...] = ()
    finished: tuple[FileEntry, ...] = ()  # complete, perhaps not yet renamed


class Unfinished(NamedTuple):
    """A file that its writer has not given its final name. `journal_class` is the class whose state file names it."""

    journal_class: str
    entry: FileEntry

    @property
    def final(self) -> ArchiveFile:
        """What it would be, were it finished as it is."""
        return self.entry.final(self.journal_class)


class Listing(NamedTuple):
    """An archive at one moment: together its files hold every record up to the writer's last commit, each once."""

    finished: list[ArchiveFile]  # by class and position
    unfinished: list[Unfinished]


def state_name(journal_class: str) -> str:
    """The name of a class's state file."""
    return f"{_STATE}{journal_class}.json"


def load_state(storage: Storage, journal_class: str) -> ClassState | None:
    """What is durable of a class; None: it was never written. Raises StorageError."""
    name = state_name(journal_class)
    try:
        return _decoded(name, storage.read(name))
    except FileNotFoundError:
        return None


def list_whole(storage: Storage) -> Listing:
    """All files of an archive at one moment, also while it is written. Raises StorageError."""
    before = load_states(storage)
    for _ in range(LOOKS_MAX):
        finished = list_archive(storage)
        states = load_states(storage)
        # Open files may grow meanwhile, as they do each second: only what is opened and finished must not change.
        if _files_of(states) == _files_of(before):
            break
        before = states
    else:
        raise StorageError("the archive is written faster than its files can be listed: check a copy of it")
    known = {file.name for file in finished}
    unfinished = []
    for journal_class, state in states.items():
        named = [Unfinished(journal_class, entry) for entry in (*state.open, *state.finished)]
        unfinished += [one for one in named if one.final.name not in known]
    return Listing(finished, unfinished)


def load_states(storage: Storage) -> dict[str, ClassState]:
    """What is durable, by class. Raises StorageError."""
    names = [name for name in storage.list(_STATE.rstrip("/")) if name.endswith(".json")]
    return {name.removeprefix(_STATE).removesuffix(".json"): _decoded(name, storage.read(name)) for name in names}


def _files_of(states: dict[str, ClassState]) -> dict[str, tuple[set[str], set[str]]]:
    return {
        name: ({one.name for one in state.open}, {one.name for one in state.finished}) for name, state in states.items()
    }


def _decoded(name: str, data: bytes) -> ClassState:
    try:
        return msgspec.json.decode(data, type=ClassState)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The file is replaced whole or not at all, so this is no crash: someone or something changed it.
        raise StorageError(f"{name}: it is not what this sink wrote: {error}") from error
