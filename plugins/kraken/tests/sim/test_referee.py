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


def random_order(rng: Random) -> dict[str, str]:
    """Any kind of spot order near the touch."""
    side, kind = rng.choice(("buy", "sell")), rng.choice((*KINDS, "stop", "trail", "cash", "close", "later"))
    params = {"pair": "XBTUSD", "type": side, "volume": str(lots(rng.randint(1, 9)))}
    params["oflags"] = rng.choice(("fcib", "fciq"))
    params["stptype"] = rng.choice(("cancel-newest", "cancel-oldest", "cancel-both"))
    price = str(at_tick(rng.randint(0, 12)))
    if kind in KINDS:
        extra = dict(KINDS[kind])
        if extra.pop("oflags", ""):
            params["oflags"] += ",post"
        params |= {**extra, **({} if kind == "market" else {"price": price})}
        if kind == "iceberg":
            params["displayvol"] = "0.01"
    elif kind == "stop":
        order_type = rng.choice(("stop-loss", "take-profit", "stop-loss-limit", "take-profit-limit"))
        params |= {"ordertype": order_type, "price": rng.choice((price, "#0.5", "#1"))}
        params |= {"price2": rng.choice(("-0.5", "+0.5"))} if "limit" in order_type else {}
    elif kind == "trail":
        order_type = rng.choice(("trailing-stop", "trailing-stop-limit"))
        params |= {"ordertype": order_type, "price": rng.choice(("+0.001%", "+1", "+2.5"))}
        params |= {"price2": rng.choice(("-0.5", "+0.5"))} if "limit" in order_type else {}
    elif kind == "cash":
        params |= {"ordertype": "market", "type": "buy", "oflags": "viqc", "volume": str(rng.randint(50, 9000))}
    else:
        params |= {"ordertype": "limit", "price": price}
        if kind == "close":
            params |= {"close[ordertype]": rng.choice(("limit", "stop-loss", "take-profit")), "close[price]": "#0.5"}
        else:
            params |= {"starttm": f"+{rng.randint(1, 20)}"}
    return params


def check_books(simulator: Any, before: dict[str, dict[str, Decimal]]) -> None:
    """Nothing came from nowhere: what all lost together is their fees; nobody owes; nothing is promised twice."""
    now, fees = balances(simulator), {"BTC": Decimal(0), "USD": Decimal(0)}
    for name in NAMES:
        truth = simulator.account(name)
        for entry in truth["ledger"]:
            fees[entry["asset"]] = fees.get(entry["asset"], Decimal(0)) + Decimal(entry["fee"])
        for asset, amount in now[name].items():
            # Each fill's cost and fee are rounded by themselves, the hold was rounded once.
            slack = Decimal(len(truth["fills"])).scaleb(-simulator.feed.listing.assets[asset].precision)
            assert amount >= -slack
            assert Decimal(truth["holds"].get(asset, "0")) <= amount + slack
    for asset, fee in fees.items():
        lost = sum(before[name][asset] for name in NAMES) - sum(now[name][asset] for name in NAMES)
        assert lost == fee, asset


@pytest.mark.parametrize("seed", range(6))
def test_money_is_conserved_over_all_kinds_of_orders(stage, seed) -> None:
    """Poor accounts, so that orders fail for want of funds too; nobody else is in the market."""
    driver, simulator, clients = stage()
    rng = Random(seed)
    for name in NAMES:
        owned = simulator.account(name)["balances"]
        for asset, keep in (("BTC", Decimal("1.5")), ("USD", Decimal(100_000))):
            simulator.act("withdraw", asset=asset, amount=str(Decimal(owned[asset]) - keep), account=name)
    before, kinds = balances(simulator), set()
    for number in range(500):
        name = rng.choice(NAMES)
        client, dice = clients[name], rng.random()
        resting = [one for one in simulator.account(name)["orders"] if not one["closed_ns"]]
        if dice < 0.75 or not resting:
            client.call("AddOrder", **random_order(rng))
        elif dice < 0.85:
            client.call("CancelOrder", txid=rng.choice(resting)["order_id"])
        elif dice < 0.95:
            client.call(
                "AmendOrder", txid=rng.choice(resting)["order_id"], order_qty=str(lots(rng.randint(1, 9))),
                **({"limit_price": str(at_tick(rng.randint(0, 12)))} if rng.random() < 0.5 else {}),
            )  # fmt: skip
        else:
            client.call("EditOrder", txid=rng.choice(resting)["order_id"], pair="XBTUSD", volume=str(lots(5)))
        driver.run(rng.choice((0.0, 0.01, 3.0)))
        if number % 25 == 0:
            check_books(simulator, before)
    check_books(simulator, before)
    for name in NAMES:
        for order in simulator.account(name)["orders"]:
            kinds |= {(order["order_type"], order["status"])} | ({"secondary"} if order["parent_id"] else set())
    filled = {kind[0] for kind in kinds if kind[1:] == ("filled",)}
    assert filled >= {"limit", "market", "iceberg", "stop-loss", "take-profit"}
    assert "secondary" in kinds
