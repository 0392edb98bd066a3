"""`gw sim NAME`: serve a simulated venue on loopback. `gw sim fault`: switch a fault of a running one."""

from __future__ import annotations

import contextlib
import http.client
from typing import Any

import click
import msgspec

from gwcore.errors import ConfigError, NotConnected
from gwcore.plugins import SIMULATOR, load_simulator, plugin_names
from gwcore.simulator import SimulatorSpec

PORT = 9180
_LOOPBACK = "127.0.0.1"
_FAULT_TIMEOUT_S = 10.0


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


class SimulatorGroup(click.Group):
    """A sub-command for each simulator that is installed, and `fault`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of simulators, from metadata alone."""
        return sorted({*plugin_names(SIMULATOR), *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """`fault`, or the command that serves a simulator."""
        known = super().get_command(ctx, cmd_name)
        if known is not None or cmd_name not in plugin_names(SIMULATOR):
            return known
        return _serve_command(cmd_name)


@click.group(name="sim", cls=SimulatorGroup)
def command() -> None:
    """Serve a simulated venue, or switch a fault of one that runs."""


def _serve_command(name: str) -> click.Command:
    """`gw sim NAME` with its options."""

    @click.command(name=name, help=_serve_help(name))
    @click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any free one.")
    @click.option("--host", default=_LOOPBACK, show_default=True, help="Address to serve on.")
    @click.option("--seed", type=int, help="All chance comes from it.")
    @click.option("--pairs", type=click.IntRange(1), help="How many markets.")
    @click.option("--rate", type=click.FloatRange(0), help="Market-data messages a second over all pairs.")
    @click.option("--replay", type=click.Path(exists=True, dir_okay=False), help="Play a recording (JSON Lines).")
    @click.option("--speed", type=SpeedType(), help="Of the replay.")
    @click.option("--instruments", type=click.Path(exists=True, dir_okay=False), help="Snapshot frame for the replay.")
    @click.option("--drop", type=click.IntRange(1), help="Withhold the n-th book frame of the replay from clients.")
    @click.option("--proxy", is_flag=True, help="Put a fault proxy before it: faults line.NAME, of docs/faults.md.")
    @click.option("--set", "pairs_set", multiple=True, metavar="KEY=VALUE", help="Any other setting.")
    def run(port: int, host: str, proxy: bool, pairs_set: tuple[str, ...], **options: Any) -> None:
        if proxy and host != _LOOPBACK:
            raise click.UsageError(f"--proxy serves on {_LOOPBACK} alone")
        spec = load_simulator(name)
        chosen = {key: value for key, value in options.items() if value is not None}
        for key in ("speed", "instruments", "drop"):
            if key in chosen and "replay" not in chosen:
                raise click.UsageError(f"--{key} goes with --replay FILE")
        chosen.update(_parse_pairs(pairs_set))
        _serve(spec, _settings(spec, chosen), host, port, proxy=proxy)

    return run


def _serve_help(name: str) -> str:
    """What `gw sim NAME --help` says: the faults too, each in a paragraph of its own line."""
    text = f"Serve the simulated venue {name} on loopback until SIGINT or SIGTERM."
    faults = load_simulator(name).faults
    if not faults:
        return text
    lines = "\n\n".join(f"{fault}: {what}" for fault, what in faults.items())
    return f"{text}\n\nFaults, to be switched with gw sim fault while it runs:\n\n{lines}"


def _settings(spec: SimulatorSpec, chosen: dict[str, Any]) -> Any:
    known = {field.name for field in msgspec.structs.fields(spec.settings)}
    for key in chosen:
        if key not in known:
            raise click.UsageError(f"simulator {spec.name} has no setting {key}; it has: {', '.join(sorted(known))}")
    try:
        return msgspec.convert(chosen, spec.settings)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"setting of simulator {spec.name}: {error}") from None


def _serve(spec: SimulatorSpec, settings: Any, host: str, port: int, *, proxy: bool) -> None:
    from gwcore.testing.proxy import LineSwitch, proxy_thread
    from gwcore.testing.serve import Server, serve_until_signal  # websockets and asyncio: only when serving

    try:
        simulator = spec.create(settings)
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
        raise NotConnected(f"can't listen on {host}:{port}: {error.strerror or error}") from error


@command.command(name="fault")
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Where it serves.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it serves.")
@click.argument("name")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
def fault(port: int, host: str, name: str, options: tuple[str, ...]) -> int:
    """Switch fault NAME of the simulator on PORT, for example: gw sim fault drop_update symbol=BTC/USD count=2.

    Lasting faults end with on=false, all of them with `restore`. `gw sim SIMULATOR --help` lists them; an unknown name is
    answered with those there are.
    """
    body = msgspec.json.encode({"name": name, **_parse_pairs(options)})
    line = http.client.HTTPConnection(host, port, timeout=_FAULT_TIMEOUT_S)
    try:
        line.request("POST", "/sim/fault", body, {"content-type": "application/json"})
        response = line.getresponse()
        answer = msgspec.json.decode(response.read(), type=dict[str, str])
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise NotConnected(f"no simulator on {host}:{port}: {error}") from error
    finally:
        line.close()
    if response.status == 200:
        click.echo(answer.get("done", ""))
        return 0
    click.echo(answer.get("error", "refused"), err=True)
    return 2


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
