"""Every kind of order that an owner may have elsewhere, told as the simulated Kraken has it, over lost sessions."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import Any

from gwcore.model import Discrepancy

_spec = importlib.util.spec_from_file_location("account_play", Path(__file__).with_name("account_play.py"))
assert _spec is not None
assert _spec.loader is not None
account_play = sys.modules.setdefault("account_play", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(account_play)
perform, violations = account_play.perform, account_play.violations


def orders(bid: str, ask: str) -> list[dict[str, Any]]:
    """One of each kind near the touch."""
    near, far = {"trigger": "-0.01", "trigger_type": "pct"}, {"trigger": "0.02", "trigger_type": "pct"}
    above = {"price": "1", "limit_type": "quote"}
    return [
        {"side": "sell", "order_type": "stop-loss", **near},
        {"side": "buy", "order_type": "stop-loss-limit", **far, **above},
        {"side": "sell", "order_type": "trailing-stop", **far},
        {"side": "buy", "order_type": "trailing-stop-limit", **far, **above},
        {"side": "buy", "order_type": "iceberg", "quantity": "0.02", "price": bid, "display": "0.005"},
        {"side": "buy", "cash": "100"},
        {"side": "buy", "price": bid, "start_in_s": 3},
        {"side": "buy", "price": ask, "close_type": "limit", "close_price": ask},
        {"side": "sell", "price": bid, "stp": "cancel_both"},
    ]


def test_every_kind_is_told_as_the_venue_has_it() -> None:
    async def act(play: Any) -> None:
        await play.ready()
        symbol = next(iter(play.simulator.feed.listing.pairs))
        for number in range(12):
            best = play.simulator.book(symbol, 1)
            for options in orders(best.bids[0][0], best.asks[0][0]):
                play.do("order", **{"symbol": symbol, "account": "account1", "quantity": "0.01", **options})
            if number % 4 == 1:
                play.fault("end_session")
            await asyncio.sleep(9.0)
        play.do("cancel_all", account="account1")
        await play.ready()
        await asyncio.sleep(260.0)
        made = {(order["order_type"], order["status"]) for order in play.simulator.account("account1")["orders"]}
        kinds = {"stop-loss", "stop-loss-limit", "trailing-stop", "trailing-stop-limit", "iceberg", "market", "limit"}
        assert {order_type for order_type, _ in made} == kinds
        assert made >= {("stop-loss", "filled"), ("iceberg", "filled"), ("limit", "expired"), ("market", "filled")}
        assert violations(play) == []
        assert play.events(Discrepancy) == []
        await play.stop()

    perform(act, seed=2, sim={"rate": 20.0, "pairs": 2})
