"""A gateway with accounts as its user runs it: processes, configuration file, keys in files. Tests and shows share it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gwcore.testing.processes import Gw, Sim, ask

GW = str(Path(sys.executable).parent / "gw")


def make_sim(folder: Path, *arguments: str, accounts: int = 2) -> Sim:
    """The simulated Kraken with accounts; their keys are in `folder`/simkeys."""
    keys = ["--accounts", str(accounts), "--keys", str(folder / "simkeys")]
    return Sim(folder, "--pairs", "3", "--rate", "50", "--seed", "5", *keys, *arguments)


def do(sim: Sim, name: str, **options: object) -> Any:
    """Have something done to an account."""
    return json.loads(ask(f"{sim.rest_url}/sim/do", {"name": name, **options}))["done"]


def truth(sim: Sim, account: str) -> Any:
    """What the venue holds of an account."""
    return json.loads(ask(f"{sim.rest_url}/sim/account?{urlencode({'account': account})}"))


def config_file(folder: Path, *accounts: str, drop_copy: bool = True, verbs: str = "", **references: str) -> Path:
    """Accounts with their keys by `file:` (or the references given), and this user, who may see them all.

    `verbs`, as `"read", "create"`: what he may do; the accounts trade then.
    """
    lines = []
    for name in accounts:
        for key in ("key", "secret"):
            references.setdefault(f"{name}_{key}", f"file:{folder / 'simkeys' / name}.{key}")
        lines += [f"[account.{name}]", f'key = "{references[f"{name}_key"]}"']
        lines += [
            f'secret = "{references[f"{name}_secret"]}"',
            "check_s = 20.0",
            f'trading = "{"live" if verbs else "off"}"',
            f"[account.{name}.options]",
        ]
        lines += ['tier = "pro"']
    lines += ["[user.me]", f"uids = [{os.getuid()}]", 'accounts = ["*"]', f"drop_copy = {str(drop_copy).lower()}"]
    lines += [f"verbs = [{verbs}]"] if verbs else []
    path = folder / "accounts.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def start(folder: Path, sim: Sim, config: Path, *arguments: str, state: str = "state", **environment: str) -> Gw:
    """The gateway on one state directory."""
    environment.setdefault("GW_GATEWAY__KEYS_DIR", str(folder / "keys"))
    environment.setdefault("GW_VENUE__KRAKEN__WS_PRIVATE_URL", sim.ws_url.replace("/v2", "/auth/v2"))
    common = ("--transport", "unix", "--config", str(config))
    return Gw(folder, sim, *common, *arguments, state=state, **environment)


def rows(gateway: Gw, command: str, *arguments: str) -> list[Any]:
    """What `gw orders` and its like print as JSON."""
    result = subprocess.run(
        [GW, command, "--unix-path", str(gateway.socket_path), "--output", "json", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def log_events(gateway: Gw, kind: str) -> list[Any]:
    """All journalled events of a kind, over all runs."""
    result = subprocess.run(
        [GW, "log", "cat", "--state-dir", str(gateway.state_dir), "--kinds", kind],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return [json.loads(line)["event"] for line in result.stdout.splitlines()]
