"""NonceStore: one rising number per API key, over restarts and whatever the clock does.

Must not hand out a number before a bound above it is durable.
"""

from __future__ import annotations

import hashlib

import msgspec

from gwcore.errors import StorageError
from gwcore.ports import Clock, Storage

#: How far ahead the durable bound is set: one write to disk a minute of use, whatever the number of requests.
RESERVE_NS = 60 * 1_000_000_000


class _Stored(msgspec.Struct):
    bound: int  # no nonce at or above this was ever handed out


def key_name(api_key: str) -> str:
    """What a key is called on disk: says nothing of the key, and is the same in every gateway of this machine."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:32]


class NonceStore:
    """Nonces of one key in nanoseconds of the wall clock, or one above the last where the clock is behind.

    Kraken advises never to change to a smaller unit on a key in use (spot API sheet §2.3); there is none below this one.
    """

    def __init__(self, storage: Storage, name: str, clock: Clock) -> None:
        self._storage = storage
        self._file = f"{name}.nonce"
        self._clock = clock
        self._bound = self._read()
        self._last = self._bound - 1

    def _read(self) -> int:
        try:
            return msgspec.json.decode(self._storage.read(self._file), type=_Stored).bound
        except FileNotFoundError:
            return 0
        except msgspec.MsgspecError as error:
            raise StorageError(f"{self._file}: the last nonce of this key can't be read: {error}") from error

    def next(self) -> int:
        """A nonce above every one before. Raises StorageError where its bound can't be made durable."""
        nonce = max(self._clock.now_ns(), self._last + 1)
        if nonce >= self._bound:
            bound = nonce + RESERVE_NS
            self._storage.replace(self._file, msgspec.json.encode(_Stored(bound)), mode=0o600)
            self._bound = bound
        self._last = nonce
        return nonce
