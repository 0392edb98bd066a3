"""Keys, tokens and creds files for tests of NATS servers: what `nsc` makes, without it.

Needs the package nkeys (extra `nkeys`). A name has always the same key: nothing made here is for use beyond a test.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]

from gwcore.testing.seeds import SeededRandom

_UNLIMITED = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
_STORE = ("mem_storage", "disk_storage", "streams", "consumer")


def make_user_key(name: str) -> Any:
    """The key pair of a user, as nkeys has it: `seed`, `public_key`, `sign`."""
    return _make_key(nkeys.PREFIX_BYTE_USER, name)


class Operator:
    """An operator with one account and the system account that a server of theirs needs."""

    def __init__(self) -> None:
        self._operator = _make_key(nkeys.PREFIX_BYTE_OPERATOR, "operator")
        self._account = _make_key(nkeys.PREFIX_BYTE_ACCOUNT, "account")
        self._system = _make_key(nkeys.PREFIX_BYTE_ACCOUNT, "system")

    def server_config(self) -> str:
        """Lines of a server's configuration."""
        free = dict.fromkeys(_UNLIMITED, -1) | {"wildcards": True}
        account = {"type": "account", "limits": free | dict.fromkeys(_STORE, -1)}
        return f"""
        operator: {_make_token(self._operator, self._operator, "O", {"type": "operator"})}
        system_account: {self._system.public_key.decode()}
        resolver: MEMORY
        resolver_preload: {{
          {self._account.public_key.decode()}: {_make_token(self._operator, self._account, "A", account)}
          {self._system.public_key.decode()}: {
            _make_token(self._operator, self._system, "SYS", {"type": "account", "limits": free})
        }
        }}
        """

    def write_creds(self, path: Path, *, publish: dict[str, Any] | None = None) -> str:
        """A creds file of a new user of the account, readable by its owner alone; its path. `publish`: what it may."""
        return write_creds(self._account, path, publish=publish)


def write_stranger_creds(path: Path) -> str:
    """A creds file that is whole, of an account no server knows."""
    return write_creds(_make_key(nkeys.PREFIX_BYTE_ACCOUNT, "stranger"), path)


def write_creds(issuer: Any, path: Path, *, publish: dict[str, Any] | None = None) -> str:
    """A creds file of a new user, signed by `issuer`."""
    user = make_user_key("gw")
    limits = {"subs": -1, "data": -1, "payload": -1}
    token = _make_token(issuer, user, "gw", {"type": "user", "pub": publish or {}, "sub": {}, **limits})
    path.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    path.chmod(0o600)
    return str(path)


def _make_key(prefix: int, name: str) -> Any:
    return nkeys.from_seed(nkeys.encode_seed(SeededRandom(1, f"nats key {name}").bytes(32), prefix))


def _make_token(issuer: Any, subject: Any, name: str, nats: dict[str, Any]) -> str:
    """A NATS JWT: claims about `subject`, signed by `issuer`."""
    claims = {
        "jti": name,
        "iat": 1_700_000_000,
        "iss": issuer.public_key.decode(),
        "name": name,
        "sub": subject.public_key.decode(),
        "nats": nats | {"version": 2},
    }
    head = _encode(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode())
    signed = f"{head}.{_encode(json.dumps(claims).encode())}"
    return f"{signed}.{_encode(issuer.sign(signed.encode()))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
