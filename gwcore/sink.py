"""CONTRACT of an event sink: a reader of the journal that takes records somewhere else.

The core keeps a durable cursor per sink and journal class. It calls `connect` with back-off until it works, then `write`
with batches in journal order, of records that the journal has synced. A sink calls `progress` when records up to a
position are as durable as it can promise; after a restart it is given everything behind its cursor again, so it must
be able to meet a record twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from gwcore.model import Record
from gwcore.ports import Clock, Storage

#: What `progress` is worth. `fsynced`: it survives power loss; `flushed`: the death of the process over there; `unknown`:
#: nobody said.
AckMeaning: TypeAlias = Literal["fsynced", "flushed", "unknown"]


class Sink(Protocol):
    """One sink. All methods run on the gateway's loop and must not block it for more than a few milliseconds."""

    async def connect(self, cursors: Mapping[str, int]) -> Mapping[str, int]:
        """Get ready to write. `cursors`: last position per journal class that `progress` reported (0: none).

        Returns the positions to go on after, per class: what is stored over there decides. Usually `cursors`; later ones
        where it has more; earlier ones where it lost what it had, as far back as the journal reaches. Raises
        NotConnected (tried again with back-off), ConfigError (the sink stops).
        """
        ...

    async def write(self, batch: Sequence[Record]) -> None:
        """Take a batch of one journal class, in order. Returning means accepted, not durable. Raises NotConnected:
        the core calls `connect` again and goes on from the cursors."""
        ...

    async def flush(self) -> None:
        """Make all that was accepted durable and report it; called when idle and before `close`. Raises NotConnected."""
        ...

    async def close(self) -> None:
        """Release everything. Never raises; may be called at any time, also twice."""
        ...


@runtime_checkable
class ClassSinks(Protocol):
    """Optional: a sink that is a sink for each journal class, so that none can hold up another.

    The core then feeds each on its own with records of that class, and calls `close` of the whole alone.
    """

    def of_class(self, journal_class: str) -> Sink:
        """The sink of one class; the same one each time."""
        ...


class SinkStatus(Protocol):
    """(cause, detail): something worth an event and a log line. `cause` is one word, `detail` a sentence; cause "" says
    that all is well again. With a `journal_class` it is about that class alone (`ClassSinks`)."""

    def __call__(self, cause: str, detail: str, journal_class: str | None = None, /) -> None:
        """Report it. What was reported stands until it is taken back."""
        ...


def _ignore(meaning: AckMeaning) -> None:
    """For surroundings that do not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkContext:
    """What a sink is given."""

    venue: str
    environment: str
    source: str  # name of the gateway
    state_dir: Path
    storage: Storage  # the sink's own directory below the state directory
    clock: Clock
    progress: Callable[[str, int], None]  # (journal class, position): durable up to here
    status: SinkStatus
    ack_meaning: Callable[[AckMeaning], None] = _ignore  # what `progress` is worth, as soon as it is known


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSpec:
    """One sink, as a plugin registers it. `settings` is a msgspec Struct type with a default for each field."""

    name: str
    api_version: int
    settings: type
    create: Callable[[Any, SinkContext], Sink]
    batch_max: int  # records in one write
    linger_ms: float  # how long the core may wait to fill a batch
    summary: str
