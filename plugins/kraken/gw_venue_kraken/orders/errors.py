"""What Kraken's refusals of order requests mean (API sheet §2.2, §4.3): one table from its words to ours.

NOT_DONE needs positive evidence: a row says so only where the sheet says that the request was refused. Words that this
version does not know prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from gwcore.model import Fate, OrderError

TEXT_LENGTH_MAX = 200


class Verdict(NamedTuple):
    """The meaning of one error text. `retry_at_ns`: wall clock, where the venue says until when to wait."""

    error: OrderError
    retryable: bool
    fate: Fate
    retry_at_ns: int | None = None


_NO = Fate.NOT_DONE
_UNSURE = Fate.UNKNOWN
#: The beginning of a text, without blanks around colons -> its meaning. The longest beginning that fits is meant.
TABLE: dict[str, Verdict] = {
    # §2.2, in the sheet's order.
    "EGeneral:Invalid arguments": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "EGeneral:Invalid arguments:volume": Verdict(OrderError.INVALID_QUANTITY, False, _NO),
    "EGeneral:Invalid arguments:volume minimum not met": Verdict(OrderError.QUANTITY_MINIMUM, False, _NO),
    "EGeneral:Invalid arguments:Index unavailable": Verdict(OrderError.UNSUPPORTED, False, _NO),
    "EGeneral:Invalid arguments:no_mpp": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "EGeneral:Temporary lockout": Verdict(OrderError.AUTHENTICATION, True, _NO),
    "EGeneral:Permission denied": Verdict(OrderError.PERMISSION, False, _NO),
    "EGeneral:Internal error": Verdict(OrderError.INTERNAL, False, _UNSURE),
    "EGeneral:Unknown method": Verdict(OrderError.UNSUPPORTED, False, _NO),
    "EAPI:Invalid key": Verdict(OrderError.AUTHENTICATION, False, _NO),
    "EAPI:Invalid signature": Verdict(OrderError.AUTHENTICATION, False, _NO),
    "EAPI:Invalid nonce": Verdict(OrderError.NONCE, True, _NO),
    "EAPI:Rate limit exceeded": Verdict(OrderError.RATE_LIMIT, True, _NO),
    "EAPI:Bad request": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "EAPI:Feature disabled": Verdict(OrderError.UNSUPPORTED, False, _NO),
    "EQuery:Unknown asset pair": Verdict(OrderError.UNKNOWN_SYMBOL, False, _NO),
    "EQuery:Unknown asset": Verdict(OrderError.UNKNOWN_SYMBOL, False, _NO),
    "EService:Unavailable": Verdict(OrderError.UNAVAILABLE, False, _UNSURE),
    "EService:Busy": Verdict(OrderError.UNAVAILABLE, False, _UNSURE),
    "EService:Throttled": Verdict(OrderError.RATE_LIMIT, True, _NO),
    "EService:Market in cancel_only mode": Verdict(OrderError.MARKET_CLOSED, True, _NO),
    "EService:Market in post_only mode": Verdict(OrderError.MARKET_CLOSED, True, _NO),
    "EService:Market in limit_only mode": Verdict(OrderError.MARKET_CLOSED, True, _NO),
    "EService:Deadline elapsed": Verdict(OrderError.DEADLINE, True, _NO),
    "EOrder:Cannot open opposing position": Verdict(OrderError.MARGIN, False, _NO),
    "EOrder:Cannot open position": Verdict(OrderError.MARGIN, False, _NO),
    "EOrder:Margin allowance exceeded": Verdict(OrderError.MARGIN, False, _NO),
    "EOrder:Margin level too low": Verdict(OrderError.MARGIN, False, _NO),
    "EOrder:Margin position size exceeded": Verdict(OrderError.MARGIN, False, _NO),
    "EOrder:Insufficient margin": Verdict(OrderError.MARGIN, False, _NO),
    "EOrder:Insufficient funds": Verdict(OrderError.INSUFFICIENT_FUNDS, False, _NO),
    "EOrder:Order minimum not met": Verdict(OrderError.QUANTITY_MINIMUM, False, _NO),
    "EOrder:Cost minimum not met": Verdict(OrderError.COST_MINIMUM, False, _NO),
    "EOrder:Tick size check failed": Verdict(OrderError.TICK_SIZE, False, _NO),
    "EOrder:Invalid price": Verdict(OrderError.INVALID_PRICE, False, _NO),
    "EOrder:Orders limit exceeded": Verdict(OrderError.OPEN_ORDERS_LIMIT, False, _NO),
    "EOrder:Rate limit exceeded": Verdict(OrderError.RATE_LIMIT, True, _NO),
    "EOrder:Domain rate limit exceeded": Verdict(OrderError.RATE_LIMIT, True, _NO),
    "EOrder:Positions limit exceeded": Verdict(OrderError.POSITION, False, _NO),
    "EOrder:Scheduled orders limit exceeded": Verdict(OrderError.OPEN_ORDERS_LIMIT, False, _NO),
    "EOrder:Unknown position": Verdict(OrderError.POSITION, False, _NO),
    "EOrder:Reduce only:Non-PC": Verdict(OrderError.REDUCE_ONLY, False, _NO),
    "EOrder:Reduce only:No position exists": Verdict(OrderError.REDUCE_ONLY, False, _NO),
    # It fills what it can and cancels the rest with these words: something may have been traded.
    "EOrder:Reduce only:Position is closed": Verdict(OrderError.REDUCE_ONLY, False, _UNSURE),
    "EOrder:Unknown order": Verdict(OrderError.UNKNOWN_ORDER, False, _NO),
    "EOrder:Invalid order": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "EOrder:Post only order": Verdict(OrderError.POST_ONLY, False, _NO),
    "EOrder:Trading agreement required": Verdict(OrderError.ACCOUNT, False, _NO),
    "EAccount:Invalid permissions": Verdict(OrderError.PERMISSION, False, _NO),
    "EAuth:Account temporary disabled": Verdict(OrderError.ACCOUNT, False, _NO),
    "EAuth:Account unconfirmed": Verdict(OrderError.ACCOUNT, False, _NO),
    "EAuth:Failed": Verdict(OrderError.AUTHENTICATION, False, _NO),
    "EAuth:Rate limit exceeded": Verdict(OrderError.RATE_LIMIT, True, _NO),
    "EAuth:Too many requests": Verdict(OrderError.RATE_LIMIT, True, _NO),
    "ESession:Invalid session": Verdict(OrderError.SESSION, True, _NO),
    "ETrade:Invalid request": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "ETrade:Locked": Verdict(OrderError.ACCOUNT, False, _NO),
    "EBM:limit exceeded:CAL": Verdict(OrderError.ACCOUNT, False, _NO),
    # Of withdrawals: as the answer to an order it would make no sense, so it proves nothing.
    "EFunding:": Verdict(OrderError.OTHER, False, _UNSURE),
    "EDatabase:Internal error": Verdict(OrderError.INTERNAL, False, _UNSURE),
    # §4.3, as far as it concerns trading: requests the WebSocket could not read or would not take.
    "Currency pair not supported": Verdict(OrderError.UNKNOWN_SYMBOL, False, _NO),
    "Malformed request": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "Unsupported event": Verdict(OrderError.UNSUPPORTED, False, _NO),
    "Unsupported field": Verdict(OrderError.INVALID_ARGUMENTS, False, _NO),
    "Token(s) not found": Verdict(OrderError.SESSION, True, _NO),
    "Private data and trading are unavailable on this endpoint": Verdict(OrderError.UNSUPPORTED, False, _NO),
    "Cash_order_qty field must be a number_float": Verdict(OrderError.INVALID_QUANTITY, False, _NO),
    "Limit_price field must be a number_float": Verdict(OrderError.INVALID_PRICE, False, _NO),
    "Exceeded msg rate": Verdict(OrderError.RATE_LIMIT, True, _NO),
}
UNHEARD_OF = Verdict(OrderError.OTHER, False, _UNSURE)
#: What a second order under one client id is told was not found (§3.5, §9), so any text that speaks of such ids may be it:
#: the first one may be alive.
_OF_CLIENT_IDS = ("cl_ord_id", "client order id", "duplicate")
DUPLICATE = Verdict(OrderError.DUPLICATE_ORDER_ID, False, _UNSURE)
_SECONDS = re.compile(r"\d{1,11}", re.ASCII).fullmatch
#: Longest beginnings first.
_ROWS = tuple(
    sorted(((words.lower(), verdict) for words, verdict in TABLE.items()), key=lambda row: len(row[0]), reverse=True)
)


def verdict_of(text: str) -> Verdict:
    """What an error text means; matched loosely: the case and blanks around colons say nothing (§2.1)."""
    parts = [part.strip() for part in text.split(":")]
    words = ":".join(parts).lower()
    if any(part in words for part in _OF_CLIENT_IDS):
        return DUPLICATE
    found = next((verdict for beginning, verdict in _ROWS if words.startswith(beginning)), UNHEARD_OF)
    if words.startswith("eservice:throttled") and _SECONDS(parts[-1]):
        return found._replace(retry_at_ns=int(parts[-1]) * 1_000_000_000)
    return found


def verdict_of_all(texts: Sequence[str]) -> Verdict:
    """What several error texts of one answer mean together: the first one's words, and the least certain fate."""
    verdicts = [verdict_of(text) for text in texts] or [UNHEARD_OF]
    first = verdicts[0]
    if any(each.fate is not Fate.NOT_DONE for each in verdicts):
        return first._replace(retryable=False, fate=Fate.UNKNOWN)
    return first
