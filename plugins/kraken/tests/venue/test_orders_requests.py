"""Requests about orders, as they leave: `orders.golden.txt` is the readable list, checked against the API sheet by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlsplit

import pytest
from gw_venue_kraken.orders.frames import number
from gw_venue_kraken.orders.ids import client_id, number_of, plain_id
from gw_venue_kraken.orders.orders import KrakenOrders, make_orders
from gw_venue_kraken.settings import KrakenSettings

from gwcore.errors import Unsupported
from gwcore.model import (
    ConditionalClose,
    CreateOrder,
    Fate,
    OrderError,
    OrderType,
    PriceType,
    Side,
    TimeInForce,
    TriggerReference,
)
from gwcore.numbers import NumberError
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.testing.conformance.order_samples import (
    SAMPLE_NS,
    sample_change,
    sample_changes,
    sample_order,
    sample_orders,
)
from gwcore.venue import Account, Cost, OrderKey, RequestKind

GOLDEN = Path(__file__).with_name("orders.golden.txt")
IDS = (client_id(1), client_id(2))
BY_ID = OrderKey("BTC/USD", IDS[0], "OQCLML-BW3P3-BUCMWZ")
OTHER_BY_ID = OrderKey("BTC/USD", IDS[1], "OXZPAJ-ONWQU-KMAMPL")
BY_CLIENT_ID = OrderKey("BTC/USD", IDS[1])
NAMES = {
    "Assets": {"XXBT": {"altname": "XBT"}, "ZUSD": {"altname": "USD"}},
    "AssetPairs": {
        "XXBTZUSD": {
            "altname": "XBTUSD",
            "wsname": "XBT/USD",
            "leverage_buy": [2, 3, 5],
            "leverage_sell": [2, 3],
        }
    },
}
Make = Callable[..., tuple[KrakenOrders, Any]]


def batch() -> list[CreateOrder]:
    close = ConditionalClose(order_type=OrderType.TAKE_PROFIT, stop_price="70000.0")
    first = sample_order(deadline_ns=SAMPLE_NS + 5_000_000_000, conditional_close=close)
    return [first, sample_order(side=Side.SELL, price="64000.0", deadline_ns=SAMPLE_NS, margin=True, reduce_only=True)]


def requests() -> Iterator[tuple[str, Callable[[KrakenOrders], Any]]]:
    for name, order in sample_orders():
        yield f"create: {name}", lambda orders, order=order: orders.create_order(7, order, IDS[1])
    stock = sample_order(symbol="AAPLx/USD")
    yield "create: a tokenized stock", lambda orders: orders.create_order(7, stock, IDS[1])
    for name, change in sample_changes():
        yield f"modify: {name}", lambda orders, change=change: orders.modify_order(7, change, BY_ID)
    change = sample_change(price="1.0")
    yield "modify: by client id", lambda orders: orders.modify_order(7, change, BY_CLIENT_ID)
    yield "cancel", lambda orders: orders.cancel_order(7, BY_ID)
    yield "cancel: by client id", lambda orders: orders.cancel_order(7, BY_CLIENT_ID)
    yield "cancel all", lambda orders: orders.cancel_all_orders(7)
    yield "cancel all after a minute", lambda orders: orders.cancel_all_after(7, 60)
    yield "cancel all after: off", lambda orders: orders.cancel_all_after(7, 0)
    yield "cancel batch", lambda orders: orders.cancel_orders(7, [BY_ID, OTHER_BY_ID])
    yield "cancel batch: one by client id", lambda orders: orders.cancel_orders(7, [BY_ID, BY_CLIENT_ID])
    yield "create batch", lambda orders: orders.create_orders(7, batch(), IDS)
    below = sample_order(
        order_type=OrderType.TRAILING_STOP_LIMIT,
        side=Side.SELL,
        price="-12.5",
        price_type=PriceType.QUOTE,
        stop_price="2",
        stop_price_type=PriceType.PERCENT,
    )
    yield "create: a limit below the trigger", lambda orders: orders.create_order(7, below, IDS[1])
    checked = [sample_order(validate_only=True), sample_order(validate_only=True)]
    yield "create batch: validate", lambda orders: orders.create_orders(7, checked, IDS)


def last_request(flow: Any) -> HttpRequest:
    """The request about orders of a flow, which may ask for names first."""
    request: HttpRequest = next(flow)
    while "/0/public/" in request.url:
        result = NAMES[request.url.rsplit("/", 1)[1]]
        request = flow.send(HttpResponse(status=200, body=json.dumps({"error": [], "result": result}).encode()))
    return request


def printed(request: HttpRequest) -> str:
    body = request.body.decode()
    form = " ".join(unquote_plus(each) for each in body.split("&"))
    return f"{urlsplit(request.url).path} {body if body.startswith('{') else form}"


def test_requests_leave_as_written(orders_of: Make) -> None:
    now: list[str] = []
    for name, ask in requests():
        try:
            frame = ask(orders_of()[0])
        except Unsupported as error:
            now += [f"# {name}", f"refused: {error}", ""]
            continue
        now += [f"# {name}", frame.decode(), printed(last_request(ask(orders_of(connected=False)[0]))), ""]
    if os.environ.get("GW_GOLDEN") == "write":
        GOLDEN.write_text("\n".join(now) + "\n")
    assert now == GOLDEN.read_text().splitlines()


def test_rest_by_names_that_were_learned_and_no_order_without_its_leverage(orders_of: Make) -> None:
    request = sample_order(margin=True)
    flow = orders_of(connected=False)[0].create_order(7, request, IDS[0])
    assert "pair=XBTUSD" in last_request(flow).body.decode()
    lost = orders_of(connected=False)[0].create_order(7, request, IDS[0])
    next(lost)
    with pytest.raises(StopIteration) as stop:
        lost.send(HttpResponse(status=503))
    [answer] = stop.value.value
    assert (answer.fate, answer.error, answer.retryable) == (Fate.NOT_DONE, OrderError.UNAVAILABLE, True)
    other = orders_of(connected=False)[0].create_order(7, sample_order(symbol="ETH/USD", margin=True), IDS[0])
    with pytest.raises(StopIteration) as stop:
        last_request(other)
    [answer] = stop.value.value
    assert (answer.fate, answer.error) == (Fate.NOT_DONE, OrderError.UNSUPPORTED)


def test_nothing_is_signed_before_its_flow_runs(orders_of: Make) -> None:
    orders, codec = orders_of(connected=False)
    flow = orders.cancel_order(7, BY_ID)
    codec._account.signer.nonces = 41
    assert b"nonce=42" in next(flow).body


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"price": None}, "need a price"),
        ({"stop_price": "1"}, "have no stop_price"),
        ({"order_type": OrderType.MARKET}, "have no price"),
        ({"price_type": PriceType.PERCENT}, "give prices for LIMIT"),
        (
            {"order_type": OrderType.STOP_LOSS, "price": None, "stop_price": "5", "stop_price_type": PriceType.PERCENT},
            "give prices for STOP_LOSS",
        ),
        ({"cash_quantity": "5", "quantity": None}, "only for market orders that buy"),
        ({"quantity": None}, "wants a quantity"),
        ({"order_type": OrderType.MARKET, "price": None, "cash_quantity": "5"}, "not both"),
        ({"order_type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.FOK}, "FOK only for LIMIT"),
        ({"time_in_force": TimeInForce.GTD}, "go together"),
        ({"expire_time_ns": SAMPLE_NS}, "go together"),
        ({"display_quantity": "0.1"}, "ICEBERG orders have a display_quantity"),
        ({"order_type": OrderType.ICEBERG}, "ICEBERG orders have a display_quantity"),
        ({"order_type": OrderType.MARKET, "price": None, "post_only": True}, "only for limit orders"),
        ({"trigger": TriggerReference.LAST}, "leave trigger out"),
        ({"order_type": OrderType.TRAILING_STOP, "price": None, "stop_price": "5"}, "stop_price_type QUOTE or PERCENT"),
        (
            {
                "order_type": OrderType.TRAILING_STOP,
                "price": None,
                "stop_price": "-5",
                "stop_price_type": PriceType.QUOTE,
            },
            "has no sign",
        ),
        (
            {"order_type": OrderType.TRAILING_STOP_LIMIT, "stop_price": "5", "stop_price_type": PriceType.QUOTE},
            "price_type QUOTE or PERCENT",
        ),
        ({"conditional_close": ConditionalClose(order_type=OrderType.MARKET)}, "no conditional close of type MARKET"),
        ({"conditional_close": ConditionalClose(order_type=OrderType.LIMIT)}, "need a price"),
    ],
)
def test_what_kraken_has_only_otherwise_is_refused_with_the_cure(
    orders_of: Make, fields: dict[str, Any], words: str
) -> None:
    for connected in (True, False):
        with pytest.raises(Unsupported, match=words):
            orders_of(connected=connected)[0].create_order(7, sample_order(**fields), IDS[0])


def test_a_change_of_nothing_and_a_mixed_batch_are_refused(orders_of: Make) -> None:
    orders, _ = orders_of()
    with pytest.raises(Unsupported, match="nothing to change"):
        orders.modify_order(7, sample_change(), BY_ID)
    with pytest.raises(Unsupported, match="one symbol"):
        orders.create_orders(7, [sample_order(), sample_order(symbol="ETH/USD")], IDS)
    with pytest.raises(Unsupported, match="validated or placed as a whole"):
        orders.create_orders(7, [sample_order(), sample_order(validate_only=True)], IDS)
    with pytest.raises(ValueError, match="without any id"):
        orders.cancel_order(7, OrderKey("BTC/USD", None))


def test_client_ids_are_ours_to_see_and_each_is_one_number() -> None:
    numbers = [0, 1, 2**32, 2**63, 2**64 - 1]
    ids = [client_id(number) for number in numbers]
    assert len(set(ids)) == len(ids)
    assert {len(each) for each in ids} == {32}
    assert [number_of(each) for each in ids] == numbers
    dashed = f"{ids[1][:8]}-{ids[1][8:12]}-{ids[1][12:16]}-{ids[1][16:20]}-{ids[1][20:]}".upper()
    assert plain_id(dashed) == ids[1]
    for foreign in ("3178d58d4d000200", "", "gw-order", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"):
        assert number_of(foreign) is None
        assert plain_id(foreign) == foreign
    for outside in (-1, 2**64):
        with pytest.raises(ValueError, match="no client id"):
            client_id(outside)


def test_limits_are_those_of_the_tier(orders_of: Make) -> None:
    found = {}
    for tier in ("starter", "intermediate", "pro"):
        limits = orders_of(tier=tier)[0].limits
        [counter] = limits.counters
        found[tier] = (counter.maximum, counter.decay_per_s, limits.open_orders_per_symbol)
    assert found == {"starter": (60, 1, 60), "intermediate": (125, 2.34, 80), "pro": (180, 3.75, 225)}
    assert counter.per_symbol
    assert counter.costs[RequestKind.MODIFY] == Cost(fixed=1.0, by_age=((5.0, 3.0), (10.0, 2.0), (15.0, 1.0)))
    cancel = ((5.0, 8.0), (10.0, 6.0), (15.0, 5.0), (45.0, 4.0), (90.0, 2.0), (300.0, 1.0))
    assert counter.costs[RequestKind.CANCEL] == Cost(by_age=cancel)
    assert (counter.costs[RequestKind.CREATE].fixed, counter.costs[RequestKind.CREATE_BATCH].fixed) == (1, 0.5)
    assert set(counter.costs) == set(RequestKind)
    assert RequestKind.CANCEL_BATCH in counter.always_taken
    assert (orders_of()[0].abilities.deadline_s, orders_of(connected=False)[0].abilities.deadline_s) == (
        (0.5, 60),
        (2, 60),
    )


def test_a_codec_of_another_venue_is_refused() -> None:
    account = Account(name="main", signer=None)  # type: ignore[arg-type]
    with pytest.raises(Unsupported, match="not of str"):
        make_orders(KrakenSettings(), account, "codec")


def test_orders_cost_nothing_of_the_rest_counter(orders_of: Make) -> None:
    for name, ask in requests():
        try:
            assert last_request(ask(orders_of(connected=False)[0])).cost == 0, name
        except Unsupported:
            continue


@pytest.mark.parametrize(
    ("text", "digits"),
    [("5", b"5.0"), ("007.50", b"7.50"), ("0.10", b"0.10"), ("-2.5", b"-2.5"), ("1e-8", b"0.00000001")],
)
def test_numbers_are_json_with_a_point(text: str, digits: bytes) -> None:
    assert bytes(number(text)) == digits


def test_what_is_no_number_leaves_nothing() -> None:
    for text in ("", "--1", "1,5", "NaN", "-"):
        with pytest.raises(NumberError):
            number(text)
