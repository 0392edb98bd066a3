"""The adapter's orders and the simulated Kraken, which share no code, meet on the wire: over the WebSocket and by REST."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from gw_sim_kraken.plugin import SPEC as SIMULATOR
from gw_venue_kraken.accounts.account import KrakenAccount, KrakenAccountOptions
from gw_venue_kraken.envelope import public_request
from gw_venue_kraken.orders.orders import KrakenOrders
from gw_venue_kraken.plugin import SPEC
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.venue import KrakenStreams

from gwcore.model import Fate, OrderError, OrderStatus, OrderType, OrderUpdate, Side, TimeInForce
from gwcore.runtime.accounts.nonces import NonceStore
from gwcore.runtime.accounts.signer import KeySigner
from gwcore.secrets import Secret
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.order_samples import sample_change, sample_order
from gwcore.testing.storage import MemoryStorage
from gwcore.venue import Account, AccountMessage, OrderAnswer, OrderKey

SECOND_NS = 1_000_000_000
START_NS = 1_767_225_600 * SECOND_NS
SYMBOL = "BTC/USD"


class Line:
    """One account's connection to a simulator, and its REST. Time passes when it is told to."""

    def __init__(self, *, connected: bool) -> None:
        self.at_ns = START_NS
        self.simulator: Any = SIMULATOR.create(SIMULATOR.settings(pairs=2, rate=5.0, accounts=1))
        key, secret = next(iter(self.simulator.credentials().values()))
        signer = KeySigner(Secret(key), Secret(secret), NonceStore(MemoryStorage(), "key", self), self)
        account = Account(name="main", signer=signer, options=KrakenAccountOptions(tier="pro"))
        settings = KrakenSettings(**SPEC.environments["sim"])
        self.codec: KrakenAccount = KrakenStreams(settings).account(account)
        self.messages: list[AccountMessage] = []
        self.orders = KrakenOrders(settings, account, self.codec if connected else None)
        endpoint = run_flow(self.codec.endpoint(), self.http)
        self.number = self.simulator.open(urlsplit(endpoint.url).path, self.at_ns)
        for frame in self.codec.open():
            self.simulator.receive(self.number, frame, self.at_ns)
        self.run(5.0)
        self._last_id = 0

    def now_ns(self) -> int:
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self.at_ns

    def http(self, request: Any) -> Any:
        return self.simulator.http(request, self.at_ns)

    def run(self, seconds: float) -> None:
        end_ns = self.at_ns + int(seconds * SECOND_NS)
        while self.at_ns < end_ns:
            self.at_ns += SECOND_NS // 20
            for item in self.simulator.advance(self.at_ns):
                if item.connection == self.number and item.frame is not None:
                    self.messages += self.codec.decode(item.frame, self.at_ns)

    def ask(self, make: Callable[[KrakenOrders, int], Any]) -> list[OrderAnswer]:
        """The answers to one request."""
        self._last_id += 1
        outbound = make(self.orders, self._last_id)
        self.run(0.5)
        before = len(self.messages)
        if isinstance(outbound, bytes):
            self.simulator.receive(self.number, outbound, self.at_ns)
        else:
            self.messages += run_flow(outbound, self.http)
        self.run(1.0)
        found = [each for each in self.messages[before:] if isinstance(each, OrderAnswer)]
        assert {each.request_id for each in found} <= {self._last_id}
        return found

    def updates(self, client_id: str) -> list[OrderUpdate]:
        """What the stream told of an order of ours, its later reports too."""
        told = [each for each in self.messages if isinstance(each, OrderUpdate)]
        ids = {each.venue_order_id for each in told if each.venue_client_id == client_id}
        return [each for each in told if each.venue_order_id in ids]

    def price(self, share: str) -> str:
        """A share of the last price, in whole units."""
        request = public_request(KrakenSettings().rest_url, "Ticker", {"pair": SYMBOL})
        [row] = json.loads(self.http(request).body)["result"].values()
        return str(int(Decimal(row["c"][0]) * Decimal(share)))


