"""`gw run`: one gateway for one venue, until it is told to stop."""

from __future__ import annotations

from typing import Any

import click

from gwcore.cli.options import GreedyCommand, config_options, sources_of
from gwcore.config import load_config


@click.command(cls=GreedyCommand, name="run")
@config_options
def command(**options: Any) -> int:
    """Run a gateway.

    SIGHUP reads the configuration anew, as `gw ctl reload` does. SIGTERM or Ctrl-C stops the gateway in order, within the
    time that gateway.shutdown_s allows; a second one ends it at once. Settings: flags win over environment variables
    (GW_GATEWAY__BOOK_DEPTH=25, GW_VENUE__KRAKEN__REST_URL=...), and these over files; of several files the later one wins.
    """
    sources = sources_of(options)
    loaded = load_config(sources)
    # Late: it brings the network's libraries, and a wrong flag needs none.
    from gwcore.runtime.process import run_gateway

    return run_gateway(loaded.config, lambda: load_config(sources).config)
