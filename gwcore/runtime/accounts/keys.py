"""Who uses an API key: one process at a time, with one line of nonces, whatever its state directory is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

from gwcore.errors import ConfigError
from gwcore.ports import Clock, Storage
from gwcore.runtime.accounts.nonces import NonceStore, key_name
from gwcore.runtime.journal.storage import DirectoryStorage


class Keys(Protocol):
    """The keys of this machine's user."""

    def take(self, api_key: str, account: str) -> NonceStore:
        """The nonces of a key, for this process alone until it ends. Raises ConfigError where another process has it."""
        ...


class DirectoryKeys:
    """A directory with a lock and a nonce file a key, shared by all gateways of a user."""

    def __init__(self, storage: DirectoryStorage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._locks = ExitStack()

    def take(self, api_key: str, account: str) -> NonceStore:
        """See Keys."""
        name = key_name(api_key)
        try:
            self._locks.enter_context(self._storage.lock(f"{name}.lock"))
        except ConfigError as error:
            raise ConfigError(
                f"the API key is in use by another process ({error})",
                place=f"account.{account}.key",
                hint="give each gateway a key of its own: two would break each other's nonces",
            ) from None
        return NonceStore(self._storage, name, self._clock)

    def close(self) -> None:
        """Let all keys go."""
        self._locks.close()


class StorageKeys:
    """Keys of a process that is alone with its storage (a simulation)."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    def take(self, api_key: str, account: str) -> NonceStore:
        """See Keys."""
        return NonceStore(self._storage, key_name(api_key), self._clock)