def fates(answers: Sequence[OrderAnswer]) -> list[tuple[int | None, Fate, OrderError | None]]:
    return [(each.order, each.fate, each.error) for each in answers]


DONE = [(None, Fate.DONE, None)]


@pytest.fixture(params=[True, False], ids=["websocket", "rest"])
def line(request: pytest.FixtureRequest) -> Line:
    return Line(connected=request.param)


def place(line: Line, number: int, **fields: Any) -> list[OrderAnswer]:
    order = sample_order(**({"price": line.price("0.5")} | fields))
    return line.ask(lambda orders, wire_id: orders.create_order(wire_id, order, orders.client_id(number)))


def key_of(line: Line, number: int) -> OrderKey:
    return OrderKey(SYMBOL, line.orders.client_id(number))


def test_an_order_is_placed_changed_and_cancelled(line: Line) -> None:
    key = key_of(line, 2**64 - 1)
    [placed] = place(line, 2**64 - 1)
    assert placed.fate is Fate.DONE
    change = sample_change(quantity="0.02000000", price=line.price("0.4"))
    assert fates(line.ask(lambda orders, wire_id: orders.modify_order(wire_id, change, key))) == DONE
    [open_order] = run_flow(line.orders.find_order(key), line.http).orders or ()
    assert (open_order.venue_order_id, open_order.order_status) == (placed.venue_order_id, OrderStatus.WORKING)
    assert Decimal(open_order.quantity or 0) == Decimal("0.02")
    by_id = key._replace(venue_order_id=placed.venue_order_id)
    assert fates(line.ask(lambda orders, wire_id: orders.cancel_order(wire_id, by_id))) == DONE
    told = line.updates(key.venue_client_id or "")
    statuses = [each.order_status for each in told]
    assert statuses == [OrderStatus.PENDING, OrderStatus.WORKING, OrderStatus.WORKING, OrderStatus.CANCELED]
    assert {each.venue_order_id for each in told} == {placed.venue_order_id}
    assert told[-1].reason == "User requested"
    again = line.ask(lambda orders, wire_id: orders.cancel_order(wire_id, key))
    assert fates(again) == [(None, Fate.NOT_DONE, OrderError.UNKNOWN_ORDER)]


def test_an_order_that_trades_at_once_is_found_with_its_fills(line: Line) -> None:
    key = key_of(line, 1)
    [placed] = place(line, 1, order_type=OrderType.MARKET, price=None, quantity="0.02000000")
    assert placed.fate is Fate.DONE
    for found in (
        run_flow(line.orders.find_order(key), line.http),
        run_flow(line.orders.find_order(key._replace(venue_order_id=placed.venue_order_id)), line.http),
    ):
        [ended] = found.closed
        assert (ended.order_status, ended.venue_client_id) == (OrderStatus.FILLED, key.venue_client_id)
        fills = [fill for trade in found.trades for fill in trade.fills]
        assert sum(Decimal(fill.quantity) for fill in fills) == Decimal("0.02")
    true = {fill["exec_id"] for fill in line.simulator.account()["fills"]}
    assert {fill.trade_id for fill in fills} == true


