"""`gw completion`: the lines that make a shell complete `gw` by the Tab key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

#: How each shell takes them.
_WAYS = {
    "bash": "gw completion bash > ~/.local/share/bash-completion/completions/gw",
    "zsh": 'gw completion zsh > "${fpath[1]}/_gw"',
    "fish": "gw completion fish > ~/.config/fish/completions/gw.fish",
}


@click.command(name="completion")
@click.argument("shell", type=click.Choice(sorted(_WAYS)))
def command(shell: str) -> int:
    """Print the completion of commands and options for SHELL: `source <(gw completion bash)`, or keep it in a file."""
    found = get_completion_class(shell)
    assert found is not None
    from gwcore.cli.main import cli  # late: it lists this command

    click.echo(found(cli, {}, "gw", "_GW_COMPLETE").source())
    click.echo(f"gw: to keep it: {_WAYS[shell]}", err=True)
    return 0
