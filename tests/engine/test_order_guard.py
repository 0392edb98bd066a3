"""The guard: what does not leave, and why, in one sentence; and that nothing which leaves is above a limit."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwcore.book import BookRule, OrderBook
from gwcore.engine.clients.access import Grant
from gwcore.engine.orders.all_orders import AllOrders
from gwcore.engine.orders.guard import MarketGuard
from gwcore.engine.orders.halts import Halt, Halts
from gwcore.engine.orders.message_rate import MessageRate
from gwcore.engine.orders.ports import OpenOrder, Refusal, Requester
from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    CreateOrder,
    MarketByPriceUpdate,
    ModifyOrder,
    OrderError,
    OrderStatus,
    OrderType,
    OrderUpdate,
    PriceLevel,
    Side,
    TradingStatus,
    UpdateType,
)
from gwcore.settings import UserSettings

S = 1_000_000_000
BOB = Requester("bob", 1, Grant(user="bob", accounts=("*",), verbs=frozenset({"create", "modify", "cancel"})))
GATEWAY = Requester("", 0, Grant())


def book(bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> OrderBook:
    made = OrderBook("BTC/USD", BookRule(price_decimals=1, quantity_decimals=8, depth=10))
    made.apply(
        MarketByPriceUpdate(
            symbol="BTC/USD",
            update_type=UpdateType.SNAPSHOT,
            bids=tuple(PriceLevel(price=price, quantity=quantity) for price, quantity in bids),
            asks=tuple(PriceLevel(price=price, quantity=quantity) for price, quantity in asks),
        )
    )
    return made


class Market:
    """A market as the test wants it."""

    def __init__(self) -> None:
        self.venue = self.market = TradingStatus.ONLINE
        self.book: OrderBook | None = book([("99.0", "1")], [("101.0", "1"), ("102.0", "5")])

    def status(self, symbol: str | None) -> TradingStatus:
        return self.venue if symbol is None else self.market

    def live_book(self, symbol: str) -> OrderBook | None:
        return self.book


class View:
    """What a user has."""

    def __init__(self, *orders: OpenOrder, traded: str = "0") -> None:
        self._orders = orders
        self._traded = Decimal(traded)

    def open_orders(self) -> Iterable[OpenOrder]:
        return self._orders

    def traded(self, user: str, symbol: str) -> Decimal:
        return self._traded


def create(**fields: Any) -> CreateOrder:
    known = {"side": Side.BUY, "order_type": OrderType.LIMIT, "quantity": "1", "price": "100.0", **fields}
    return CreateOrder(account="main", order_id="a", symbol="BTC/USD", **known)


def guard(market: Market | None = None, halts: Halts | None = None, **limits: Any) -> MarketGuard:
    return MarketGuard({"bob": UserSettings(uids=(1,), **limits)}, market or Market(), halts or Halts())


def code(refusal: Refusal | None) -> OrderError | None:
    assert refusal is None or refusal.text
    return None if refusal is None else refusal.error


def mine(quantity: str, side: Side = Side.BUY, user: str = "bob", order_id: str = "o") -> OpenOrder:
    return OpenOrder(order_id, user, "BTC/USD", side, Decimal(quantity), None)


# --- the market's state ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["venue", "market"])
@pytest.mark.parametrize(
    ("status", "fields", "passes"),
    [
        (TradingStatus.ONLINE, {}, True),
        (TradingStatus.UNKNOWN, {}, True),
        (TradingStatus.CANCEL_ONLY, {}, False),
        (TradingStatus.MAINTENANCE, {"post_only": True}, False),
        (TradingStatus.DELISTED, {}, False),
        (TradingStatus.POST_ONLY, {}, False),
        (TradingStatus.POST_ONLY, {"post_only": True}, True),
        (TradingStatus.LIMIT_ONLY, {}, True),
        (TradingStatus.LIMIT_ONLY, {"order_type": OrderType.MARKET, "price": None}, False),
        (TradingStatus.REDUCE_ONLY, {}, False),
        (TradingStatus.REDUCE_ONLY, {"reduce_only": True}, True),
    ],
)
def test_a_market_takes_what_its_state_lets_through(
    where: str, status: TradingStatus, fields: dict[str, Any], passes: bool
) -> None:
    market = Market()
    setattr(market, where, status)
    refusal = guard(market).check_create(create(**fields), BOB, View())
    assert code(refusal) is (None if passes else OrderError.MARKET_CLOSED)
    assert refusal is None or f"is {status.value}" in refusal.text


@pytest.mark.parametrize("where", ["venue", "market"])
@pytest.mark.parametrize(
    ("status", "known", "change", "passes"),
    [
        (TradingStatus.ONLINE, {}, {}, True),
        (TradingStatus.CANCEL_ONLY, {"post_only": True}, {}, False),
        (TradingStatus.CANCEL_ONLY, {"order_type": None}, {}, False),
        (TradingStatus.POST_ONLY, {}, {}, False),
        (TradingStatus.POST_ONLY, {"post_only": True}, {}, True),
        (TradingStatus.POST_ONLY, {}, {"post_only": True}, True),
        (TradingStatus.POST_ONLY, {"order_type": OrderType.STOP_LOSS, "post_only": True}, {}, False),
        (TradingStatus.POST_ONLY, {"order_type": None}, {}, True),
        (TradingStatus.LIMIT_ONLY, {}, {}, True),
        (TradingStatus.LIMIT_ONLY, {"order_type": OrderType.STOP_LOSS}, {}, False),
        (TradingStatus.LIMIT_ONLY, {"order_type": OrderType.STOP_LOSS_LIMIT}, {}, True),
        (TradingStatus.REDUCE_ONLY, {}, {}, False),
        (TradingStatus.REDUCE_ONLY, {"reduce_only": True}, {}, True),
    ],
)
def test_a_change_is_let_through_as_the_order_it_makes(
    where: str, status: TradingStatus, known: dict[str, Any], change: dict[str, Any], passes: bool
) -> None:
    market = Market()
    setattr(market, where, status)
    fields = {"order_type": OrderType.LIMIT, "side": Side.BUY, "quantity": "1", **known}
    order = OrderUpdate(account="main", symbol="BTC/USD", order_status=OrderStatus.WORKING, **fields)
    request = ModifyOrder(account="main", order_id="a", price="100.0", **change)
    refusal = guard(market).check_modify(request, order, BOB, View())
    assert code(refusal) is (None if passes else OrderError.MARKET_CLOSED)
    assert refusal is None or f"is {status.value}" in refusal.text


# --- limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "fields", "view", "error"),
    [
        ({"order_quantity_max": ("BTC/* 1",)}, {}, View(), None),
        ({"order_quantity_max": ("BTC/* 1",)}, {"quantity": "1.00000001"}, View(), OrderError.USER_LIMIT),
        ({"order_quantity_max": ("ETH/* 0",)}, {}, View(), None),
        ({"order_quantity_max": ("* 5", "BTC/USD 0.5")}, {}, View(), OrderError.USER_LIMIT),  # the least counts
        ({"order_notional_max": ("*/USD 100",)}, {}, View(), None),
        ({"order_notional_max": ("*/USD 99.9",)}, {}, View(), OrderError.USER_LIMIT),
        (
            {"order_notional_max": ("*/USD 99",)},
            {"quantity": None, "cash_quantity": "100"},
            View(),
            OrderError.USER_LIMIT,
        ),
        (
            {"order_notional_max": ("*/USD 1000",)},
            {"order_type": OrderType.STOP_LOSS, "price": None, "stop_price": "1000.1"},
            View(),
            OrderError.USER_LIMIT,
        ),
        (
            {"order_notional_max": ("*/USD 1000",), "price_band_percent": "1"},
            {"order_type": OrderType.STOP_LOSS, "price": None, "stop_price": "1000.0"},
            View(),
            None,
        ),
        ({"open_orders_max": 2}, {}, View(mine("1"), mine("1", user="eve"), mine("1", user="eve")), None),
        ({"open_orders_max": 2}, {}, View(mine("1"), mine("1")), OrderError.USER_LIMIT),
        ({"position_max": ("BTC/* 2",)}, {}, View(mine("0.5"), traded="0.5"), None),
        ({"position_max": ("BTC/* 2",)}, {}, View(mine("0.6"), traded="0.5"), OrderError.USER_LIMIT),
        ({"position_max": ("BTC/* 2",)}, {"side": Side.SELL}, View(mine("9"), traded="-1"), None),
        ({"position_max": ("BTC/* 2",)}, {"side": Side.SELL}, View(traded="-1.5"), OrderError.USER_LIMIT),
        ({"position_max": ("BTC/* 2",)}, {"side": Side.SELL, "quantity": "3"}, View(traded="5"), None),  # it gets less
        ({"price_band_percent": "1"}, {"price": "101.0"}, View(), None),
        ({"price_band_percent": "1"}, {"price": "101.1"}, View(), OrderError.PRICE_BAND),
        ({"price_band_percent": "1"}, {"price": "50.0"}, View(), None),  # far on the safe side
        ({"price_band_percent": "1"}, {"side": Side.SELL, "price": "98.9"}, View(), OrderError.PRICE_BAND),
    ],
)
def test_limits_of_a_user(limits: dict[str, Any], fields: dict[str, Any], view: View, error: OrderError | None) -> None:
    assert code(guard(**limits).check_create(create(**fields), BOB, view)) is error


def test_limits_of_a_user_are_over_all_his_accounts() -> None:
    everything = AllOrders()
    everything.add(View(mine("0.6", order_id="a1"), mine("5", Side.SELL, order_id="a2"), traded="2"))
    everything.add(View(mine("0.5", order_id="b1"), mine("9", user="eve"), traded="-1.5"))
    for limits, error in (
        ({"open_orders_max": 3}, OrderError.USER_LIMIT),
        ({"open_orders_max": 4}, None),
        ({"position_max": ("BTC/* 2.6",)}, None),  # 0.5 held, 1.1 open, 1 wanted
        ({"position_max": ("BTC/* 2.59",)}, OrderError.USER_LIMIT),
    ):
        assert code(guard(**limits).check_create(create(), BOB, everything)) is error, limits


def test_an_order_at_the_market_is_judged_by_the_book_it_would_meet() -> None:
    at_market = {"order_type": OrderType.MARKET, "price": None}
    limits = {"order_notional_max": ("*/USD 204",)}
    assert code(guard(**limits).check_create(create(quantity="2", **at_market), BOB, View())) is None  # 2 x 102
    assert code(guard(**limits).check_create(create(quantity="2.1", **at_market), BOB, View())) is OrderError.USER_LIMIT
    market = Market()
    market.book = None
    refusal = guard(market, **limits).check_create(create(**at_market), BOB, View())
    assert code(refusal) is OrderError.USER_LIMIT
    assert refusal is not None
    assert "give it a limit price" in refusal.text


@pytest.mark.parametrize("limits", [{"require_live_book": True}, {"price_band_percent": "5"}])
def test_without_a_live_book_nothing_leaves_where_that_is_set(limits: dict[str, Any]) -> None:
    market = Market()
    market.book = None
    assert code(guard(market, **limits).check_create(create(), BOB, View())) is OrderError.BOOK_NOT_LIVE
    assert code(guard(market).check_create(create(), BOB, View())) is None


def test_a_change_is_judged_as_the_order_it_makes() -> None:
    order = OrderUpdate(
        account="main",
        order_id="a",
        symbol="BTC/USD",
        side=Side.BUY,
        order_status=OrderStatus.PARTIALLY_FILLED,
        quantity="2",
        price="100.0",
        traded_quantity="1",
    )
    judge = guard(order_notional_max=("* 250",), position_max=("* 3",), open_orders_max=1)
    view = View(mine("1", order_id="a"), traded="1")
    for fields, error in (
        ({"quantity": "2.5"}, None),
        ({"quantity": "2.6"}, OrderError.USER_LIMIT),
        ({"price": "125.0"}, None),
        ({"price": "126.0"}, OrderError.USER_LIMIT),
        ({"quantity": "3.1", "price": "1.0"}, OrderError.USER_LIMIT),
    ):
        change = ModifyOrder(account="main", order_id="a", **fields)
        assert code(judge.check_modify(change, order, BOB, view)) is error, fields


def test_what_an_order_for_cash_comes_to_is_judged_by_the_best_price_it_could_have() -> None:
    cash = {"order_type": OrderType.MARKET, "price": None, "quantity": None}
    limits = {"position_max": ("BTC/* 2",), "price_band_percent": "10"}  # best ask 101
    assert code(guard(**limits).check_create(create(cash_quantity="202", **cash), BOB, View())) is None
    assert code(guard(**limits).check_create(create(cash_quantity="203", **cash), BOB, View())) is OrderError.USER_LIMIT


def test_behind_an_order_for_cash_nobody_knows_the_position_until_it_has_traded() -> None:
    view = View(mine("0")._replace(remaining=None))
    refusal = guard(position_max=("BTC/* 2",)).check_create(create(quantity="0.1"), BOB, view)
    assert refusal is not None
    assert (refusal.error, "for cash" in refusal.text) == (OrderError.USER_LIMIT, True)
    assert code(guard(position_max=("BTC/* 2",)).check_create(create(side=Side.SELL), BOB, view)) is None
    assert code(guard(open_orders_max=2).check_create(create(), BOB, view)) is None


AMOUNTS = st.integers(1, 400).map(lambda cents: f"{Decimal(cents) / 100:f}")


@given(st.lists(st.tuples(st.sampled_from(Side), AMOUNTS, AMOUNTS), max_size=25), st.booleans())
def test_no_run_of_orders_that_leave_is_above_a_limit(asked: list[tuple[Side, str, str]], fills: bool) -> None:
    judge = guard(order_quantity_max=("* 3",), order_notional_max=("* 5",), position_max=("* 4",), open_orders_max=6)
    orders: list[OpenOrder] = []
    traded = Decimal(0)
    for number, (side, quantity, price) in enumerate(asked):
        request = create(side=side, quantity=quantity, price=price)
        if judge.check_create(request, BOB, View(*orders, traded=str(traded))) is not None:
            continue
        assert Decimal(quantity) <= 3
        assert Decimal(quantity) * Decimal(price) <= 5
        orders.append(mine(quantity, side, order_id=str(number)))
        assert len(orders) <= 6
        for each, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            worst = sign * traded + sum(order.remaining or 0 for order in orders if order.side is each)
            assert worst <= 4 or not any(order.side is each for order in orders)
        if fills:
            filled = orders.pop(0)
            traded += (filled.remaining or 0) * (1 if filled.side is Side.BUY else -1)


# --- halts and rates --------------------------------------------------------------------------------------------------------


EXITS = (
    CancelOrder(account="main", order_id="a"),
    CancelAllOrders(account="main"),
    CancelAllAfter(account="main", timeout_s=0),
)


@pytest.mark.parametrize(
    ("halt", "is_stopped"),
    [
        (Halt(reason="r"), True),
        (Halt(reason="r", user="bob"), True),
        (Halt(reason="r", user="eve"), False),
        (Halt(reason="r", account="main", symbol="BTC/*"), True),
        (Halt(reason="r", account="other"), False),
        (Halt(reason="r", symbol="ETH/*"), False),
    ],
)
def test_a_halt_stops_orders_and_changes_and_lets_cancels_through(halt: Halt, is_stopped: bool) -> None:
    judge = guard(halts=Halts((halt,)))
    error = OrderError.HALTED if is_stopped else None
    assert code(judge.check_create(create(), BOB, View())) is error
    change = ModifyOrder(account="main", order_id="a", price="100.0")
    order = OrderUpdate(account="main", symbol="BTC/USD", side=Side.BUY, order_status=OrderStatus.WORKING, quantity="1")
    assert code(judge.check_modify(change, order, BOB, View())) is error
    for request in EXITS:
        assert judge.check_request("main", request, BOB, 0) is None
    assert judge.check_create(create(), GATEWAY, View()) is None


def test_who_asks_too_often_is_told_then_banned_and_may_always_cancel() -> None:
    bans: list[tuple[str, float]] = []
    settings = UserSettings(uids=(1,), messages_per_s=2.0, messages_burst=3, ban_after=2, ban_s=10.0)
    judge = MarketGuard({"bob": settings}, Market(), Halts(), lambda user, seconds: bans.append((user, seconds)))
    assert [code(judge.check_request("main", create(), BOB, 0)) for _ in range(4)] == [
        None,
        None,
        None,
        OrderError.MESSAGE_RATE,
    ]
    assert bans == []
    assert code(judge.check_request("main", create(), BOB, 0)) is OrderError.MESSAGE_RATE
    assert bans == [("bob", 10.0)]
    for request in EXITS:
        assert judge.check_request("main", request, BOB, 1 * S) is None
    refusal = judge.check_request("main", create(), BOB, 9 * S)
    assert refusal is not None
    assert "only cancels pass for 1 s" in refusal.text
    assert judge.check_request("main", create(), BOB, 11 * S) is None
    assert judge.refused[OrderError.MESSAGE_RATE] == 3


def test_a_ban_outlives_a_reload() -> None:
    settings = UserSettings(uids=(1,), messages_per_s=1.0, messages_burst=1, ban_after=1, ban_s=10.0)
    judge = MarketGuard({"bob": settings}, Market(), Halts())
    for _ in range(2):
        judge.check_request("main", create(), BOB, 0)
    judge.set_users({"bob": UserSettings(uids=(1,), messages_per_s=5.0, messages_burst=5, ban_after=1, ban_s=10.0)})
    assert code(judge.check_request("main", create(), BOB, 9 * S)) is OrderError.MESSAGE_RATE
    assert judge.check_request("main", create(), BOB, 11 * S) is None


def test_a_rate_is_refilled_by_time() -> None:
    rate = MessageRate(2.0, burst=1, ban_after=100, ban_s=1.0)
    assert rate.take(0)
    assert not rate.take(S // 4)
    assert rate.take(S // 2 + S // 100)


def test_halts_of_one_scope_are_one_and_resume_names_it() -> None:
    halts = Halts()
    assert halts.add(Halt(reason="one", user="bob"))
    assert halts.add(Halt(reason="two", user="bob"))
    assert [halt.reason for halt in halts] == ["two"]
    assert halts.remove("eve", None, None) == 0
    assert halts.add(Halt(reason="three", symbol="BTC/*"))
    assert halts.remove("bob", None, None) == 1
    assert halts.remove(None, None, None) == 1