def test_an_order_that_was_never_sent_is_nowhere(line: Line) -> None:
    found = run_flow(line.orders.find_order(key_of(line, 77)), line.http)
    assert (found.orders, found.closed, found.trades) == ((), (), ())
    by_id = key_of(line, 77)._replace(venue_order_id="OAAAAA-AAAAA-AAAAAA")
    assert run_flow(line.orders.find_order(by_id), line.http) == found


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"quantity": "100000.00000000"}, OrderError.INSUFFICIENT_FUNDS),
        ({"quantity": "0.00000001"}, OrderError.QUANTITY_MINIMUM),
        ({"symbol": "NONE/USD"}, OrderError.UNKNOWN_SYMBOL),
        ({"price": "1.23456789"}, None),
    ],
)
def test_refusals_prove_that_nothing_was_placed(line: Line, fields: dict[str, Any], error: OrderError | None) -> None:
    [answer] = place(line, 1, **fields)
    assert answer.fate is Fate.NOT_DONE
    assert answer.error is error or (error is None and answer.error in (OrderError.INVALID_PRICE, OrderError.TICK_SIZE))
    assert not line.simulator.account()["fills"]
    assert run_flow(line.orders.find_order(key_of(line, 1)), line.http).orders == ()


def test_batches_lists_and_everything_at_once(line: Line) -> None:
    numbers = (1, 2, 3)
    keys = [key_of(line, number) for number in numbers]
    ids = [line.orders.client_id(number) for number in numbers]
    batch = [sample_order(price=line.price("0.5"))] * 3
    placed = line.ask(lambda orders, wire_id: orders.create_orders(wire_id, batch, ids))
    assert fates(placed) == [(place, Fate.DONE, None) for place in range(3)]
    named = [key._replace(venue_order_id=each.venue_order_id) for key, each in zip(keys, placed, strict=True)]
    two = line.ask(lambda orders, wire_id: orders.cancel_orders(wire_id, named[:2]))
    assert {each.fate for each in two} == {Fate.DONE}
    again = line.ask(lambda orders, wire_id: orders.cancel_orders(wire_id, [keys[0], named[2]]))
    assert Fate.DONE not in {each.fate for each in again if each.order != 1}
    [every] = line.ask(lambda orders, wire_id: orders.cancel_all_orders(wire_id))
    assert (every.fate, every.number_of_orders) == (Fate.DONE, 0)
    assert [line.updates(each)[-1].order_status for each in ids] == [OrderStatus.CANCELED] * 3


def test_the_timer_cancels_unless_it_is_switched_off(line: Line) -> None:
    place(line, 1)
    assert fates(line.ask(lambda orders, wire_id: orders.cancel_all_after(wire_id, 5))) == DONE
    assert fates(line.ask(lambda orders, wire_id: orders.cancel_all_after(wire_id, 0))) == DONE
    line.run(10.0)
    assert line.updates(line.orders.client_id(1))[-1].order_status is OrderStatus.WORKING
    line.ask(lambda orders, wire_id: orders.cancel_all_after(wire_id, 5))
    line.run(10.0)
    assert line.updates(line.orders.client_id(1))[-1].order_status is OrderStatus.CANCELED


def test_immediate_or_cancel_and_validate(line: Line) -> None:
    [placed] = place(line, 1, time_in_force=TimeInForce.IOC)
    assert placed.fate is Fate.DONE
    assert line.updates(line.orders.client_id(1))[-1].order_status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    [checked] = place(line, 2, validate_only=True, side=Side.BUY)
    assert (checked.fate, checked.venue_order_id) == (Fate.DONE, None)
    assert not line.updates(line.orders.client_id(2))


def test_a_deadline_that_passed_is_no_order(line: Line) -> None:
    [late] = place(line, 1, deadline_ns=line.at_ns + 100_000_000)
    assert (late.fate, line.updates(line.orders.client_id(1))) == (Fate.NOT_DONE, [])
    [early] = place(line, 2, deadline_ns=line.at_ns + 5 * SECOND_NS)
    assert early.fate is Fate.DONE


def test_a_second_order_under_one_client_id_says_nothing_of_the_first(line: Line) -> None:
    [first] = place(line, 1)
    [second] = place(line, 1)
    assert (second.fate, second.error) == (Fate.UNKNOWN, OrderError.DUPLICATE_ORDER_ID)
    [found] = run_flow(line.orders.find_order(key_of(line, 1)), line.http).orders or ()
    assert found.venue_order_id == first.venue_order_id
