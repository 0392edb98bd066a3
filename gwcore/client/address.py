"""Address of a gateway: `unix:///path/gw.sock` or a plain path."""

from __future__ import annotations

from pathlib import Path

from gwcore.errors import ConfigError


def socket_path(address: str | Path) -> Path:
    """The socket an address names. Raises ConfigError for what is no address of a Unix socket."""
    text = str(address)
    scheme, separator, rest = text.partition("://")
    if not separator:
        path = text
    elif scheme == "unix" and rest.startswith("/"):
        path = rest
    else:
        raise ConfigError(f"{text!r} is no address of a gateway", hint="write unix:///run/gw.sock or a path")
    if not path:
        raise ConfigError("the address of the gateway is empty", hint="write unix:///run/gw.sock or a path")
    return Path(path)
