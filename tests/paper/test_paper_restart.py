"""What a paper account is after any number of orders, and after a restart: the same, and its money adds up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gwcore.errors import StorageError
from gwcore.model import CreateOrder, OrderType, Side, TimeInForce, TradeUpdate
from gwcore.paper.codec import PaperCodec, PaperOrders
from gwcore.paper.messages import decode_request, encode
from gwcore.runtime.orders.paper_log import PaperLog
from gwcore.testing.storage import MemoryStorage
from gwcore.venue import AccountSnapshot, Known, OrderAnswer, OrderKey, OrderLimits

PRICES = st.integers(95, 105).map(lambda price: f"{price}.0")
QUANTITIES = st.sampled_from(["0.1", "0.5", "1", "2"])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("create"), st.sampled_from(Side), QUANTITIES, st.none() | PRICES, st.sampled_from(TimeInForce)
        ),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("modify"), st.integers(0, 5), st.none() | QUANTITIES, PRICES),
        st.tuples(st.just("trade"), PRICES, QUANTITIES, st.sampled_from(Side)),
        st.tuples(st.just("book"), st.integers(95, 100), st.integers(101, 105), QUANTITIES),
    ),
    max_size=40,
)


def play(stage: Any, steps: list[Any]) -> None:
    for name, *values in steps:
        working = list(stage.exchange.records.open)
        if name == "create":
            side, quantity, price, in_force = values
            fields = {"price": price} if price is not None else {}
            stage.create(side, quantity, time_in_force=in_force, **fields)
        elif name == "trade":
            stage.trade(*values)
        elif name == "book":
            bid, ask, quantity = values
            stage.set_book([(f"{bid}.0", quantity)], [(f"{ask}.0", quantity)])
        elif working and name == "cancel":
            stage.ask(cancel=True, keys=(working[values[0] % len(working)],))
        elif working:
            place, quantity, price = values
            key = working[place % len(working)]
            has_price = stage.exchange.records.open[key].price is not None
            stage.modify(key, quantity=quantity, price=price if has_price else None)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_money_adds_up_and_a_restart_changes_nothing(new_stage: Any, steps: list[Any]) -> None:
    stage = new_stage()
    facts = stage.exchange.take_facts()
    for step in steps:
        play(stage, [step])
        facts += stage.exchange.take_facts()
    usd, btc, fees = Decimal(1000), Decimal(5), Decimal(0)
    traded: dict[str, Decimal] = {}
    for update in stage.said:
        if isinstance(update, TradeUpdate):
            (fill,) = update.fills
            sign = 1 if update.side is Side.BUY else -1
            usd -= sign * Decimal(fill.cost or 0)
            btc += sign * Decimal(fill.quantity)
            fees += Decimal(fill.fees[0][1])
            key = update.venue_order_id or ""
            traded[key] = traded.get(key, Decimal(0)) + Decimal(fill.quantity)
    records = stage.exchange.records
    for order in (*records.open_orders(), *records.closed_orders(0)):
        assert traded.get(order.venue_order_id, Decimal(0)) == Decimal(order.traded_quantity)
        assert Decimal(order.traded_quantity) <= Decimal(order.quantity)
    assert Decimal(stage.funds("USD").total) == usd - fees
    assert Decimal(stage.funds("BTC").total) == btc
    if not records.open:
        assert Decimal(stage.funds("USD").hold) == Decimal(stage.funds("BTC").hold) == 0

    again = stage.make({"USD": Decimal(0), "EUR": Decimal(7)})
    for fact in facts:
        again.restore(fact)
    again.restored()
    assert sorted(again.snapshot().orders, key=str) == sorted(stage.exchange.snapshot().orders, key=str)
    for asset in ("USD", "BTC"):
        (mine,), (theirs,) = again.ledger.funds((asset,)), stage.exchange.ledger.funds((asset,))
        for what in ("total", "hold", "available"):
            assert Decimal(getattr(mine, what)) == Decimal(getattr(theirs, what)), (asset, what)
    assert again.records.fills(0) == stage.exchange.records.fills(0)


def test_the_log_begins_anew_with_what_is_known_and_goes_on(stage: Any) -> None:
    disk = MemoryStorage()
    log = PaperLog(disk, "paper")
    log.begin(stage.exchange.facts())
    play(stage, [("create", Side.BUY, "1", "99.0", TimeInForce.GTC), ("create", Side.SELL, "1", None, TimeInForce.GTC)])
    log.append(stage.exchange.take_facts(), stage.exchange.facts)
    log.close()
    again = stage.make({})
    for fact in PaperLog(disk, "paper").read():
        again.restore(fact)
    again.restored()
    assert again.snapshot().orders == stage.exchange.snapshot().orders


def test_a_torn_last_line_is_left_out_and_a_bad_one_is_told(stage: Any) -> None:
    disk = MemoryStorage()
    PaperLog(disk, "paper").begin(stage.exchange.facts())
    whole = disk.read("paper.jsonl")
    disk.replace("paper.jsonl", whole + b'{"order":{"numb')
    assert len(list(PaperLog(disk, "paper").read())) == 1
    disk.replace("paper.jsonl", whole + b"{]\n" + whole)
    with pytest.raises(StorageError, match=r"paper/paper.jsonl, line 2 can't be read .*move the file away"):
        list(PaperLog(disk, "paper").read())


# --- as a venue ----------------------------------------------------------------------------------------------------------


def result_of(flow: Any) -> Any:
    with pytest.raises(StopIteration) as stop:
        next(flow)
    return stop.value.value


def test_the_contract_of_a_venue_holds_on_paper(stage: Any) -> None:
    codec, orders = PaperCodec(stage.exchange), PaperOrders(stage.exchange, OrderLimits())
    (opening,) = codec.open()
    (snapshot,) = codec.decode(encode(stage.desk.receive(decode_request(opening), 0)), 0)
    assert isinstance(snapshot, AccountSnapshot)
    assert [funds.asset for funds in snapshot.funds or ()] == ["BTC", "USD"]
    key = orders.client_id(2**64 - 1)
    assert len(key) > 18
    create = stage_request(price="90.0")
    answer, update, *_ = codec.decode(
        encode(stage.desk.receive(decode_request(orders.create_order(7, create, key)), 5)), 0
    )
    assert isinstance(answer, OrderAnswer)
    assert (answer.request_id, answer.venue_order_id) == (7, update.venue_order_id)
    assert update.venue_client_id == key
    found = result_of(orders.find_order(OrderKey("BTC/USD", key)))
    assert [order.venue_order_id for order in found.orders] == [answer.venue_order_id]
    codec.decode(encode(stage.desk.receive(decode_request(orders.cancel_order(8, OrderKey("BTC/USD", key))), 6)), 0)
    found = result_of(orders.find_order(OrderKey("BTC/USD", None, answer.venue_order_id)))
    assert (found.orders, len(found.closed)) == ((), 1)
    assert result_of(orders.find_order(OrderKey("BTC/USD", "paper-0"))) == AccountSnapshot(orders=())
    assert len(result_of(codec.download(Known(since_ns=0))).closed) == 1


def stage_request(**fields: Any) -> Any:
    return CreateOrder(
        account="paper",
        order_id="a",
        symbol="BTC/USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity="1",
        **fields,
    )
