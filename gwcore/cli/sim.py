"""`gw sim NAME`: serve a simulated venue on loopback. `gw sim fault`, `do`, `account`: control one that runs."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import msgspec

from gwcore.errors import ConfigError, NotConnected
from gwcore.plugins import SIMULATOR, load_simulator, plugin_names
from gwcore.simulator import SimulatorSpec

PORT = 9180
_LOOPBACK = "127.0.0.1"
_CONTROL_TIMEOUT_S = 10.0


class SpeedType(click.ParamType[float]):
    """A factor, or `max` (0: as fast as clients take it)."""

    name = "X|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Text to factor."""
        if value == "max":
            return 0.0
        speed: float = click.FLOAT.convert(value, param, ctx)
        if not speed > 0:
            self.fail(f"{value} is no speed: a factor above 0, or max", param, ctx)
        return speed


class ServeCommand(click.Command):
    """Serves one simulator; the end of its help is the simulator's own, read when it is shown."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What can be switched and done while it runs."""
        spec = load_simulator(self.name or "")
        for title, rows in (
            ("Faults, by `gw sim fault NAME KEY=VALUE` while it runs", spec.faults),
            ("Actions of accounts, by `gw sim do NAME KEY=VALUE` while it runs", spec.actions),
        ):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(list(rows.items()))


