"""find_order: open, ended, nowhere; its fills; and what may not pass for "nowhere"."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from gw_venue_kraken.orders.ids import client_id

from gwcore.errors import DecodeError, VenueRejected, VenueUnavailable
from gwcore.model import OrderStatus, PriceType
from gwcore.rest import HttpResponse
from gwcore.venue import AccountSnapshot, OrderKey

ID = client_id(5)
BY_CLIENT_ID = OrderKey("BTC/USD", ID)
BY_ID = OrderKey("BTC/USD", ID, "OQCLML-BW3P3-BUCMWZ")
Make = Callable[..., Any]


def order(**fields: Any) -> dict[str, Any]:
    return {
        "status": "open",
        "cl_ord_id": ID,
        "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "30010.0", "price2": "0"},
        "vol": "1.00000000",
        "vol_exec": "0.00000000",
        "opentm": 1688148493.7708,
    } | fields


def trade(order_id: str = "OQCLML-BW3P3-BUCMWZ") -> dict[str, Any]:
    return {
        "ordertxid": order_id,
        "pair": "XXBTZUSD",
        "time": 1688148500.5,
        "type": "buy",
        "ordertype": "limit",
        "price": "30010.00000",
        "vol": "0.10000000",
        "cost": "3001.00000",
        "fee": "4.80160",
        "trade_id": 41,
        "maker": True,
    }


class Venue:
    """Answers from a table; `asked`: the calls, with their cost."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, str], int]] = []

    def run(self, flow: Any) -> AccountSnapshot:
        try:
            request = next(flow)
            while True:
                name = urlsplit(request.url).path.rsplit("/", 1)[1]
                form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
                self.asked.append((name, form, request.cost))
                found = self.answers[name]
                found = found(form) if callable(found) else found
                body = {"error": found} if isinstance(found, list) else {"error": [], "result": found}
                request = flow.send(HttpResponse(status=200, body=json.dumps(body).encode()))
        except StopIteration as stop:
            snapshot: AccountSnapshot = stop.value
            return snapshot


def test_an_open_order_is_found_by_its_client_id_with_one_call(orders_of: Make) -> None:
    dashed = f"{ID[:8]}-{ID[8:12]}-{ID[12:16]}-{ID[16:20]}-{ID[20:]}"
    venue = Venue({"OpenOrders": {"open": {"O1": order(cl_ord_id=dashed)}}})
    snapshot = venue.run(orders_of()[0].find_order(BY_CLIENT_ID))
    [update] = snapshot.orders or ()
    assert (update.venue_order_id, update.order_status, update.symbol) == ("O1", OrderStatus.WORKING, "BTC/USD")
    assert update.venue_client_id == ID
    assert (snapshot.closed, snapshot.trades) == ((), ())
    [(name, form, cost)] = venue.asked
    assert (name, form["cl_ord_id"], form["trades"], cost) == ("OpenOrders", ID, "true", 1)


def test_an_ended_order_is_found_with_its_fills_twenty_at_a_time(orders_of: Make) -> None:
    trades = [f"T{number}" for number in range(25)]
    ended = order(status="closed", vol_exec="1.00000000", closetm=1688148600.5, trades=trades)
    venue = Venue(
        {
            "OpenOrders": {"open": {}},
            "ClosedOrders": {"closed": {"O1": ended}, "count": 1},
            "QueryTrades": lambda form: {each: trade("O1") for each in form["txid"].split(",")},
        }
    )
    snapshot = venue.run(orders_of(connected=False)[0].find_order(BY_CLIENT_ID))
    [update] = snapshot.closed
    assert (update.order_status, snapshot.orders) == (OrderStatus.FILLED, ())
    assert [each.fills[0].trade_id for each in snapshot.trades] == trades
    assert snapshot.trades[0].fills[0].fees == (("USD", "4.80160"),)
    assert [(name, cost) for name, _, cost in venue.asked] == [
        ("OpenOrders", 1),
        ("ClosedOrders", 2),
        ("QueryTrades", 1),
        ("QueryTrades", 1),
    ]


@pytest.mark.parametrize(("flags", "fees"), [("fciq,post", (("USD", "4.80160"),)), ("post,fcib", ())])
@pytest.mark.parametrize("listed", [{"trades": ["T1"]}, {}])
def test_a_fee_that_was_taken_in_base_is_not_told_by_its_worth(
    orders_of: Make, listed: dict[str, Any], flags: str, fees: tuple[Any, ...]
) -> None:
    found = order(status="closed", vol_exec="0.10000000", oflags=flags, **listed)
    answers = {"QueryTrades": {"T1": trade()}, "TradesHistory": {"trades": {"T1": trade()}, "count": 1}}
    snapshot = Venue({"QueryOrders": {BY_ID.venue_order_id: found}, **answers}).run(orders_of()[0].find_order(BY_ID))
    assert [each.fills[0].fees for each in snapshot.trades] == [fees]


