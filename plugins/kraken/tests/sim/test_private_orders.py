"""Life of accounts' orders: reports in Kraken's order and shapes, REST, balances and the truth to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gwcore.testing.fixtures import fixture_path, received_frames, requires_fixtures

SYMBOL = "BTC/USD"


@pytest.fixture
def client(watched):
    return watched


def test_a_resting_order_is_told_as_recorded(client) -> None:
    made = client.do(
        "order", symbol=SYMBOL, side="buy", quantity="0.0001", price=client.low(), cl_ord_id="b6755a8d4d000200"
    )
    pending, new = client.new()
    assert list(pending) == [
        "order_id", "symbol", "order_qty", "cum_cost", "time_in_force", "exec_type", "side", "order_type", "cl_ord_id",
        "limit_price_type", "limit_price", "stop_price", "order_status", "fee_usd_equiv", "fee_ccy_pref", "timestamp",
    ]  # fmt: skip
    assert (pending["order_qty"], pending["cum_cost"], pending["stop_price"]) == ("0.00010000", "0.00000", "0.0")
    assert list(new) == ["timestamp", "order_status", "exec_type", "cl_ord_id", "order_id"]
    assert [one["sequence"] for one in client.messages()] == ["1", "2", "3"]
    row = client.call("OpenOrders")["open"][made["order_id"]]
    assert (row["status"], row["vol"], row["vol_exec"]) == ("open", "0.00010000", "0.00000000")
    assert row["descr"]["order"] == f"buy 0.00010000 XBTUSD @ limit {client.low()}"
    assert Decimal(client.call("BalanceEx")["ZUSD"]["hold_trade"]) >= Decimal(client.low()) * Decimal("0.0001")
    assert client.messages("balances", "update") == [], "an order alone changes no balance"


@requires_fixtures
def test_rows_have_the_keys_of_recorded_ones(client, read) -> None:
    """Of each kind of report that was recorded: the same keys in the same order, but for those that depend on the order."""
    optional = {
        "order_userref",
        "cl_ord_id",
        "margin",
        "margin_borrow",
        "liquidated",
        "sender_sub_id",
        "triggers",
        "trigger",
    }
    recorded: dict[tuple[str, str, str], list[str]] = {}
    for name in ("ws-v2-control-and-private-2026.jsonl", "ws-v2-kraken-async-rs.jsonl"):
        for frame in received_frames(fixture_path(f"kraken-spot/{name}")):
            message = read(frame)
            if message.get("channel") in ("executions", "balances") and "type" in message:
                for row in message["data"]:
                    key = (message["channel"], message["type"], row.get("exec_type", ""))
                    recorded.setdefault(key, [name for name in row if name not in optional])
    order = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low())
    client.do("amend", order_id=order["order_id"], quantity="0.002")
    client.do("cancel", order_id=order["order_id"])
    client.do("fills", symbol=SYMBOL, count=1)
    client.listen("executions", "balances", executions={"snap_trades": True})
    client.do("fills", symbol=SYMBOL, count=1)
    made = {}
    for connection in client.driver.frames:
        client.connection = connection
        for channel in ("executions", "balances"):
            for message in client.messages(channel):
                for row in message["data"]:
                    key = (channel, message["type"], row.get("exec_type", ""))
                    made.setdefault(key, [name for name in row if name not in optional])
    shared = recorded.keys() & made.keys()
    assert len(shared) >= 7
    for key in shared - {("balances", "snapshot", "")}:
        assert made[key] == recorded[key], key
    key = ("balances", "snapshot", "")
    assert set(made[key]) == set(recorded[key])


def test_a_taker_trades_then_is_filled(client) -> None:
    made = client.do("order", symbol=SYMBOL, side="sell", quantity="0.00016", price=str(client.bid))
    kinds = [row["exec_type"] for row in client.new()]
    assert kinds == ["pending_new", "new", "trade", "filled"]
    trade, filled = client.new()[2:]
    cost = (client.bid * Decimal("0.00016")).quantize(Decimal("0.00001"))
    assert (Decimal(trade["cost"]), trade["liquidity_ind"], trade["order_status"]) == (cost, "t", "partially_filled")
    fee = Decimal(trade["fees"][0]["qty"])
    assert abs(fee - cost * Decimal("0.004")) <= Decimal("0.00001")
    assert list(filled) == [
        "timestamp", "order_status", "exec_type", "cum_qty", "cum_cost", "fee_usd_equiv", "avg_price", "order_userref",
        "order_id",
    ]  # fmt: skip
    assert (filled["cum_qty"], filled["cum_cost"], filled["fee_usd_equiv"]) == ("0.00016000", str(cost), str(fee))
    base, quote = client.rows("balances", "update")
    assert base["ref_id"] == quote["ref_id"] == trade["exec_id"]
    assert (base["asset"], base["amount"], quote["asset"]) == ("BTC", "-0.0001600000", "USD")
    assert client.call("Balance")["ZUSD"] == quote["balance"]
    row = client.call("QueryTrades", txid=trade["exec_id"])[trade["exec_id"]]
    assert (row["cost"], row["fee"], row["maker"], row["trade_id"]) == (
        trade["cost"],
        str(fee),
        False,
        trade["trade_id"],
    )
    assert row["ledgers"] == [base["ledger_id"], quote["ledger_id"]]
    closed = client.call("ClosedOrders")["closed"][made["order_id"]]
    assert (closed["status"], closed["vol_exec"], closed["cost"], closed["reason"]) == (
        "closed",
        "0.00016000",
        str(cost),
        None,
    )
    public = client.sim.trades(SYMBOL)[-1]
    assert (str(public.trade_id), public.price, public.side) == (trade["trade_id"], str(client.bid), "sell")
    client.check_truth()


def test_a_maker_is_filled_in_pieces_by_the_crowd(client) -> None:
    client.do("fills", symbol=SYMBOL, count=7, maker=True)
    rows = client.new()
    assert [row["exec_type"] for row in rows] == ["pending_new", "new", *["trade"] * 7, "filled"]
    assert {row["liquidity_ind"] for row in rows[2:-1]} == {"m"}
    sums = [Decimal(row["cum_qty"]) for row in rows[2:]]
    assert sums == sorted(sums)
    assert rows[-2]["cum_cost"] == rows[-1]["cum_cost"]
    ids = [int(row["trade_id"]) for row in rows[2:-1]]
    assert ids == list(range(ids[0], ids[0] + 7))
    client.check_truth()


def test_two_accounts_meet_at_one_trade(client) -> None:
    price = (
        str(client.bid + (client.ask - client.bid) / 2) if client.ask - client.bid > Decimal("0.1") else str(client.bid)
    )
    price = str(Decimal(price).quantize(Decimal("0.1")))
    client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=price, account="account2")
    best = client.market.engine.bids.best()
    ahead = sum(order.quantity for order in best.orders.values() if order.owner is None)
    quantity = str(Decimal(ahead).scaleb(-8) + Decimal("0.001"))
    client.do("order", symbol=SYMBOL, side="sell", quantity=quantity, price=price)
    mine, others = client.sim.account("account1")["fills"], client.sim.account("account2")["fills"]
    assert others[-1]["trade_id"] == mine[-1]["trade_id"]
    assert (others[-1]["is_maker"], mine[-1]["is_maker"]) == (True, False)
    assert Decimal(others[-1]["fee"]) < Decimal(mine[-1]["fee"])
    client.check_truth()
    client.check_truth("account2")


def test_post_only_that_crosses_is_accepted_then_canceled(client) -> None:
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=str(client.ask), post_only=True)
    assert made["status"] == "canceled"
    rows = client.new()
    assert [row["exec_type"] for row in rows] == ["pending_new", "canceled"]
    assert rows[1]["reason"] == rows[1]["cancel_reason"] == "Post only order"


@pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
def test_what_may_not_rest_is_canceled(client, time_in_force) -> None:
    quantity = Decimal(client.sim.book(SYMBOL, 1).asks[0][1]) + 1
    made = client.do(
        "order",
        symbol=SYMBOL,
        side="buy",
        quantity=str(quantity),
        price=str(client.ask),
        time_in_force=time_in_force,
    )
    assert made["status"] == "canceled"
    trades = [row for row in client.new() if row["exec_type"] == "trade"]
    assert bool(trades) is (time_in_force == "IOC")
    client.check_truth()


def test_an_order_expires(client) -> None:
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low(), expire_in_s=5)
    assert client.new()[0]["time_in_force"] == "GTD"
    client.driver.run(5)
    assert client.new()[-1]["exec_type"] == "expired"
    assert client.call("QueryOrders", txid=made["order_id"])[made["order_id"]]["status"] == "expired"


def test_own_orders_do_not_meet(client) -> None:
    rest = client.do("order", symbol=SYMBOL, side="sell", quantity="0.001", price=str(client.ask))
    ahead = client.market.engine.asks.best().quantity - 100_000
    quantity = str(Decimal(ahead).scaleb(-8) + Decimal("0.5"))
    made = client.do("order", symbol=SYMBOL, side="buy", quantity=quantity, price=str(client.ask))
    assert made["status"] == "expired"
    assert Decimal(made["filled"]) == Decimal(ahead).scaleb(-8)
    assert client.sim.accounts.get("account1").orders[rest["order_id"]].is_open


def test_amending_keeps_the_id_and_the_place_when_it_gets_less(client) -> None:
    price = str(client.bid)
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.002", price=price)

    def owned() -> list[bool]:
        return [order.owner is not None for order in client.market.engine.bids.best().orders.values()]

    place = owned().index(True)
    client.do("amend", order_id=made["order_id"], quantity="0.001")
    assert owned()[place]
    row = client.new()[-1]
    assert (row["exec_type"], row["amended"], row["order_qty"]) == ("amended", True, "0.00100000")
    assert row["order_id"] == made["order_id"]
    client.do("amend", order_id=made["order_id"], price=str(client.ask))
    assert client.new()[-1]["exec_type"] == "filled"
    amends = client.call("OrderAmends", order_id=made["order_id"])
    assert [one["amend_type"] for one in amends["amends"]] == ["original", "user", "user"]
    client.check_truth()


def test_the_engine_restates_and_reports_by_itself(client) -> None:
    made = client.do("order", symbol=SYMBOL, side="buy", quantity="0.002", price=client.low())
    client.do("restate", order_id=made["order_id"], quantity="0.001", reason="Too much")
    row = client.new()[-1]
    assert (row["exec_type"], row["order_qty"], row["reason"]) == ("restated", "0.00100000", "Too much")
    client.do("report_status", order_id=made["order_id"])
    assert (client.new()[-1]["exec_type"], client.new()[-1]["order_status"]) == ("status", "new")
    assert client.call("OrderAmends", order_id=made["order_id"])["amends"][-1]["amend_type"] == "restated"


def test_nothing_can_be_done_before_the_opening(drive) -> None:
    with pytest.raises(ValueError, match="has not opened yet"):
        drive(pairs=1, accounts=1).simulator.act("cancel_all")


def test_refusals_have_krakens_texts(client) -> None:
    for options, text in (
        ({"quantity": "0.00001"}, "EGeneral:Invalid arguments:volume minimum not met"),
        ({"quantity": "0.000000001"}, "EGeneral:Invalid arguments:volume"),
        (
            {"quantity": "1", "price": "1.23"},
            "EOrder:Invalid price:XXBTZUSD price can only be specified up to 1 decimals",
        ),
        ({"quantity": "100000", "price": "1000.0"}, "EOrder:Insufficient funds"),
        ({"quantity": "1000000000000000", "price": "1000000000000000.0"}, "EOrder:Insufficient funds"),
        ({"quantity": "0.001", "price": "100.0"}, "EOrder:Cost minimum not met"),
        ({"quantity": "0.001", "price": "70000.0", "leverage": 9}, "EGeneral:Invalid arguments:leverage"),
        (
            {"quantity": "0.001", "price": "70000.0", "leverage": 2, "reduce_only": True},
            "EOrder:Reduce only:No position",
        ),
        ({"quantity": "1000", "price": "70000.0", "leverage": 2}, "EOrder:Insufficient margin"),
    ):
        with pytest.raises(ValueError, match=text):
            client.do("order", symbol=SYMBOL, side="buy", **options)
    assert client.new() == []
    client.sim.fault("status", system="cancel_only")
    with pytest.raises(ValueError, match="EService:Market in cancel_only mode"):
        client.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price=client.low())


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("dance", {}, r"no action 'dance'; there are: add_key, amend"),
        ("order", {"side": "buy"}, "it has the options symbol, side"),
        ("order", {"symbol": SYMBOL, "side": "buy", "quantity": "much"}, "quantity 'much' is no number"),
        ("order", {"symbol": SYMBOL, "side": "long", "quantity": "1"}, "no side 'long'"),
        ("order", {"symbol": "NO/PE", "side": "buy", "quantity": "1"}, "EQuery:Unknown asset pair"),
        ("fills", {"account": "account9"}, "no account 'account9'; there are: account1, account2"),
        ("cancel", {"order_id": "O"}, "has no order 'O'"),
        ("deposit", {"asset": "XXBT", "amount": 1}, "no asset 'XXBT'"),
    ],
)
def test_wrong_actions_are_one_sentence(client, name, options, text) -> None:
    with pytest.raises(ValueError, match=text):
        client.do(name, **options)
