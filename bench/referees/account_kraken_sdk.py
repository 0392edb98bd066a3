"""python-kraken-sdk on an account: SpotWSClient and User, given other addresses by their own parameters. Unmodified.

By REST it hands on the venue's texts. Frames it hands on as `json.loads` made them: doubles. It keeps no orders, so rows are
put together here, the later over the earlier, as its users do.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from account_referee import PAGE_ROWS, AccountReferee, Reading, empty
from kraken.spot import Market, SpotWSClient, Trade, User
from trade_kraken_sdk import SdkRest, SdkSocket

_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
_STATUSES = {"pending_new": "open", "new": "open", "partially_filled": "open", "filled": "closed"}


class SdkReferee(AccountReferee):
    distribution = "python-kraken-sdk"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        who = {"key": self.key, "secret": self.secret, "url": self.rest_url}
        self._user = User(**who)
        self._market = Market(url=self.rest_url)
        self._socket = SdkSocket()
        self.ways = {"REST": SdkRest(Trade(**who), lambda: self._altnames), "WebSocket": self._socket}
        self._stream = empty()
        self._snapshots: set[str] = set()

    async def run(self) -> None:
        logging.basicConfig(level=logging.WARNING)
        base = self.ws_url.removesuffix("/v2")
        client = SpotWSClient(
            key=self.key,
            secret=self.secret,
            callback=self._on_message,
            no_public=True,
            rest_url=self.rest_url,
            auth_ws_url=base,
        )
        await client.start()
        self._socket.client = client
        await client.subscribe(params={"channel": "executions", "snap_orders": True, "snap_trades": True})
        await client.subscribe(params={"channel": "balances", "snapshot": True})
        while not client.exception_occur:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(1)
        raise SystemExit("python-kraken-sdk gave up")

    # --- the stream ---------------------------------------------------------------------------------------------------

    async def _on_message(self, message: Any) -> None:
        self._socket.on_reply(message)
        channel = message.get("channel") if isinstance(message, dict) else None
        if channel not in ("executions", "balances"):
            return
        self.heard[channel] += 1
        for row in message["data"]:
            (self._on_execution if channel == "executions" else self._on_balance)(row)
        if message["type"] == "snapshot":
            self._snapshots.add(channel)
            self.has_snapshots = self._snapshots == {"executions", "balances"}

    def _on_balance(self, row: dict[str, Any]) -> None:
        self._stream["balances"][row["asset"]] = float(row["balance"])

    def _on_execution(self, row: dict[str, Any]) -> None:
        if row["exec_type"] == "trade":
            [fee] = row["fees"]
            self._stream["trades"][row["exec_id"]] = {
                "order": row["order_id"],
                "symbol": row["symbol"],
                "side": row["side"],
                "price": float(row["last_price"]),
                "quantity": float(row["last_qty"]),
                "cost": float(row["cost"]),
                "fee": float(fee["qty"]),
                "fee_asset": fee["asset"],
                "maker": row["liquidity_ind"] == "m",
                "market_id": str(row["trade_id"]),
            }
        order = self._stream["orders"].setdefault(row["order_id"], {})
        texts = {"symbol": "symbol", "side": "side", "order_type": "type", "cl_ord_id": "client_id"}
        numbers = {"order_qty": "quantity", "limit_price": "price"}
        numbers |= {"cum_qty": "filled", "cum_cost": "cost", "avg_price": "average"}
        order |= {ours: row[name] for name, ours in texts.items() if name in row}
        order |= {ours: float(row[name]) for name, ours in numbers.items() if name in row}
        order |= {"stop_price": float(row["triggers"]["price"])} if "triggers" in row else {}
        if "order_status" in row:
            order["status"] = _STATUSES.get(row["order_status"], row["order_status"])

    def stream(self) -> Reading:
        return self._stream

    @functools.cached_property
    def _altnames(self) -> dict[str, str]:
        return {_symbol(row): row["altname"] for row in self._market.get_asset_pairs().values()}

    # --- REST ---------------------------------------------------------------------------------------------------------

    def rest(self) -> Reading:
        market, user, reading = self._market, self._user, empty()
        assets = {key: _name(row["altname"]) for key, row in market.get_assets().items()}
        pairs = {}
        for key, row in market.get_asset_pairs().items():
            pairs[key] = pairs[row["altname"]] = _symbol(row)
        for asset, row in user.get_balances().items():
            reading["balances"][assets[asset]] = row["balance"]
            reading["holds"][assets[asset]] = row["hold_trade"]
        rows = user.get_open_orders()["open"] | _pages(lambda ofs: user.get_closed_orders(ofs=ofs)["closed"])
        reading["orders"] = {key: _order(row, pairs) for key, row in rows.items()}
        # REST tells a fee in quote always: of one that was taken in base what it is worth, not what was taken.
        in_base = {key for key, row in rows.items() if "fcib" in row["oflags"]}
        reading["orders"] |= {key: reading["orders"][key] | {"fee": None} for key in in_base}
        rows = _pages(lambda ofs: user.get_trades_history(ofs=ofs)["trades"])
        reading["trades"] = {key: _trade(row, pairs) for key, row in rows.items()}
        for row in reading["trades"].values():
            row["fee"] = None if row["order"] in in_base else row["fee"]
        for row in user.get_open_positions(docalcs=True).values():
            _add_position(reading["positions"].setdefault(pairs[row["pair"]], {}), row)
        volume = user.get_trade_volume(pair=list(market.get_asset_pairs()))
        for key, row in volume["fees"].items():
            reading["fees"][pairs[key]] = {"taker": row["fee"], "maker": volume["fees_maker"][key]["fee"]}
        return reading


def _symbol(row: dict[str, Any]) -> str:
    return "/".join(map(_name, row["wsname"].split("/")))


def _name(text: str) -> str:
    return _NAMES.get(text, text)


def _pages(ask: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while True:
        page = ask(len(found))
        found |= page
        if len(page) < PAGE_ROWS:
            return found


def _order(row: dict[str, Any], pairs: dict[str, str]) -> dict[str, Any]:
    text = row["descr"]
    # Of an order that stops, the first price is where.
    stop, limit = (text["price"], text["price2"]) if text["ordertype"].startswith("stop-") else (None, text["price"])
    return {
        "symbol": pairs[text["pair"]],
        "side": text["type"],
        "type": text["ordertype"],
        "status": row["status"],
        "quantity": row["vol"],
        "price": limit if text["ordertype"].endswith("limit") else None,
        "stop_price": stop,
        "filled": row["vol_exec"],
        "cost": row["cost"],
        "average": row["price"],
        "fee": row["fee"],
        "post_only": "post" in row["oflags"].split(","),
        "client_id": row.get("cl_ord_id"),
        "reason": (row["reason"] or "") if "reason" in row else None,  # why it ended
    }


def _add_position(sums: dict[str, str], row: dict[str, Any]) -> None:
    """The rows of a pair together, by exact decimals: the simulator does not consolidate them."""
    side = "long" if row["type"] == "buy" else "short"
    amounts = {"long": Decimal(0), "short": Decimal(0), "cost": Decimal(row["cost"])}
    amounts[side] = Decimal(row["vol"]) - Decimal(row["vol_closed"])
    for name, amount in amounts.items():
        sums[name] = format(Decimal(sums.get(name, "0")) + amount, "f")


def _trade(row: dict[str, Any], pairs: dict[str, str]) -> dict[str, Any]:
    return {
        "order": row["ordertxid"],
        "symbol": pairs[row["pair"]],
        "side": row["type"],
        "price": row["price"],
        "quantity": row["vol"],
        "cost": row["cost"],
        "fee": row["fee"],
        "maker": row["maker"],
        "market_id": str(row["trade_id"]),
    }


REFEREE = SdkReferee
