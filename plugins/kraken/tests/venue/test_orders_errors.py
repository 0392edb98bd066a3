"""Every error text of the API sheet that an order request may meet (§2.2, §4.3), row by row in the sheet's order."""

from __future__ import annotations

import pytest
from gw_venue_kraken.orders.errors import TABLE, verdict_of, verdict_of_all

from gwcore.model import Fate, OrderError

E = OrderError
#: text, code, whether the same request may do better later, whether it is evidence that nothing was done
SHEET = [
    ("EGeneral:Invalid arguments", E.INVALID_ARGUMENTS, False, True),
    ("EGeneral:Invalid arguments:ordertype", E.INVALID_ARGUMENTS, False, True),
    ("EGeneral:Invalid arguments:volume", E.INVALID_QUANTITY, False, True),
    ("EGeneral:Invalid arguments:volume minimum not met", E.QUANTITY_MINIMUM, False, True),
    ("EGeneral:Invalid arguments:Index unavailable", E.UNSUPPORTED, False, True),
    (
        "EGeneral:Invalid arguments:no_mpp order option is only available when ordertype = market",
        E.INVALID_ARGUMENTS,
        False,
        True,
    ),
    ("EGeneral:Temporary lockout", E.AUTHENTICATION, True, True),
    ("EGeneral:Permission denied", E.PERMISSION, False, True),
    ("EGeneral:Internal error", E.INTERNAL, False, False),
    ("EGeneral:Internal error:91", E.INTERNAL, False, False),
    ("EGeneral:Unknown method", E.UNSUPPORTED, False, True),
    ("EGeneral:Unknown Method", E.UNSUPPORTED, False, True),
    ("EAPI:Invalid key", E.AUTHENTICATION, False, True),
    ("EAPI:Invalid signature", E.AUTHENTICATION, False, True),
    ("EAPI:Invalid nonce", E.NONCE, True, True),
    ("EAPI:Rate limit exceeded", E.RATE_LIMIT, True, True),
    ("EAPI:Bad request", E.INVALID_ARGUMENTS, False, True),
    ("EAPI:Feature disabled", E.UNSUPPORTED, False, True),
    ("EQuery:Unknown asset pair", E.UNKNOWN_SYMBOL, False, True),
    ("EQuery:Unknown asset", E.UNKNOWN_SYMBOL, False, True),
    ("EService:Unavailable", E.UNAVAILABLE, False, False),
    ("EService:Busy", E.UNAVAILABLE, False, False),
    ("EService: Throttled: 1700000000", E.RATE_LIMIT, True, True),
    ("EService:Market in cancel_only mode", E.MARKET_CLOSED, True, True),
    ("EService:Market in post_only mode", E.MARKET_CLOSED, True, True),
    ("EService:Market in limit_only mode", E.MARKET_CLOSED, True, True),
    ("EService:Deadline elapsed", E.DEADLINE, True, True),
    ("EOrder:Cannot open opposing position", E.MARGIN, False, True),
    ("EOrder:Cannot open position", E.MARGIN, False, True),
    ("EOrder:Margin allowance exceeded", E.MARGIN, False, True),
    ("EOrder:Margin level too low", E.MARGIN, False, True),
    ("EOrder:Margin position size exceeded", E.MARGIN, False, True),
    ("EOrder:Insufficient margin", E.MARGIN, False, True),
    ("EOrder:Insufficient funds", E.INSUFFICIENT_FUNDS, False, True),
    ("EOrder:Order minimum not met", E.QUANTITY_MINIMUM, False, True),
    ("EOrder:Cost minimum not met", E.COST_MINIMUM, False, True),
    ("EOrder:Tick size check failed", E.TICK_SIZE, False, True),
    ("EOrder:Invalid price", E.INVALID_PRICE, False, True),
    ("EOrder:Invalid price:XXBTZEUR price can only be specified up to 1 decimals.", E.INVALID_PRICE, False, True),
    ("EOrder:Orders limit exceeded", E.OPEN_ORDERS_LIMIT, False, True),
    ("EOrder:Rate limit exceeded", E.RATE_LIMIT, True, True),
    ("EOrder:Domain rate limit exceeded", E.RATE_LIMIT, True, True),
    ("EOrder:Positions limit exceeded", E.POSITION, False, True),
    ("EOrder:Scheduled orders limit exceeded", E.OPEN_ORDERS_LIMIT, False, True),
    ("EOrder:Unknown position", E.POSITION, False, True),
    ("EOrder:Reduce only:Non-PC", E.REDUCE_ONLY, False, True),
    ("EOrder:Reduce only:No position exists", E.REDUCE_ONLY, False, True),
    ("EOrder:Reduce only:Position is closed", E.REDUCE_ONLY, False, False),  # it fills what it can
    ("EOrder:Unknown order", E.UNKNOWN_ORDER, False, True),
    ("EOrder:Invalid order", E.INVALID_ARGUMENTS, False, True),
    ("EOrder:Post only order", E.POST_ONLY, False, True),
    ("EOrder:Trading agreement required", E.ACCOUNT, False, True),
    ("EAccount:Invalid permissions", E.PERMISSION, False, True),
    ("EAuth:Account temporary disabled", E.ACCOUNT, False, True),
    ("EAuth:Account unconfirmed", E.ACCOUNT, False, True),
    ("EAuth:Failed", E.AUTHENTICATION, False, True),
    ("EAuth:Rate limit exceeded", E.RATE_LIMIT, True, True),
    ("EAuth:Too many requests", E.RATE_LIMIT, True, True),
    ("ESession:Invalid session", E.SESSION, True, True),
    ("ETrade:Invalid request", E.INVALID_ARGUMENTS, False, True),
    ("ETrade:Locked", E.ACCOUNT, False, True),
    ("EBM:limit exceeded:CAL", E.ACCOUNT, False, True),
    ("EFunding:Max fee exceeded", E.OTHER, False, False),
    ("EDatabase:Internal error", E.INTERNAL, False, False),
    # §4.3
    ("Currency pair not supported XBT/USD", E.UNKNOWN_SYMBOL, False, True),
    ("Malformed request", E.INVALID_ARGUMENTS, False, True),
    ("Unsupported event", E.UNSUPPORTED, False, True),
    ("Unsupported field: 'price' for the given msg type: add order", E.INVALID_ARGUMENTS, False, True),
    ("Token(s) not found", E.SESSION, True, True),
    (
        "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com",
        E.UNSUPPORTED,
        False,
        True,
    ),
    ("Cash_order_qty field must be a number_float", E.INVALID_QUANTITY, False, True),
    ("Limit_price field must be a number_float", E.INVALID_PRICE, False, True),
    ("Exceeded msg rate", E.RATE_LIMIT, True, True),
]


