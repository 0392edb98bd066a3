"""Kraken's three naming schemes and its words, mapped onto ours (API sheet §3.1, §3.8). Pure functions."""

from __future__ import annotations

from gwcore.model import Channel, TradingStatus
from gwcore.numbers import decimal_text

#: Assets that v1 and REST altnames call otherwise than v2 does. Ids are never mapped by cutting prefixes (XTZ, ZRX).
_V2_OF_V1 = {"XBT": "BTC", "XDG": "DOGE"}
_V1_OF_V2 = {new: old for old, new in _V2_OF_V1.items()}

TRADING_STATUS = {
    "online": TradingStatus.ONLINE,
    "post_only": TradingStatus.POST_ONLY,
    "limit_only": TradingStatus.LIMIT_ONLY,
    "reduce_only": TradingStatus.REDUCE_ONLY,
    "cancel_only": TradingStatus.CANCEL_ONLY,
    "maintenance": TradingStatus.MAINTENANCE,
    "delisted": TradingStatus.DELISTED,
    "work_in_progress": TradingStatus.UNAVAILABLE,
}

CHANNELS = {
    "instrument": Channel.INSTRUMENT,
    "status": Channel.STATUS,
    "book": Channel.BOOK,
    "trade": Channel.TRADE,
    "ticker": Channel.TICKER,
    "ohlc": Channel.OHLC,
}

#: Asset status: REST writes underscores, v2 does not; REST's form is ours.
ASSET_STATUS = {
    "depositonly": "deposit_only",
    "withdrawalonly": "withdrawal_only",
    "fundingtemporarilydisabled": "funding_temporarily_disabled",
    "workinprogress": "work_in_progress",
}


def v2_asset(name: str) -> str:
    """The v2 name of an asset, from its v1 name or REST altname (`XBT` -> `BTC`)."""
    return _V2_OF_V1.get(name, name)


def split_pair(wsname: str) -> tuple[str, str] | None:
    """Base and quote of a pair name, as v2 calls them; None where it is no pair name.

    A venue suffix (`BTC/USD:BTNL`) stays out of the quote.
    """
    base, slash, rest = wsname.partition("/")
    quote = rest.partition(":")[0]
    return (v2_asset(base), v2_asset(quote)) if slash and base and quote else None


def v2_symbol(wsname: str) -> str | None:
    """The v2 symbol of a v1 pair name (`XBT/USD` -> `BTC/USD`); None where it is no pair name."""
    parts = split_pair(wsname)
    if parts is None:
        return None
    _, colon, suffix = wsname.partition(":")
    return f"{parts[0]}/{parts[1]}{colon}{suffix}"


def v1_symbol(symbol: str) -> str:
    """The v1 pair name of a v2 symbol (`BTC/USD` -> `XBT/USD`)."""
    base, slash, rest = symbol.partition("/")
    quote, colon, suffix = rest.partition(":")
    return f"{_V1_OF_V2.get(base, base)}{slash}{_V1_OF_V2.get(quote, quote)}{colon}{suffix}"


def trading_status(word: str | None) -> TradingStatus:
    """Our status for the venue's word: UNKNOWN for a new one, ONLINE for none (before 2022 pairs had no status)."""
    return TradingStatus.ONLINE if word is None else TRADING_STATUS.get(word, TradingStatus.UNKNOWN)


def asset_status(word: str | None) -> str | None:
    """The status of an asset in REST's spelling, whichever interface it came from."""
    return None if word is None else ASSET_STATUS.get(word, word)


def execution_venue(word: str | None) -> str | None:
    """The name of an execution venue in REST's spelling (v2 has a hyphen where REST has an underscore)."""
    return None if word is None else word.replace("-", "_")


def fact_text(value: object) -> str:
    """A reference number as text without zeros that say nothing: REST and v2 write the same fact differently
    (`0.5` and `0.50`, `0.00000001` and `1e-08`), and the two must compare equal. Raises NumberError."""
    text = decimal_text(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def optional_fact(value: object) -> str | None:
    """`fact_text`, with None for None."""
    return None if value is None else fact_text(value)


def step_text(decimals: int) -> str:
    """The smallest step a number of so many decimals can make: 2 -> `0.01`, 0 -> `1`."""
    return "1" if decimals <= 0 else "0." + "1".rjust(decimals, "0")
