"""Kraken's public REST (sheet 2.1, 2.5): envelope, names, and the endpoints that a market-data client needs."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gw_sim_kraken.market.listing import Asset, Pair
from gw_sim_kraken.names import asset_id, old_name
from gw_sim_kraken.rest import market as rest_market
from gw_sim_kraken.rest import private as rest_private
from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.texts import SECOND_NS, second_text
from gwcore.rest import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from gw_sim_kraken.exchange import SimulatedKraken

_PUBLIC = "/0/public/"
_JSON = {"content-type": "application/json; charset=utf-8"}
#: What stands before the API says when that does not answer.
GATEWAY_PAGE = (
    b"<html><head><title>Gateway time-out</title></head><body><h1>Gateway time-out</h1>cloudflare</body></html>"
)


def answer(exchange: SimulatedKraken, request: HttpRequest) -> HttpResponse:
    """Status 200 for all that reaches the API, errors included."""
    parts = urlsplit(request.url)
    query = dict(parse_qsl(parts.query))
    if parts.path.startswith(rest_private.PREFIX):
        try:
            return _reply([], exchange.private_rest.answer(request, exchange.now_ns))
        except ApiError as error:
            return _reply([str(error)])
        except rest_private.NoAnswer as silence:
            return HttpResponse(status=silence.status, headers={"content-type": "text/html"}, body=GATEWAY_PAGE)
    if not parts.path.startswith("/0/"):
        return HttpResponse(status=404, headers={"content-type": "text/html"}, body=b"<html>404 Not Found</html>")
    call = _METHODS.get(parts.path[len(_PUBLIC) :]) if parts.path.startswith(_PUBLIC) else None
    if call is None:
        return _reply(["EGeneral:Unknown method"])
    try:
        return _reply([], call(exchange, query))
    except ApiError as error:
        return _reply([str(error)])


def _reply(errors: list[str], result: Any = None) -> HttpResponse:
    body = {"error": errors} if errors else {"error": errors, "result": result}
    return HttpResponse(status=200, headers=_JSON, body=msgspec.json.encode(body))


def _time(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    second = exchange.venue_ns() // SECOND_NS
    # "Tue, 11 Nov 25 00:17:04 +0000": the year has two digits.
    text = formatdate(second)
    head, _, tail = text.rpartition(" ")
    words = head.split(" ")
    words[3] = words[3][2:]
    return {"unixtime": second, "rfc1123": " ".join(words) + f" {tail.replace('-0000', '+0000')}"}


def _system_status(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    return {"status": exchange.system, "timestamp": second_text(exchange.venue_ns())}


def _assets(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    rows = {asset_id(asset.name): _asset_row(asset) for asset in exchange.feed.listing.assets.values()}
    if "asset" not in query:
        return rows
    by_name = {name: key for key, row in rows.items() for name in (key, row["altname"])}
    chosen = query["asset"].split(",")
    if not all(name in by_name for name in chosen):
        raise ApiError("EQuery:Unknown asset")
    return {by_name[name]: rows[by_name[name]] for name in chosen}


def _asset_row(asset: Asset) -> dict[str, Any]:
    row: dict[str, Any] = {
        "aclass": "currency",
        "altname": old_name(asset.name),
        "decimals": asset.precision,
        "display_decimals": asset.precision_display,
    }
    if asset.collateral:
        row["collateral_value"] = msgspec.Raw(asset.collateral.encode())
    row["status"] = asset.status
    if asset.borrowable:
        row["margin_rate"] = asset.margin_rate
    return row


def _asset_pairs(exchange: SimulatedKraken, query: dict[str, str]) -> Any:
    listing = exchange.feed.listing
    if "pair" not in query:
        return {pair.rest_key: _pair_row(pair) for pair in listing.pairs.values()}
    rows = {}
    for name in query["pair"].split(","):
        pair = listing.find(name)
        if pair is None:
            raise ApiError("EQuery:Unknown asset pair")
        rows[name if "/" in name else pair.rest_key] = _pair_row(pair)
    return rows


def _pair_row(pair: Pair) -> dict[str, Any]:
    leverage = [2, 3, 4, 5] if pair.marginable else []
    row = {
        "altname": pair.altname,
        "wsname": pair.wsname,
        "aclass_base": "currency",
        "base": asset_id(pair.base),
        "aclass_quote": "currency",
        "quote": asset_id(pair.quote),
        "lot": "unit",
        "cost_decimals": pair.cost_precision,
        "pair_decimals": pair.price_precision,
        "lot_decimals": pair.qty_precision,
        "lot_multiplier": 1,
        "leverage_buy": leverage,
        "leverage_sell": leverage,
        "fees": [],
        "fees_maker": [],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": _short(pair.qty_min),
        "costmin": _short(pair.cost_min),
        "tick_size": pair.tick_text,
        "status": pair.status,
        "execution_venue": "international",
    }
    if pair.marginable:
        row["long_position_limit"] = pair.position_limit_long
        row["short_position_limit"] = pair.position_limit_short
    return row


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


_METHODS: dict[str, Callable[[SimulatedKraken, dict[str, str]], Any]] = {
    "Time": _time,
    "SystemStatus": _system_status,
    "Assets": _assets,
    "AssetPairs": _asset_pairs,
    "Ticker": rest_market.ticker,
    "Depth": rest_market.depth,
    "Trades": rest_market.trades,
    "OHLC": rest_market.ohlc,
}
