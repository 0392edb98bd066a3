"""KeySigner: signs for one API key. The secret stays in here: plugins are given this and never see it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

from gwcore.errors import ConfigError, Unsupported
from gwcore.ports import Clock
from gwcore.runtime.accounts.nonces import NonceStore
from gwcore.secrets import Secret

_DIGESTS: dict[str, Callable[..., object]] = {"hmac-sha256": hashlib.sha256, "hmac-sha512": hashlib.sha512}
#: Ending of an algorithm's name: the secret is base64 text, and the key is what it decodes to.
BASE64 = "-base64"


class KeySigner:
    """`gwcore.venue.Signer` over HMAC. Raises ConfigError for an empty key."""

    __slots__ = ("_clock", "_key", "_nonces", "_passphrase", "_secret")

    def __init__(
        self, key: Secret, secret: Secret, nonces: NonceStore, clock: Clock, passphrase: Secret | None = None
    ) -> None:
        self._key = key
        self._secret = secret
        self._nonces = nonces
        self._clock = clock
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return "KeySigner(***)"

    @property
    def key(self) -> str:
        """The public part."""
        return self._key.reveal()

    @property
    def passphrase(self) -> str:
        """What is said in plain beside the key; empty where there is none."""
        return self._passphrase.reveal() if self._passphrase is not None else ""

    def sign(self, algorithm: str, message: bytes) -> bytes:
        """A signature over `message`. Raises Unsupported, and ConfigError where the secret is no base64 as it should be."""
        digest = _DIGESTS.get(algorithm.removesuffix(BASE64))
        if digest is None:
            raise Unsupported(f"this version does not sign with {algorithm!r}")
        secret = self._secret.reveal().encode()
        if algorithm.endswith(BASE64):
            try:
                secret = base64.b64decode(secret, validate=True)
            except (binascii.Error, ValueError):
                raise ConfigError("the API secret is not base64 text: it was not copied whole") from None
        return hmac.new(secret, message, digest).digest()  # type: ignore[arg-type]

    def now_ns(self) -> int:
        """The time to sign with."""
        return self._clock.now_ns()

    def nonce(self) -> int:
        """A number above every one handed out before for this key, over restarts."""
        return self._nonces.next()