def test_in_no_list_is_an_empty_snapshot(orders_of: Make) -> None:
    nowhere = AccountSnapshot(orders=())
    venue = Venue({"OpenOrders": {"open": {}}, "ClosedOrders": {"closed": {}, "count": 0}})
    assert venue.run(orders_of()[0].find_order(BY_CLIENT_ID)) == nowhere
    for words in ("EOrder:Unknown order", "EOrder:Invalid order"):
        assert Venue({"QueryOrders": [words]}).run(orders_of()[0].find_order(BY_ID)) == nowhere
    assert Venue({"QueryOrders": {}}).run(orders_of()[0].find_order(BY_ID)) == nowhere


def test_by_the_venue_s_id_in_one_call(orders_of: Make) -> None:
    found = order(status="canceled", vol_exec="0.10000000", trades=["T1"], reason="User requested")
    venue = Venue({"QueryOrders": {BY_ID.venue_order_id: found}, "QueryTrades": {"T1": trade()}})
    snapshot = venue.run(orders_of()[0].find_order(BY_ID))
    [update] = snapshot.closed
    assert (update.order_status, update.reason) == (OrderStatus.CANCELED, "User requested")
    assert [each.venue_order_id for each in snapshot.trades] == [BY_ID.venue_order_id]
    assert [(name, form["txid"]) for name, form, _ in venue.asked] == [
        ("QueryOrders", BY_ID.venue_order_id),
        ("QueryTrades", "T1"),
    ]


def test_fills_that_the_order_does_not_list_come_from_the_history(orders_of: Make) -> None:
    rows = [(f"T{number}", trade(BY_ID.venue_order_id if number % 30 == 0 else "OTHER")) for number in range(70)]

    def page(form: Mapping[str, str]) -> dict[str, Any]:
        first = int(form["ofs"])
        return {"trades": dict(rows[first : first + 50]), "count": 70}

    venue = Venue({"QueryOrders": {BY_ID.venue_order_id: order(vol_exec="0.3")}, "TradesHistory": page})
    snapshot = venue.run(orders_of()[0].find_order(BY_ID))
    assert [each.fills[0].trade_id for each in snapshot.trades] == ["T0", "T30", "T60"]
    assert [(form["start"], form["ofs"]) for name, form, _ in venue.asked if name == "TradesHistory"] == [
        ("1688148492", "0"),
        ("1688148492", "50"),
    ]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"OpenOrders": ["EService:Unavailable"]}, VenueUnavailable),
        ({"OpenOrders": {"open": {"O1": order(cl_ord_id="another")}}}, DecodeError),
        ({"OpenOrders": {"open": {}}, "ClosedOrders": {"closed": {"O1": order(cl_ord_id=None)}}}, DecodeError),
        ({"OpenOrders": {"open": {"O1": order(vol="much")}}}, DecodeError),
    ],
)
def test_what_is_no_answer_never_passes_for_nowhere(orders_of: Make, answers: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Venue(answers).run(orders_of()[0].find_order(BY_CLIENT_ID))


@pytest.mark.parametrize(
    ("kind", "price", "price2", "found"),
    [
        ("limit", "30010.0", "0", ("30010.0", PriceType.STATIC, None, None)),
        ("stop-loss", "60000.0", "0", (None, None, "60000.0", PriceType.STATIC)),
        ("trailing-stop", "+1.0000%", "0", (None, None, "1.0000", PriceType.PERCENT)),
        ("trailing-stop-limit", "+100.0", "-12.5", ("-12.5", PriceType.QUOTE, "100.0", PriceType.QUOTE)),
        ("market", "0", "0", (None, None, None, None)),
        ("limit", "#5.0", "0", (None, None, None, None)),
    ],
)
def test_prices_of_a_rest_order_by_its_type(
    orders_of: Make, kind: str, price: str, price2: str, found: tuple[Any, ...]
) -> None:
    text = {"pair": "XBTUSD", "type": "sell", "ordertype": kind, "price": price, "price2": price2, "leverage": "5:1"}
    whole = order(descr=text, oflags="fciq,post", refid="OPAREN-TPARE-NTPARE", starttm=0, expiretm=1688149000)
    venue = Venue({"QueryOrders": {BY_ID.venue_order_id: whole}})
    [update] = venue.run(orders_of()[0].find_order(BY_ID)).orders or ()
    assert (update.price, update.price_type, update.stop_price, update.stop_price_type) == found
    assert (update.post_only, update.margin, update.parent_venue_order_id) == (True, True, "OPAREN-TPARE-NTPARE")
    assert (update.effective_time_ns, update.expire_time_ns) == (None, 1_688_149_000_000_000_000)


def test_a_refusal_of_the_question_is_none_of_the_order(orders_of: Make) -> None:
    with pytest.raises(VenueRejected):
        Venue({"QueryOrders": ["EGeneral:Invalid arguments"]}).run(orders_of()[0].find_order(BY_ID))