class SimulatorGroup(click.Group):
    """A sub-command for each simulator that is installed, and those that control one that runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of simulators, from metadata alone."""
        return sorted({*plugin_names(SIMULATOR), *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command of our own, or the one that serves a simulator."""
        known = super().get_command(ctx, cmd_name)
        if known is not None or cmd_name not in plugin_names(SIMULATOR):
            return known
        return _serve_command(cmd_name)


@click.group(name="sim", cls=SimulatorGroup)
def command() -> None:
    """Serve a simulated venue, or control one that runs."""


def _serve_command(name: str) -> click.Command:
    """`gw sim NAME` with its options."""

    @click.command(
        name=name, cls=ServeCommand, help=f"Serve the simulated venue {name} on loopback until SIGINT or SIGTERM."
    )
    @click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any free one.")
    @click.option("--host", default=_LOOPBACK, show_default=True, help="Address to serve on.")
    @click.option("--seed", type=int, help="All chance comes from it.")
    @click.option("--pairs", type=click.IntRange(1), help="How many markets.")
    @click.option("--rate", type=click.FloatRange(0), help="Market-data messages a second over all pairs.")
    @click.option("--replay", type=click.Path(exists=True, dir_okay=False), help="Play a recording (JSON Lines).")
    @click.option("--speed", type=SpeedType(), help="Of the replay.")
    @click.option("--instruments", type=click.Path(exists=True, dir_okay=False), help="Snapshot frame for the replay.")
    @click.option("--drop", type=click.IntRange(1), help="Withhold the n-th book frame of the replay from clients.")
    @click.option("--accounts", type=click.IntRange(0), help="How many accounts, named account1 and so on.")
    @click.option("--account-rate", type=click.FloatRange(0), help="What each account does by itself a second.")
    @click.option(
        "--keys",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for NAME.key and NAME.secret of each account (mode 0600).",
    )
    @click.option("--proxy", is_flag=True, help="Put a fault proxy before it: faults line.NAME, of docs/faults.md.")
    @click.option("--set", "pairs_set", multiple=True, metavar="KEY=VALUE", help="Any other setting.")
    def run(port: int, host: str, keys: Path | None, proxy: bool, pairs_set: tuple[str, ...], **options: Any) -> None:
        if proxy and host != _LOOPBACK:
            raise click.UsageError(f"--proxy serves on {_LOOPBACK} alone")
        spec = load_simulator(name)
        chosen = {key: value for key, value in options.items() if value is not None}
        for key in ("speed", "instruments", "drop"):
            if key in chosen and "replay" not in chosen:
                raise click.UsageError(f"--{key} goes with --replay FILE")
        if chosen.get("accounts") and keys is None:
            raise click.UsageError("--accounts goes with --keys DIR, where the keys are written to")
        if keys is not None and not chosen.get("accounts"):
            raise click.UsageError("--keys goes with --accounts N: without accounts there are none")
        chosen.update(_parse_pairs(pairs_set))
        _serve(spec, _settings(spec, chosen), host, port, keys, proxy=proxy)

    return run


def _settings(spec: SimulatorSpec, chosen: dict[str, Any]) -> Any:
    known = {field.name for field in msgspec.structs.fields(spec.settings)}
    for key in chosen:
        if key not in known:
            raise click.UsageError(f"simulator {spec.name} has no setting {key}; it has: {', '.join(sorted(known))}")
    try:
        return msgspec.convert(chosen, spec.settings)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"setting of simulator {spec.name}: {error}") from None


def _serve(spec: SimulatorSpec, settings: Any, host: str, port: int, keys: Path | None, *, proxy: bool) -> None:
    from gwcore.testing.proxy import LineSwitch, proxy_thread
    from gwcore.testing.serve import Server, serve_until_signal  # websockets and asyncio: only when serving

    try:
        simulator = spec.create(settings)
        if keys is not None:
            _write_keys(keys, getattr(simulator, "credentials", dict)())
    except (OSError, ValueError) as error:
        raise ConfigError(str(error), hint="see gw sim --help") from error

    switch = LineSwitch(simulator)
    stack = contextlib.ExitStack()

    def on_ready(server: Server) -> None:
        address = f"{server.host}:{server.port}"
        if proxy:
            switch.line = stack.enter_context(proxy_thread(server.host, server.port, listen_port=port))
            address = switch.line.address
        paths = list(spec.paths)
        others = "".join(f" ws{path.replace('/', '_')}=ws://{address}{path}" for path in paths[1:])
        # Control paths go past the proxy, so that a line which is stalled can be set going again.
        click.echo(f"ready ws=ws://{address}{paths[0]} rest=http://{address} control={server.rest_url}/sim/{others}")

    try:
        with stack:
            serve_until_signal(switch, host, 0 if proxy else port, on_ready)
    except OSError as error:
        raise NotConnected(f"can't listen on {host}:{port}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    # The system's own words: asyncio wraps them into a sentence that says the address again.
    is_of_system = isinstance(error, OSError) and error.errno in errno.errorcode
    return os.strerror(error.errno).lower() if is_of_system else str(error)  # type: ignore[attr-defined]


def _write_keys(folder: Path, credentials: Mapping[str, tuple[str, str]]) -> None:
    """Each key and secret in a file of its own, as `file:` references of a configuration want them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, pair in credentials.items():
        for suffix, text in zip(("key", "secret"), pair, strict=True):
            path = folder / f"{name}.{suffix}"
            path.unlink(missing_ok=True)  # an older one may have another mode
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(text + "\n")


def _control_options(call: Callable[..., int]) -> Callable[..., int]:
    """--port and --host of a running simulator."""
    host = click.option("--host", default="127.0.0.1", show_default=True, help="Where it serves.")
    port = click.option(
        "--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Where it serves."
    )
    return port(host(call))


@command.command(name="fault")
@_control_options
@click.argument("name")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
def fault(port: int, host: str, name: str, options: tuple[str, ...]) -> int:
    """Switch fault NAME of the simulator on PORT, for example: gw sim fault drop_update symbol=BTC/USD count=2.

    Lasting faults end with on=false, all of them with `restore`. `gw sim SIMULATOR --help` lists them; an unknown name is
    answered with those there are.
    """
    status, answer = _ask(host, port, "POST", "/sim/fault", {"name": name, **_parse_pairs(options)})
    return _print_answer(status, answer, answer.get("done", ""))


@command.command(name="do")
@_control_options
@click.argument("name")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
def act(port: int, host: str, name: str, options: tuple[str, ...]) -> int:
    """Do NAME to an account of the simulator on PORT, for example: gw sim do fills count=500 symbol=BTC/USD.

    It happens as if the account's owner did it elsewhere. Prints the answer as JSON; an unknown name is answered with
    those there are.
    """
    # Numbers with a point stay text, digit by digit.
    texts = {option.partition("=")[0]: option.partition("=")[2] for option in options}
    pairs = {key: texts[key] if isinstance(value, float) else value for key, value in _parse_pairs(options).items()}
    status, answer = _ask(host, port, "POST", "/sim/do", {"name": name, **pairs})
    return _print_answer(status, answer, msgspec.json.encode(answer.get("done")).decode())


@command.command(name="account")
@_control_options
@click.argument("name", default="")
def account(port: int, host: str, name: str) -> int:
    """Print the truth about account NAME of the simulator on PORT as JSON: orders, fills, balances, positions."""
    status, answer = _ask(host, port, "GET", f"/sim/account?{urlencode({'account': name})}", None)
    return _print_answer(status, answer, msgspec.json.encode(answer).decode())


def _print_answer(status: int, answer: dict[str, Any], text: str) -> int:
    if status == 200:
        click.echo(text)
        return 0
    click.echo(answer.get("error", "refused"), err=True)
    return 2


def _ask(host: str, port: int, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
    """One control request: its status and its answer. Raises NotConnected."""
    line = http.client.HTTPConnection(host, port, timeout=_CONTROL_TIMEOUT_S)
    encoded = msgspec.json.encode(body) if body is not None else None
    try:
        line.request(method, path, encoded, {"content-type": "application/json"})
        response = line.getresponse()
        return response.status, msgspec.json.decode(response.read(), type=dict[str, Any])
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise NotConnected(f"no simulator on {host}:{port}: {_reason(error)}") from error
    finally:
        line.close()


def _parse_pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    """`key=value` texts; values that are JSON numbers, booleans or null become those."""
    found: dict[str, Any] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise click.UsageError(f"{text!r} is not KEY=VALUE")
        try:
            parsed = msgspec.json.decode(value)
        except msgspec.DecodeError:
            parsed = value
        found[key] = parsed if isinstance(parsed, bool | int | float | None) else value
    return found
