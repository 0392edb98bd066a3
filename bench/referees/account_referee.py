"""What every referee of an account is: somebody else's client on it, which tells what it reads by REST and by its stream.

    GW_REFEREE_KEY=... GW_REFEREE_SECRET=... python account_referee.py NAME --ws-url URL --rest-url URL --log FILE

It runs in an environment of its own and imports nothing of the gateway; the key is one of its own too, since two clients
with one key would break each other's nonces. Commands, one a line: `state`, `rest` (asked now), `stream` (followed since the
start). A reading is `{"balances", "holds", "orders", "trades", "positions", "fees"}`, each by asset, id or symbol, with what
the client tells of it. A number is a JSON string where the client keeps the venue's text, and a JSON number where it made a
double of it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from collections import Counter
from importlib import metadata
from typing import Any

from referee import apart, run

#: Rows of a page of closed orders and of trades.
PAGE_ROWS = 50
SECTIONS = ("balances", "holds", "orders", "trades", "positions", "fees")

Reading = dict[str, dict[str, Any]]


class AccountReferee:
    """Base of all. Subclasses set `has_snapshots` once the stream told what there was before it."""

    distribution = ""

    def __init__(self, ws_url: str, rest_url: str, key: str, secret: str) -> None:
        self.ws_url = ws_url
        self.rest_url = rest_url
        self.key = key
        self.secret = secret
        self.heard: Counter[str] = Counter()  # by channel
        self.has_snapshots = False

    async def run(self) -> None:
        """Connect, subscribe the private channels, follow; until cancelled."""
        raise NotImplementedError

    def rest(self) -> Reading:
        """Everything, asked by REST. Called on a thread of its own."""
        raise NotImplementedError

    def stream(self) -> Reading:
        """What the stream told, put together as the client does it."""
        raise NotImplementedError

    async def answer(self, command: str) -> Any:
        """To `state`, `rest` and `stream`."""
        if command == "state":
            version = metadata.version(self.distribution)
            return {"version": version, "heard": self.heard, "has_snapshots": self.has_snapshots}
        if command == "rest":
            return await asyncio.to_thread(self.rest)
        return self.stream() if command == "stream" else None


def empty() -> Reading:
    """A reading without anything."""
    return {section: {} for section in SECTIONS}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--ws-url", required=True)
    parser.add_argument("--rest-url", required=True)
    parser.add_argument("--log", required=True)
    chosen = parser.parse_args()
    key, secret = os.environ["GW_REFEREE_KEY"], os.environ["GW_REFEREE_SECRET"]
    answers = apart(chosen.log)
    module = importlib.import_module(chosen.name)
    run(module.REFEREE(chosen.ws_url, chosen.rest_url, key, secret), answers)


if __name__ == "__main__":
    # The one module, whether run or imported by a referee.
    sys.modules["account_referee"] = sys.modules["__main__"]
    main()