@pytest.mark.parametrize(("text", "code", "retryable", "is_evidence"), SHEET)
def test_each_text_of_the_sheet(text: str, code: OrderError, retryable: bool, is_evidence: bool) -> None:
    verdict = verdict_of(text)
    assert (verdict.error, verdict.retryable) == (code, retryable)
    assert verdict.fate is (Fate.NOT_DONE if is_evidence else Fate.UNKNOWN)


def test_no_row_of_the_table_is_without_a_text_of_the_sheet() -> None:
    texts = [text.replace("EService: ", "EService:").lower() for text, *_ in SHEET]
    assert [row for row in TABLE if not any(text.startswith(row.lower()) for text in texts)] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "E",
        "EOrder:Something new",
        "EService:Something",
        "EGeneral:",
        "WGeneral:Danger",
        "not an error at all",
        "ok",
    ],
)
def test_words_it_does_not_know_prove_nothing(text: str) -> None:
    verdict = verdict_of(text)
    assert (verdict.error, verdict.retryable, verdict.fate) == (OrderError.OTHER, False, Fate.UNKNOWN)


@pytest.mark.parametrize(
    "text",
    [
        "EGeneral:Invalid arguments:cl_ord_id",
        "EGeneral:Invalid arguments:Duplicate id",
        "EOrder:Client order id in use",
    ],
)
def test_a_second_order_under_one_client_id_may_mean_that_the_first_is_alive(text: str) -> None:
    verdict = verdict_of(text)
    assert (verdict.error, verdict.fate) == (OrderError.DUPLICATE_ORDER_ID, Fate.UNKNOWN)


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("EService: Throttled: 1700000000", 1_700_000_000_000_000_000),
        ("EService:Throttled:1700000000", 1_700_000_000_000_000_000),
        ("EService:Throttled", None),
        ("EService:Throttled:soon", None),
        ("EService:Throttled:999999999999999999999999", None),
    ],
)
def test_throttled_says_until_when(text: str, at_ns: int | None) -> None:
    verdict = verdict_of(text)
    assert (verdict.error, verdict.fate, verdict.retry_at_ns) == (OrderError.RATE_LIMIT, Fate.NOT_DONE, at_ns)


def test_of_several_texts_the_least_certain_fate_counts() -> None:
    both = verdict_of_all(["EOrder:Insufficient funds", "EGeneral:Internal error"])
    assert (both.error, both.fate) == (OrderError.INSUFFICIENT_FUNDS, Fate.UNKNOWN)
    assert verdict_of_all([]).fate is Fate.UNKNOWN
    assert verdict_of_all(["EOrder:Insufficient funds", "EOrder:Invalid price"]).fate is Fate.NOT_DONE
