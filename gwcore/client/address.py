"""Address of a gateway: `unix:///path/gw.sock` or a plain path; `nats://[user[:password]@]host:port/<env>/<venue>`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from gwcore.errors import ConfigError

#: Schemes of a NATS server; the second one insists on TLS.
_NATS_SCHEMES = ("nats", "tls")
_HINT = "write unix:///run/gw.sock or a path"
_NATS_FORM = "write nats://HOST:4222/<env>/<venue>, as nats://127.0.0.1:4222/sim/kraken"
#: Who a client is where nothing says so.
GUEST = "guest"


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsAddress:
    """A gateway behind NATS: servers (`nats://host:port`, without credentials), what it serves, and who asks."""

    servers: tuple[str, ...]
    environment: str
    venue: str
    user: str = ""  # empty: the address names none
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        # Without credentials: this is what errors and logs show.
        return f"{','.join(self.servers)}/{self.environment}/{self.venue}"


def gateway_address(address: str | Path) -> Path | NatsAddress:
    """A socket's path or a gateway behind NATS. Raises ConfigError for what is neither."""
    text = str(address)
    scheme, separator, rest = text.partition("://")
    if separator and scheme in _NATS_SCHEMES:
        return _nats_address(scheme, rest)
    return socket_path(address, hint=f"{_HINT}, or nats://HOST:4222/<env>/<venue>")


def socket_path(address: str | Path, *, hint: str = _HINT) -> Path:
    """The socket an address names. Raises ConfigError for what is no address of a Unix socket."""
    text = str(address)
    scheme, separator, rest = text.partition("://")
    if not separator:
        path = text
    elif scheme == "unix" and rest.startswith("/"):
        path = rest
    else:
        raise ConfigError(f"{text!r} is no address of a gateway", hint=hint)
    if not path:
        raise ConfigError("the address of the gateway is empty", hint=hint)
    return Path(path)


def _nats_address(scheme: str, rest: str) -> NatsAddress:
    authority, _, path = rest.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    parts = [unquote(part) for part in path.removesuffix("/").split("/")]
    # What is told of a bad address holds no password.
    shown = f"{scheme}://{hosts}/{path}"
    if len(parts) != 2 or not all(parts) or "?" in path or "#" in path:
        raise ConfigError(f"{shown!r} does not say which gateway: environment and venue are missing", hint=_NATS_FORM)
    servers = tuple(f"{scheme}://{host.strip()}" for host in hosts.split(",") if host.strip())
    if not servers:
        raise ConfigError(f"{shown!r} names no server", hint=_NATS_FORM)
    return NatsAddress(
        servers=servers, environment=parts[0], venue=parts[1], user=unquote(user), password=unquote(password)
    )
