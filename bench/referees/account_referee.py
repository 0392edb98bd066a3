"""What every referee of an account is: somebody else's client on it, which tells what it reads by REST and by its stream, and
trades where it is told to.

    GW_REFEREE_KEY=... GW_REFEREE_SECRET=... python account_referee.py NAME --ws-url URL --rest-url URL --log FILE

It runs in an environment of its own and imports nothing of the gateway; the key is one of its own too, since two clients
with one key would break each other's nonces. Commands, one a line: `state`, `rest` (asked now), `stream` (followed since the
start). A reading is `{"balances", "holds", "orders", "trades", "positions", "fees"}`, each by asset, id or symbol, with what
the client tells of it. A number is a JSON string where the client keeps the venue's text, and a JSON number where it made a
double of it.

`trade {"way", "verb", "order"}` has it place, amend or cancel by one of its ways (`state` lists them with their verbs). The
answer is `{"ids": [...]}` of orders, `{"count": n}` of canceled ones, or `{"refused": "..."}` in the client's own words. An
order has the fields of `Wish`, numbers as text.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import sys
from collections import Counter
from importlib import metadata
from typing import Any, TypedDict

from referee import apart, run

#: Rows of a page of closed orders and of trades.
PAGE_ROWS = 50
SECTIONS = ("balances", "holds", "orders", "trades", "positions", "fees")

#: What a client may be told to do; a way that can't has no method of that name.
VERBS = ("place", "place_many", "amend", "edit", "cancel", "cancel_many", "cancel_all")

Reading = dict[str, dict[str, Any]]


class Wish(TypedDict, total=False):
    """An order to place, or what one (`id`) is to become; `ids` and `orders` for the verbs about many."""

    id: str
    ids: list[str]
    orders: list[Wish]
    symbol: str
    side: str
    type: str
    quantity: str
    price: str
    stop_price: str
    post_only: bool
    time_in_force: str
    client_id: str
    userref: int
    fee_asset: str  # base


class Way:
    """One way a client has to trade: a coroutine for each verb that it can, which takes a Wish and returns the answer."""

    #: What the client raises where the venue says no. Everything else is a fault and ends the referee.
    refusals: tuple[type[Exception], ...] = ()
    #: Fields of a Wish that not every client can say.
    options: tuple[str, ...] = ("fee_asset",)


class AccountReferee:
    """Base of all. Subclasses set `has_snapshots` once the stream told what there was before it, and `ways`."""

    distribution = ""

    def __init__(self, ws_url: str, rest_url: str, key: str, secret: str) -> None:
        self.ws_url = ws_url
        self.rest_url = rest_url
        self.key = key
        self.secret = secret
        self.heard: Counter[str] = Counter()  # by channel
        self.has_snapshots = False
        self.ways: dict[str, Way] = {}  # by name

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
        """To `state`, `rest`, `stream` and `trade`."""
        if command == "state":
            version = metadata.version(self.distribution)
            ways = {
                name: [*(verb for verb in VERBS if hasattr(way, verb)), *way.options] for name, way in self.ways.items()
            }
            return {"version": version, "heard": self.heard, "has_snapshots": self.has_snapshots, "ways": ways}
        if command.startswith("trade "):
            return await self._trade(**json.loads(command.removeprefix("trade ")))
        if command == "rest":
            return await asyncio.to_thread(self.rest)
        return self.stream() if command == "stream" else None

    async def _trade(self, way: str, verb: str, order: Wish) -> dict[str, Any]:
        chosen = self.ways[way]
        try:
            answer: dict[str, Any] = await getattr(chosen, verb)(order)
        except chosen.refusals as error:
            return {"refused": f"{type(error).__name__}: {error}"}
        return answer


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
