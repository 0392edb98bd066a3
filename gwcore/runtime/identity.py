"""Whose state a directory holds: venue, environment, and whether orders are on paper. It is never gone on with as another's.

A journal in which a simulation's fills stand beside real ones can't be put right again.
"""

from __future__ import annotations

from typing import Final

import msgspec

from gwcore.errors import ConfigError
from gwcore.ports import Storage

FILE: Final = "identity.json"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What a state directory is of."""

    venue: str
    environment: str
    paper: bool = False

    def words(self) -> str:
        """For people: `venue kraken, env sim, on paper`."""
        return f"venue {self.venue}, env {self.environment}" + (", on paper" if self.paper else "")


def claim_state(storage: Storage, mine: Identity, place: str) -> None:
    """Make the state directory `mine`, or see that it is. Raises ConfigError where it is another's."""
    if not storage.exists(FILE):
        storage.replace(FILE, msgspec.json.encode(mine))
        return
    try:
        theirs = msgspec.json.decode(storage.read(FILE), type=Identity)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{FILE} in the state directory {place} can't be read: {error}",
            hint="delete it, if what is there is this gateway's",
        ) from error
    if theirs != mine:
        raise ConfigError(
            f"the state directory {place} is of {theirs.words()}, and this gateway is of {mine.words()}",
            hint="choose another with --state-dir, or another --name",
        )
