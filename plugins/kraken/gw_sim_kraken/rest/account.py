"""Private REST: balances, fees, the key itself, tokens (sheet 2.6)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gw_sim_kraken.accounts import funds
from gw_sim_kraken.accounts.amounts import ZERO, fixed
from gw_sim_kraken.accounts.api_key import PERMISSIONS
from gw_sim_kraken.accounts.tiers import FEES, FeeStep, fee_step
from gw_sim_kraken.accounts.tokens import EXPIRES_S
from gw_sim_kraken.market.listing import Asset
from gw_sim_kraken.names import asset_id
from gw_sim_kraken.rest.market import ApiError
from gw_sim_kraken.texts import SECOND_NS

if TYPE_CHECKING:
    from gw_sim_kraken.rest.private import Caller

#: GetApiKeyInfo is open to every key.
ANY_PERMISSION = PERMISSIONS
_USD_DECIMALS = 4


def balance(caller: Caller) -> Any:
    """Balance: asset id -> text at the asset's ledger precision."""
    return {asset_id(asset.name): fixed(amount, asset.precision) for asset, amount in _balances(caller)}


def balance_ex(caller: Caller) -> Any:
    """BalanceEx: with what open orders hold."""
    held = funds.holds(caller.account, caller.exchange.feed.listing, caller.now_ns)
    return {
        asset_id(asset.name): {
            "balance": fixed(amount, asset.precision),
            "hold_trade": fixed(held.get(asset.name, ZERO), asset.precision),
        }
        for asset, amount in _balances(caller)
    }


def trade_balance(caller: Caller) -> Any:
    """TradeBalance: in the asset that was asked for; `ml` only with positions."""
    name = caller.params.get("asset", "ZUSD")
    asset = next((one for one in caller.exchange.feed.listing.assets if name in (one, asset_id(one))), None)
    valuation = caller.exchange.accounts.valuation
    rate = valuation.rate(asset) if asset is not None else ZERO
    if not rate:
        raise ApiError("EQuery:Unknown asset")
    figures = valuation.figures(caller.account)
    waiting = sum(
        (
            order.remaining * order.price * valuation.rate(order.market.pair.quote)
            for order in caller.account.open_orders.values()
            if order.price is not None
        ),
        ZERO,
    )
    row = {
        "eb": figures.equivalent,
        "tb": figures.equivalent,
        "m": figures.margin,
        "uv": waiting,
        "n": figures.net,
        "c": figures.cost,
        "v": figures.value,
        "e": figures.equity,
        "mf": figures.free,
    }
    texts = {key: fixed(value / rate, _USD_DECIMALS) for key, value in row.items()}
    if figures.margin:
        texts["ml"] = fixed(figures.equity * 100 / figures.margin, 2)
    return texts


def trade_volume(caller: Caller) -> Any:
    """TradeVolume: the volume of 30 days, and the fees of the pairs that are named."""
    volume = caller.account.volume(caller.now_ns)
    asked = caller.params.get("pair", "")
    parts = asked if isinstance(asked, list) else str(asked).split(",")
    names = [str(name).strip() for name in parts if str(name).strip()]
    found = [caller.exchange.feed.listing.find(name) for name in names]
    keys = [pair.rest_key for pair in found if pair is not None]
    if len(keys) != len(names):
        raise ApiError("EQuery:Unknown asset pair")
    step = fee_step(volume)
    taker = {key: _fee_row(step, [one.taker for one in FEES]) for key in keys}
    maker = {key: _fee_row(step, [one.maker for one in FEES]) for key in keys}
    return {
        "currency": "ZUSD",
        "volume": fixed(volume, _USD_DECIMALS),
        "fees": taker or None,
        "fees_maker": maker or None,
    }


def api_key_info(caller: Caller) -> Any:
    """GetApiKeyInfo; names as in a recorded answer (the documentation has camelCase). Times are text seconds."""
    key = caller.key
    created = str(key.created_ns // SECOND_NS)
    return {
        "api_key_name": key.name,
        "api_key": key.public,
        "nonce": str(key.nonce),
        "nonce_window": str(key.nonce_window),
        "permissions": [one for one in PERMISSIONS if one in key.permissions],
        "iban": "",
        "valid_until": "0",
        "query_from": "0",
        "query_to": "0",
        "created_time": created,
        "modified_time": created,
        "ip_allowlist": [],
        "last_used": str(key.last_used_ns // SECOND_NS),
    }


def websockets_token(caller: Caller) -> Any:
    """GetWebSocketsToken."""
    refused = caller.exchange.account_faults.token_error
    if refused:
        raise ApiError(refused)
    accounts = caller.exchange.accounts
    token = accounts.tokens.issue(accounts.ids.token(), caller.key, caller.now_ns)
    return {"token": token.text, "expires": EXPIRES_S}


def _balances(caller: Caller) -> list[tuple[Asset, Decimal]]:
    """Assets with their balances as REST knows them by now."""
    account, assets = caller.account, caller.exchange.feed.listing.assets
    rows = []
    for name, amount in account.balances.items():
        known = amount
        if caller.as_of_ns is not None:
            entries = (entry for entry in account.entries_of(name) if caller.sees(entry.time_ns))
            entry = next(entries, None)
            known = entry.balance if entry is not None else ZERO
        rows.append((assets[name], known))
    return rows


def _fee_row(step: int, percents: list[Decimal]) -> dict[str, str | None]:
    following: FeeStep | None = FEES[step + 1] if step + 1 < len(FEES) else None
    return {
        "fee": fixed(percents[step], 4),
        "minfee": fixed(percents[-1], 4),
        "maxfee": fixed(percents[0], 4),
        "nextfee": fixed(percents[step + 1], 4) if following is not None else None,
        "tiervolume": fixed(FEES[step].volume, 4),
        "nextvolume": fixed(following.volume, 4) if following is not None else None,
    }
