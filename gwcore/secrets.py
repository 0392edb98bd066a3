"""Secrets by reference: the configuration names where a secret is, and what is read there is a `Secret` that hides itself.

Must not write a secret anywhere: no message of this module contains one.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Callable, Mapping
from typing import Annotated, NoReturn, SupportsIndex, TypeAlias

import msgspec

from gwcore.errors import ConfigError
from gwcore.redaction import MASK, remember

#: What a setting may hold in place of a secret.
REFERENCE_PATTERN = (
    r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:(/|~/)[^\x00]+|cred:[A-Za-z0-9_-][A-Za-z0-9._-]*|keyring:[^/\x00]+/[^\x00]+)$"
)
#: Largest secret read from a file.
SECRET_BYTES_MAX = 64 * 1024

#: Type of a setting that names a secret: `env:NAME`, `file:/PATH`, `cred:NAME` or `keyring:SERVICE/NAME`.
SecretRef: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=REFERENCE_PATTERN, description="where a secret is", extra={"secret": True})
]

#: How to write a reference; part of every refusal.
REFERENCE_CURE = (
    "name where the secret is: file:/PATH (mode 0600, your own), cred:NAME (systemd), keyring:SERVICE/NAME or env:NAME"
)

_reference = re.compile(REFERENCE_PATTERN)


class Secret(str):
    """A secret. As text, in a format, in JSON, in repr it is `***`; only `reveal()` gives the value.

    It is text so that whatever formats or encodes it writes the mask without being told. msgspec knows no subclass of
    `str`: it refuses one, or writes the mask with `enc_hook=mask_secret`.
    """

    __slots__ = ("_reveal",)
    _reveal: Callable[[], str]

    def __new__(cls, value: str) -> Secret:
        """Hide `value`, and have logs mask it from now on."""
        secret = super().__new__(cls, MASK)
        secret._reveal = lambda: value
        remember(value)
        return secret

    def reveal(self) -> str:
        """The value itself: for the one call that needs it."""
        return self._reveal()

    def is_equal(self, text: str) -> bool:
        """Whether `text`, which somebody sent, is the value; takes as long whatever differs."""
        return hmac.compare_digest(self.reveal().encode(), text.encode())

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return False
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # as a key it would end in listings

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Secret is not copied or pickled: pass its reference")


def mask_secret(value: object) -> str:
    """`enc_hook` for msgspec: the mask for a Secret, and TypeError for anything else it does not know."""
    if isinstance(value, Secret):
        return MASK
    raise TypeError(f"can't encode a {type(value).__name__}")


def resolve_secret(reference: SecretRef, environ: Mapping[str, str] | None = None) -> Secret:
    """Read the secret a reference names. Raises ConfigError that says what is wrong with the place, never what is in it."""
    if not _reference.match(reference):
        raise ConfigError("a secret is given by reference only", hint=REFERENCE_CURE)
    environ = os.environ if environ is None else environ
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = environ.get(rest, "")
        if not value:
            raise ConfigError(f"environment variable {rest} is not set", place=reference)
    elif kind == "file":
        value = _read(os.path.expanduser(rest), reference, own=True)
    elif kind == "keyring":
        value = _from_keyring(rest, reference)
    else:
        folder = environ.get("CREDENTIALS_DIRECTORY", "")
        if not folder:
            raise ConfigError(
                "$CREDENTIALS_DIRECTORY is not set", place=reference, hint="start with systemd's LoadCredential="
            )
        value = _read(os.path.join(folder, rest), reference, own=False)
    return Secret(value)


def _from_keyring(name: str, reference: str) -> str:
    service, _, user = name.partition("/")
    try:
        import keyring  # an extra: only who uses it needs it
    except ImportError:
        raise ConfigError(
            "the package keyring is not installed", place=reference, hint="install gwcore[keyring]"
        ) from None
    try:
        value = keyring.get_password(service, user)
    except Exception as error:  # whatever a backend raises may hold anything: its name is all that is told
        raise ConfigError(f"the keyring can't be read: {type(error).__name__}", place=reference) from None
    if not value:
        raise ConfigError("the keyring has no such secret", place=reference, hint=f"keyring set {service} {user}")
    return value


def _read(path: str, reference: str, *, own: bool) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        reason = "it is a symbolic link" if os.path.islink(path) else (error.strerror or str(error)).lower()
        raise ConfigError(f"the secret can't be read: {reason}", place=reference) from None
    try:
        _check_file(os.fstat(descriptor), reference, own=own)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(data) > SECRET_BYTES_MAX:
        raise ConfigError(f"more than {SECRET_BYTES_MAX} bytes are no secret", place=reference)
    try:
        value = data.decode().strip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError("the secret is not UTF-8 text", place=reference) from None
    if not value:
        raise ConfigError("the secret is empty", place=reference)
    return value


def _check_file(status: os.stat_result, reference: str, *, own: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError("a secret is read from a regular file only", place=reference)
    # systemd's credential files belong to root and are guarded by their directory, so only `file:` is checked further.
    if own and status.st_uid != os.geteuid():
        raise ConfigError("the file belongs to another user", place=reference, hint="chown it to the gateway's user")
    if own and status.st_mode & 0o077:
        raise ConfigError(
            f"the file's mode {stat.S_IMODE(status.st_mode):04o} lets others at it", place=reference, hint="chmod 600"
        )
