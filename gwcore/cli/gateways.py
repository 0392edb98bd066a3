"""Which gateway a client command talks to, and what it selects: the options that all of them share."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from gwcore.errors import ConfigError
from gwcore.model import TYPE_OF_KIND
from gwcore.runtime.control.running import Running, find_running, state_root
from gwcore.suggest import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

#: Where a gateway's socket lies below its state directory.
_SOCKET = Path("run", "gw.sock")

#: Variable that holds an address, for one whose password shall not stand in the list of processes.
ADDRESS_VARIABLE = "GW_ADDRESS"

_OPTIONS = [
    click.option(
        "--address",
        metavar="A",
        envvar=ADDRESS_VARIABLE,
        show_envvar=True,
        help="Address of the gateway: nats://[USER[:PASSWORD]@]HOST:4222/ENV/VENUE, or unix:///run/gw.sock.",
    ),
    click.option("--unix-path", metavar="P", help="Path of the gateway's socket."),
    click.option("--state-dir", metavar="DIR", help="State directory of the gateway; its socket is run/gw.sock there."),
    click.option("--name", metavar="N", help="Name of the gateway, where it runs with the default state directory."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayChoice:
    """What the options of a command say of the gateway it talks to."""

    address: str | None
    unix_path: str | None
    state_dir: str | None
    name: str | None

    def find(self) -> str | Path:
        """What `connect_sync` takes. Raises ConfigError as `find_socket`."""
        others = (self.unix_path, self.state_dir, self.name)
        if self.address is None:
            return find_socket(*others)
        if any(value is not None for value in others):
            if ADDRESS_VARIABLE in os.environ and self.address == os.environ[ADDRESS_VARIABLE]:
                return find_socket(*others)  # what is written out is meant, not what stands in the environment
            raise ConfigError("--address and --unix-path, --state-dir or --name each choose a gateway", hint="give one")
        return self.address


def gateway_options(function: F) -> F:
    """Give a command the options that choose a gateway; it gets them as `gateway`, a GatewayChoice."""

    @wraps(function)
    def command(**options: Any) -> Any:
        choice = GatewayChoice(**{name: options.pop(name) for name in ("address", "unix_path", "state_dir", "name")})
        return function(gateway=choice, **options)

    for option in reversed(_OPTIONS):
        command = option(command)
    return cast("F", command)


def find_socket(unix_path: str | None, state_dir: str | None, name: str | None) -> Path:
    """The socket of the gateway meant. Without any option: the one gateway of this user that runs.

    Raises ConfigError where options contradict each other, or none or several gateways are found.
    """
    if sum(value is not None for value in (unix_path, state_dir, name)) > 1:
        raise ConfigError("--unix-path, --state-dir and --name each choose a gateway", hint="give one of them")
    if unix_path is not None:
        return Path(unix_path).expanduser()
    if state_dir is not None:
        return Path(state_dir).expanduser() / _SOCKET
    running, root = find_running(), state_root()
    if name is not None:
        named = [each for each in running if each.name == name and each.socket is not None]
        return _one_of(named, f"several gateways are called {name}") or root / name / _SOCKET
    if running:
        reachable = [each for each in running if each.socket is not None]
        found = _one_of(reachable, "several gateways run")
        if found is None:
            names = ", ".join(each.name for each in running)
            raise ConfigError(
                f"{names} runs without a socket", hint="give its --address, as nats://HOST:4222/ENV/VENUE"
            )
        return found
    # Those of a version, or of a test, that makes no entry.
    sockets = sorted(path for path in root.glob(f"*/{_SOCKET}") if _is_socket(path))
    if len(sockets) == 1:
        return sockets[0]
    if not sockets:
        raise ConfigError(f"no gateway runs with its state below {root}", hint="start one, or give --unix-path")
    names = ", ".join(path.parent.parent.name for path in sockets)
    raise ConfigError(f"several gateways have a socket below {root}: {names}", hint="choose one with --name")


def _one_of(found: list[Running], several: str) -> Path | None:
    if len(found) <= 1:
        return found[0].socket if found else None
    names = ", ".join(f"{each.name} ({each.state_dir})" for each in found)
    raise ConfigError(f"{several}: {names}", hint="choose one with --name or --state-dir; `gw ls` shows them")


def split_list(values: Iterable[str]) -> tuple[str, ...]:
    """Values of a repeated option, each of which may be a list with commas."""
    return tuple(item.strip() for value in values for item in value.split(",") if item.strip())


def check_kinds(kinds: Iterable[str]) -> None:
    """Raises ConfigError for a name that is no kind of event."""
    for kind in kinds:
        if kind not in TYPE_OF_KIND:
            raise ConfigError(
                f'no kind of event is called "{kind}"', hint=did_you_mean(kind, TYPE_OF_KIND, what="kinds")
            )


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
