"""The three names of one market (sheet 3.1): REST key and altname, v1 `wsname`, v2 symbol."""

from __future__ import annotations

#: REST asset ids that differ from the altname.
ASSET_IDS = {
    "FEE": "KFEE", "ETC": "XETC", "ETH": "XETH", "LTC": "XLTC", "MLN": "XMLN", "REP": "XREP", "XBT": "XXBT",
    "XDG": "XXDG", "XLM": "XXLM", "XMR": "XXMR", "XRP": "XXRP", "ZEC": "XZEC", "ARS": "ZARS", "AUD": "ZAUD",
    "CAD": "ZCAD", "COP": "ZCOP", "EUR": "ZEUR", "GBP": "ZGBP", "JPY": "ZJPY", "MXN": "ZMXN", "USD": "ZUSD",
}  # fmt: skip
#: v2 names that REST and v1 write in another way.
OLD_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
#: Pairs listed after the prefixes went out of use: their key is the altname although both assets have prefixed ids.
_KEY_IS_ALTNAME = frozenset({"XDGUSD", "XDGEUR", "XRPGBP", "LTCGBP"})


def old_name(asset: str) -> str:
    """The altname of a v2 asset name: BTC -> XBT."""
    return OLD_NAMES.get(asset, asset)


def asset_id(asset: str) -> str:
    """The REST id of a v2 asset name: BTC -> XXBT."""
    name = old_name(asset)
    return ASSET_IDS.get(name, name)


def altname(base: str, quote: str) -> str:
    """The altname of a pair of v2 asset names: XBTUSD."""
    return old_name(base) + old_name(quote)


def wsname(base: str, quote: str) -> str:
    """The v1 name: XBT/USD."""
    return f"{old_name(base)}/{old_name(quote)}"


def rest_key(base: str, quote: str) -> str:
    """The key in AssetPairs: XXBTZUSD where both assets have prefixed ids, else the altname."""
    name = altname(base, quote)
    prefixed = asset_id(base) != old_name(base) and asset_id(quote) != old_name(quote)
    if not prefixed or name in _KEY_IS_ALTNAME or (quote == "AUD" and base != "XLM"):
        return name
    return asset_id(base) + asset_id(quote)
