"""Matching and balances against an independent naive model; money is neither made nor lost, whatever is traded."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.kraken.tests.sim.naive_exchange import NaiveExchange, NaiveOrder, half_up

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
STOPS = (
    "stop-loss", "take-profit", "stop-loss-limit", "take-profit-limit", "trailing-stop", "trailing-stop-limit",
)  # fmt: skip
OFFSETS = ("0.5", "1", "0.001%", "2.5")
#: The first trade gives triggers something to look at.
OPENING = (
    ("add", "account1", "sell", "limit", 1, 6, 1, "cancel_newest", False),
    ("add", "account2", "buy", "limit", 1, 6, 1, "cancel_newest", False),
)
LOTS = st.integers(1, 9)
TICKS = st.integers(0, 6)
ADDS = st.tuples(
    st.just("add"), st.sampled_from(NAMES), st.sampled_from(("buy", "sell")), st.sampled_from((*sorted(KINDS), *STOPS)), LOTS,
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


def add(client: Any, referee: NaiveExchange, step: Any) -> tuple[str, NaiveOrder]:
    """The same order to both."""
    _, name, side, kind, count, ticks, shown, stp, in_base = step
    params = {"pair": "XBTUSD", "type": side, "volume": str(lots(count)), "stptype": stp.replace("_", "-")}
    params["oflags"] = "fcib" if in_base else "fciq"
    options: dict[str, Any] = {"kind": kind, "stp": stp, "in_base": in_base}
    price: Decimal | None = None
    if kind in STOPS:
        params["ordertype"] = kind
        is_limited = kind.endswith("-limit")
        if kind.startswith("trailing"):
            options["offset"] = OFFSETS[shown - 1]
            params["price"] = f"+{OFFSETS[shown - 1]}"
            if is_limited:
                options["limit_offset"] = Decimal(ticks - 3) / 2
                params["price2"] = f"{options['limit_offset']:+}"
        else:
            options["trigger"], price = at_tick(ticks), at_tick(ticks + shown - 2) if is_limited else None
            params |= {"price": str(at_tick(ticks))} | ({"price2": str(price)} if is_limited else {})
    else:
        extra = dict(KINDS[kind])
        params["oflags"] += f",{extra.pop('oflags')}" if "oflags" in extra else ""
        price = None if kind == "market" else at_tick(ticks)
        params |= extra | ({} if price is None else {"price": str(price)})
        if kind == "iceberg":
            options["display"] = min(lots(shown), lots(count))
            params["displayvol"] = str(options["display"])
    (order_id,) = client.call("AddOrder", **params)["txid"]
    order = NaiveOrder(name, side, lots(count), price, **options)
    referee.add(order)
    return order_id, order


def amend(client: Any, referee: NaiveExchange, order_id: str, order: NaiveOrder, step: Any) -> None:
    """The same amend to both; a post-only order that would cross stays as it is."""
    _, _, count, ticks, shown = step
    quantity, price = lots(count), at_tick(ticks)
    params = {"txid": order_id, "order_qty": str(quantity), "limit_price": str(price)}
    display = None
    if order.display is not None and shown and quantity > order.filled:
        display = min(lots(shown), quantity - order.filled)
        params["display_qty"] = str(display)
    answer = client.call("AmendOrder", **params)
    if order.kind == "post" and answer == ["EOrder:Post only order"]:
        assert referee.best(NaiveOrder(order.account, order.side, quantity, price)) is not None
        return
    assert list(answer) == ["amend_id"], answer
    referee.amend(order, quantity, price, display)


def play(stage_made: Any, steps: Any) -> set[str]:
    """Both play the steps and are compared; the kinds of order that traded."""
    driver, simulator, clients = stage_made
    digits = {name: simulator.feed.listing.assets[name].precision for name in ("BTC", "USD")}
    before, trades_before = balances(simulator), len(simulator.trades(SYMBOL))
    referee = NaiveExchange(balances(simulator), digits)
    pairs: list[tuple[str, NaiveOrder, str]] = []
    for step in (*OPENING, *steps):
        if step[0] == "add":
            pairs.append((*add(clients[step[1]], referee, step), step[3]))
        else:
            chosen = [pair for pair in pairs if pair[1] in referee.book]
            if step[0] == "cancel":
                chosen += [pair for pair in pairs if pair[1] in referee.waiting]
            if not chosen:
                continue
            order_id, order, _ = chosen[step[1] % len(chosen)]
            if step[0] == "cancel":
                assert clients[order.account].call("CancelOrder", txid=order_id) == {"count": "1"}
                referee.cancel(order)
            else:
                amend(clients[order.account], referee, order_id, order, step)
        referee.settle_news()
    driver.run(0.001)
    compare(simulator, referee, pairs, trades_before)
    for asset in ("BTC", "USD"):
        spent = sum(one[asset] for one in before.values()) - sum(one[asset] for one in balances(simulator).values())
        assert spent == referee.fees[asset]
    return {kind for _, order, kind in pairs if order.filled}


def compare(simulator: Any, referee: NaiveExchange, pairs: Any, trades_before: int) -> None:
    truth = {order["order_id"]: order for name in NAMES for order in simulator.account(name)["orders"]}
    assert len(truth) == len(pairs)
    for order_id, order, _ in pairs:
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
        max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
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
            kind = rng.choice((*sorted(KINDS), *sorted(KINDS), *STOPS))
            who = ("add", rng.choice(NAMES), rng.choice(("buy", "sell")), kind)
            stp = rng.choice(("cancel_newest", "cancel_oldest", "cancel_both"))
            steps.append(
                (*who, rng.randint(1, 9), rng.randint(0, 12), rng.randint(1, 4), stp, rng.random() < 0.3)
            )  # fmt: skip
        elif dice < 0.9:
            steps.append(
                ("amend", rng.randint(0, 30), rng.randint(1, 9), rng.randint(0, 12), rng.randint(0, 4))
            )  # fmt: skip
        else:
            steps.append(("cancel", rng.randint(0, 30)))
    assert play(stage(), steps) == {*KINDS, *STOPS}


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


@pytest.mark.parametrize("seed", range(4))
def test_money_is_conserved_over_all_kinds_of_orders(stage, seed) -> None:
    """Poor accounts, so that orders fail for want of funds too; nobody else is in the market."""
    driver, simulator, clients = stage()
    rng = Random(seed)
    for name in NAMES:
        owned = simulator.account(name)["balances"]
        for asset, keep in (("BTC", Decimal("1.5")), ("USD", Decimal(100_000))):
            simulator.act("withdraw", asset=asset, amount=str(Decimal(owned[asset]) - keep), account=name)
    before, kinds = balances(simulator), set()
    for number in range(400):
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


def test_what_accounts_gain_a_crowd_loses(private) -> None:
    """Accounts that trade by themselves in a busy market: their spot trades against the public ones, to the last digit."""
    client = private(pairs=3, rate=60, accounts=3, account_rate=15.0, seed=9)
    client.driver.run(30)
    simulator = client.driver.simulator
    simulator.fault("freeze")
    sides: dict[tuple[str, int], list[str]] = {}
    moved: dict[str, Decimal] = {}
    for name in NAMES:
        truth = simulator.account(name)
        for fill in truth["fills"]:
            if not fill["position_status"]:
                sides.setdefault((fill["symbol"], fill["trade_id"]), []).append(fill["side"])
        for entry in truth["ledger"]:
            if entry["kind"] == "trade":
                moved[entry["asset"]] = moved.get(entry["asset"], Decimal(0)) + Decimal(entry["amount"])
    expected = dict.fromkeys(moved, Decimal(0))
    for symbol in simulator.feed.listing.pairs:
        base, quote = symbol.split("/")
        digits = {name: simulator.feed.listing.assets[name].precision for name in (base, quote)}
        for trade in simulator.trades(symbol):
            mine = sides.get((symbol, trade.trade_id), [])
            if len(mine) != 1:
                assert mine in ([], ["buy", "sell"], ["sell", "buy"])
                continue
            sign = 1 if mine[0] == "buy" else -1
            quantity = Decimal(trade.quantity)
            cost = half_up(half_up(quantity * Decimal(trade.price), 5), digits[quote])
            expected[base] += sign * half_up(quantity, digits[base])
            expected[quote] -= sign * cost
    assert len(sides) > 100
    assert moved == expected
