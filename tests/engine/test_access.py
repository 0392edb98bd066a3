"""Who sees and may do what: the decision table, and that every denial is an event."""

from __future__ import annotations

import pytest

from gwcore.engine.clients.access import Access, Grant
from gwcore.secrets import Secret
from gwcore.settings import UserSettings
from gwcore.transport import ClientInfo

TRADER = UserSettings(uids=(1000,), accounts=("main",), symbols=("BTC/*",), verbs=("md", "read", "create"))
BACK_OFFICE = UserSettings(nats=("office",), accounts=("*",), verbs=("read",), drop_copy=True)
ROBOT = UserSettings(token="env:TOKEN", accounts=("second",))


def access(*, open_market_data: bool = True) -> Access:
    users = {"trader": TRADER, "office": BACK_OFFICE, "robot": ROBOT}
    return Access(users, {"robot": Secret("robots-own-token")}, open_market_data=open_market_data)


def grant(identity: str, token: str = "", **options: bool) -> Grant:
    found = access(**options).grant(ClientInfo(transport="t", identity=identity), token)
    assert found is not None
    return found


SEES = [
    # identity, kind, symbol, account, whether
    ("uid:1000", "trade_summary", "BTC/USD", None, True),
    ("uid:1000", "trade_summary", "ETH/USD", None, False),
    ("uid:1000", "gateway_status", None, None, True),
    ("uid:1000", "funds", None, "main", True),
    ("uid:1000", "funds", None, "second", False),
    ("uid:1000", "position", "ETH/USD", "main", False),
    ("uid:1000", "order_update", "BTC/USD", "main", False),  # somebody else's: no drop copy
    ("uid:1000", "trade_update", "BTC/USD", "main", False),
    ("uid:1001", "trade_summary", "ETH/USD", None, True),  # nobody we know: market data is open
    ("uid:1001", "funds", None, "main", False),
    ("uid:1001", "external_latency", None, "main", False),
    ("user:office", "order_update", "ETH/USD", "main", True),
    ("user:office", "trade_update", "ETH/USD", "second", True),
    ("user:office", "trade_summary", "ETH/USD", None, False),  # no verb md
    ("user:1000", "funds", None, "main", False),  # a NATS name is no user id
]


@pytest.mark.parametrize(("identity", "kind", "symbol", "account", "whether"), SEES)
def test_who_sees_what(identity: str, kind: str, symbol: str | None, account: str | None, whether: bool) -> None:
    assert grant(identity).sees(kind, symbol, account) is whether


MAY = [
    ("uid:1000", "create", "main", "BTC/USD", ""),
    ("uid:1000", "create", "main", "ETH/USD", "the symbol ETH/USD is not granted"),
    ("uid:1000", "create", "second", "BTC/USD", "the account second is not granted"),
    ("uid:1000", "cancel", "main", None, "the verb cancel is not granted"),
    ("uid:1001", "create", "main", "BTC/USD", "the verb create is not granted"),
    ("user:office", "create", "main", "BTC/USD", "the verb create is not granted"),
]


@pytest.mark.parametrize(("identity", "verb", "account", "symbol", "why"), MAY)
def test_who_may_do_what(identity: str, verb: str, account: str, symbol: str | None, why: str) -> None:
    assert grant(identity).may(verb, account, symbol) == why


ASKS = [
    ("uid:1000", (), (), (), ""),
    ("uid:1000", (), ("*",), ("*",), ""),
    ("uid:1000", ("funds",), ("main",), (), ""),
    ("uid:1000", (), ("second",), (), "the account second is not granted"),
    ("uid:1000", (), (), ("ETH/USD",), "the symbol ETH/USD is not granted"),
    ("uid:1001", ("funds",), (), (), "funds is of accounts, and none is granted"),
    ("user:office", ("trade_summary",), (), (), "trade_summary is market data, which is not granted"),
]


@pytest.mark.parametrize(("identity", "kinds", "accounts", "symbols", "why"), ASKS)
def test_what_a_subscription_may_name(
    identity: str, kinds: tuple[str, ...], accounts: tuple[str, ...], symbols: tuple[str, ...], why: str
) -> None:
    assert grant(identity).complaint(kinds, accounts, symbols) == why


def test_a_token_says_who_somebody_is_and_a_wrong_one_nothing() -> None:
    assert grant("uid:1000", "robots-own-token").user == "robot"
    assert access().grant(ClientInfo(transport="t", identity="uid:1000"), "wrong") is None
    assert grant("uid:1000").user == "trader"


def test_nothing_of_an_account_goes_onto_the_bus_unless_it_is_said() -> None:
    bus = ClientInfo(transport="nats", identity="bus")
    assert not access().grant(bus, "").sees("funds", None, "main")  # type: ignore[union-attr]
    shared = Access({"bus": UserSettings(bus=True, accounts=("main",), drop_copy=True)})
    assert shared.grant(bus, "").sees("order_update", "BTC/USD", "main")  # type: ignore[union-attr]
    assert not shared.grant(bus, "").sees("funds", None, "second")  # type: ignore[union-attr]


def test_market_data_may_be_closed() -> None:
    assert not grant("uid:1001", open_market_data=False).sees("trade_summary", "BTC/USD", None)
    assert grant("uid:1001", open_market_data=False).sees("gateway_status", None, None)
    assert grant("uid:1000", open_market_data=False).sees("trade_summary", "BTC/USD", None)
