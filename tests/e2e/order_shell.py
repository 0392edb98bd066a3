"""Shell: a simulated Kraken, a gateway that trades on it, and the commands a trader types. Tests of orders share it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_spec = importlib.util.spec_from_file_location("account_processes", Path(__file__).with_name("account_processes.py"))
assert _spec is not None
assert _spec.loader is not None
play: Any = sys.modules.setdefault("account_processes", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(play)
VERBS = '"md", "read", "create", "modify", "cancel"'


class Shell:
    """One gateway, and the commands a trader types."""

    def __init__(self, folder: Path, *lines: str, account: str = "", verbs: str = VERBS) -> None:
        """`lines`: more settings of the user; `account`: one of the account."""
        self.folder = folder
        self.sim = play.make_sim(folder, accounts=1)
        self.config = play.config_file(folder, "account1", drop_copy=False, verbs=verbs)
        text = self.config.read_text() + "\n".join(lines) + "\n"
        self.config.write_text(text.replace('trading = "live"', f'trading = "live"\n{account}'))
        self.gateway = play.start(folder, self.sim, self.config)
        self.gateway.wait_ready()
        self.wait_traded()

    def wait_traded(self) -> None:
        """Until orders are taken: a dry run is."""

        def is_taken() -> bool:
            return self.run("create", "BTC/USD", "buy", "--quantity", "0.001", "--price", "20000", "--dry-run")[0] == 0

        self.gateway.wait_for("orders to be taken", is_taken)

    def run(self, *arguments: str, account: str = "account1", stdin: str | None = None) -> tuple[int, str, str]:
        """Exit code, stdout, stderr of `gw order ...`."""
        where = ("--account", account, "--unix-path", str(self.gateway.socket_path))
        result = subprocess.run(
            [play.GW, "order", arguments[0], *where, *arguments[1:]],
            capture_output=True,
            input=stdin,
            text=True,
            timeout=60,
            check=False,
        )
        return result.returncode, result.stdout, result.stderr

    def json(self, *arguments: str) -> tuple[int, Any]:
        code, out, _ = self.run(*arguments, "--json")
        return code, json.loads(out)

    def open_orders(self) -> list[Any]:
        """Orders that are open at the venue."""
        return [order for order in play.truth(self.sim, "account1")["orders"] if order["status"] in ("open", "new")]
