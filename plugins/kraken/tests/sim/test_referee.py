"""Matching and balances against an independent naive model; money is neither made nor lost, whatever is traded."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.kraken.tests.sim.naive_exchange import NaiveExchange, NaiveOrder

SYMBOL = "BTC/USD"
NAMES = ("account1", "account2", "account3")
KINDS = {
    "limit": {"ordertype": "limit"},
    "post": {"ordertype": "limit", "oflags": "post"},
    "ioc": {"ordertype": "limit", "timeinforce": "IOC"},
    "fok": {"ordertype": "limit", "timeinforce": "FOK"},
    "iceberg": {"ordertype": "iceberg"},
    "market": {"ordertype": "market"},
}
LOTS = st.integers(1, 9)
TICKS = st.integers(0, 6)
ADDS = st.tuples(
    st.just("add"), st.sampled_from(NAMES), st.sampled_from(("buy", "sell")), st.sampled_from(sorted(KINDS)), LOTS,
    TICKS, st.integers(1, 4), st.sampled_from(("cancel_newest", "cancel_oldest", "cancel_both")), st.booleans(),
)  # fmt: skip
AMENDS = st.tuples(st.just("amend"), st.integers(0, 30), LOTS, TICKS, st.integers(0, 4))
CANCELS = st.tuples(st.just("cancel"), st.integers(0, 30))
STEPS = st.lists(st.one_of(ADDS, ADDS, ADDS, AMENDS, CANCELS), min_size=1, max_size=40)


def lots(count: int) -> Decimal:
    return Decimal(count) / 100


def at_tick(ticks: int) -> Decimal:
    return Decimal(70000) + Decimal(ticks) / 2


@pytest.fixture
def stage(private):
    """Three clients alone on a market: `stage()` makes a new one."""

    def make() -> Any:
        first = private(accounts=3, rest_limits=False, engine_limits=False)
        clients = {name: private(name, driver=first.driver) for name in NAMES}
        first.driver.run(0.001)
        simulator = first.driver.simulator
        market = simulator.feed.market(SYMBOL)
        for number in list(market.engine.orders):
            market.engine.cancel(number)
        return first.driver, simulator, clients

    return make


def balances(simulator: Any) -> dict[str, dict[str, Decimal]]:
    return {
        name: {asset: Decimal(amount) for asset, amount in simulator.account(name)["balances"].items()}
        for name in NAMES
    }


def play(stage_made: Any, steps: Any) -> None:
    driver, simulator, clients = stage_made
    digits = {name: simulator.feed.listing.assets[name].precision for name in ("BTC", "USD")}
    referee = NaiveExchange(balances(simulator), digits)
    before = balances(simulator)
    trades_before = len(simulator.trades(SYMBOL))
    pairs: list[tuple[str, NaiveOrder]] = []
    for step in steps:
        if step[0] == "add":
            _, name, side, kind, count, ticks, shown, stp, in_base = step
            display = min(lots(shown), lots(count)) if kind == "iceberg" else None
            price = None if kind == "market" else at_tick(ticks)
            params = {**KINDS[kind], "pair": "XBTUSD", "type": side, "volume": str(lots(count))}
            flags = [params.pop("oflags", ""), "fcib" if in_base else "fciq"]
            params |= {"stptype": stp.replace("_", "-"), "oflags": ",".join(filter(None, flags))}
            params |= {} if price is None else {"price": str(price)}
            params |= {} if display is None else {"displayvol": str(display)}
            (order_id,) = clients[name].call("AddOrder", **params)["txid"]
            order = NaiveOrder(name, side, lots(count), price, kind=kind, display=display, stp=stp, in_base=in_base)
            referee.add(order)
            pairs.append((order_id, order))
            continue
        resting = [pair for pair in pairs if pair[1] in referee.book]
        if not resting:
            continue
        order_id, order = resting[step[1] % len(resting)]
        if step[0] == "cancel":
            assert clients[order.account].call("CancelOrder", txid=order_id) == {"count": "1"}
            referee.cancel(order)
            continue
        _, _, count, ticks, shown = step
        quantity, price = lots(count), at_tick(ticks)
        params = {"txid": order_id, "order_qty": str(quantity), "limit_price": str(price)}
        display = None
        if order.display is not None and shown and quantity > order.filled:
            display = min(lots(shown), quantity - order.filled)
            params["display_qty"] = str(display)
        answer = clients[order.account].call("AmendOrder", **params)
        if order.kind == "post" and answer == ["EOrder:Post only order"]:
            probe = NaiveOrder(order.account, order.side, quantity, price)
            assert referee.best(probe) is not None
            continue
        assert list(answer) == ["amend_id"], answer
        referee.amend(order, quantity, price, display)
    driver.run(0.001)
    compare(simulator, referee, pairs, trades_before)
    for asset in ("BTC", "USD"):
        spent = sum(one[asset] for one in before.values()) - sum(one[asset] for one in balances(simulator).values())
        assert spent == referee.fees[asset]


def compare(simulator: Any, referee: NaiveExchange, pairs: Any, trades_before: int) -> None:
    truth = {order["order_id"]: order for name in NAMES for order in simulator.account(name)["orders"]}
    assert len(truth) == len(pairs)
    for order_id, order in pairs:
        found = truth[order_id]
        assert (found["status"], Decimal(found["filled"])) == (order.status, order.filled)
        assert (Decimal(found["cost"]), Decimal(found["fee"])) == (order.cost, order.fee)
    trades = [(Decimal(one.price), Decimal(one.quantity)) for one in simulator.trades(SYMBOL)[trades_before:]]
    assert trades == referee.trades
    book = simulator.book(SYMBOL, 1000)
    for side, levels in (("buy", book.bids), ("sell", book.asks)):
        assert [(Decimal(price), Decimal(quantity)) for price, quantity in levels] == referee.levels(side)
    assert balances(simulator) == {
        name: {**balances(simulator)[name], **owned} for name, owned in referee.balances.items()
    }


def test_matching_and_balances_are_those_of_a_naive_model(stage) -> None:
    @settings(
        max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(STEPS)
    def judge(steps: Any) -> None:
        play(stage(), steps)

    judge()


@pytest.mark.parametrize("seed", range(3))
def test_a_long_game_is_that_of_the_naive_model(stage, seed) -> None:
    rng = Random(seed)
    steps: list[Any] = []
    for _ in range(600):
        dice = rng.random()
        if dice < 0.7:
            steps.append(
                (
                    "add", rng.choice(NAMES), rng.choice(("buy", "sell")), rng.choice(sorted(KINDS)), rng.randint(1, 9),
                    rng.randint(0, 12), rng.randint(1, 4),
                    rng.choice(("cancel_newest", "cancel_oldest", "cancel_both")), rng.random() < 0.3,
                )
            )  # fmt: skip
        elif dice < 0.9:
            steps.append(
                ("amend", rng.randint(0, 30), rng.randint(1, 9), rng.randint(0, 12), rng.randint(0, 4))
            )  # fmt: skip
        else:
            steps.append(("cancel", rng.randint(0, 30)))
    play(stage(), steps)
