"""One tree of errors; each class says what the caller does about it.

GatewayError
├── ConfigError         the operator mends the configuration, then starts again
├── PluginError         the operator mends or leaves out the plugin
├── VenueError
│   ├── DecodeError         count the frame, keep it, go on: one bad frame never kills a connection
│   ├── VenueUnavailable    try again after `retry_after_s`, with back-off
│   ├── VenueRejected       do not send the same again
│   └── AuthenticationError halt the account, leave market data alone
├── NotConnected        keep what was to be sent; try again when connected
├── StorageError        the journal or a file can't be written or trusted: follow the stated policy
│   └── RecordsGone         tell what is missing, read on: the reader stands behind it
├── ProtocolError       the peer broke the client protocol: cut it with the reason
└── Unsupported         the venue has no such ability; do not ask again
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class GatewayError(Exception):
    """Root of all errors that gwcore raises on purpose."""

    retryable: ClassVar[bool] = False


class ConfigError(GatewayError):
    """The configuration is wrong. `place` names file, line and key; `hint` names the cure."""

    def __init__(self, message: str, *, place: str = "", hint: str = "") -> None:
        self.place = place
        self.hint = hint
        super().__init__((f"{place}: " if place else "") + message + (f" ({hint})" if hint else ""))


class PluginError(GatewayError):
    """A plugin is missing, broken, registered twice, or made for another version."""

    def __init__(self, message: str, *, plugin: str = "") -> None:
        self.plugin = plugin
        super().__init__(message)


class VenueError(GatewayError):
    """Something at the venue, or in what it said."""


class DecodeError(VenueError):
    """A frame or body that does not say what it should. Nothing of it was used."""


class VenueUnavailable(VenueError):
    """The venue can't answer now."""

    retryable = True

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class VenueRejected(VenueError):
    """The venue refused. `text` is its own words."""

    def __init__(self, message: str, *, text: str = "") -> None:
        self.text = text
        super().__init__(message)


class AuthenticationError(VenueError):
    """Key, signature, token or session refused."""


class NotConnected(GatewayError):
    """There is no connection to send on."""

    retryable = True


class StorageError(GatewayError):
    """A file can't be written, synced or trusted."""


class MissingSequences(NamedTuple):
    """Records of one session that are missing; inclusive, None where a bound is not known."""

    partition: str
    session_id: str
    first_sequence: int | None
    last_sequence: int | None


class RecordsGone(StorageError):
    """Records that were to be read next are gone by retention. `sequences`: which, as far as it is known."""

    def __init__(self, message: str, sequences: tuple[MissingSequences, ...] = ()) -> None:
        self.sequences = sequences
        super().__init__(message)


class ProtocolError(GatewayError):
    """The peer sent what the client protocol does not allow."""


class Unsupported(GatewayError):
    """The venue lacks this ability."""
