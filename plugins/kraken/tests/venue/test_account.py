"""One account's codec: token, subscribes, order of frames, paging, rights. Answers are made by hand from the API sheet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from gw_venue_kraken.accounts.account import KrakenAccount, KrakenAccountOptions
from gw_venue_kraken.rest_names import RestNames
from gw_venue_kraken.settings import KrakenSettings
from rest_venue import CountingSigner, Venue

from gwcore.errors import AuthenticationError, DecodeError, VenueUnavailable
from gwcore.model import OrderStatus, OrderUpdate, TradeUpdate
from gwcore.venue import Account, AccountSnapshot, Known, Pong, Refused, Renew, Throttled, Unknown

SECOND_NS = 1_000_000_000


def make(options: KrakenAccountOptions | None = None) -> KrakenAccount:
    return KrakenAccount(KrakenSettings(), Account(name="main", signer=CountingSigner(), options=options), RestNames())


def trade(number: int, order: str = "O1") -> dict[str, Any]:
    return {
        "ordertxid": order,
        "pair": "XXBTZUSD",
        "time": 1_000 + number,
        "type": "buy",
        "ordertype": "limit",
        "price": "100.00000",
        "vol": "0.00100000",
        "cost": "0.10000",
        "fee": "0.00016",
        "trade_id": number,
        "maker": True,
    }


def frame(channel: str, kind: str, sequence: int, *rows: dict[str, Any]) -> bytes:
    return json.dumps({"channel": channel, "type": kind, "data": rows, "sequence": sequence}).encode()


def row(**fields: Any) -> dict[str, Any]:
    return {
        "order_id": "O1",
        "timestamp": "2026-09-22T10:33:05.709950Z",
        "order_status": "new",
        "exec_type": "new",
    } | fields


def test_each_connection_gets_a_token_of_its_own_and_both_channels() -> None:
    tokens = iter(["first", "second"])
    venue = Venue({"GetWebSocketsToken": lambda form: {"token": next(tokens), "expires": 900}})
    codec = make()
    endpoint = venue.run(codec.endpoint())
    assert endpoint.url == KrakenSettings().ws_private_url
    subscribes = [msgspec.json.decode(each) for each in codec.open()]
    assert [each["params"]["channel"] for each in subscribes] == ["executions", "balances"]
    assert {each["params"]["token"] for each in subscribes} == {"first"}
    assert subscribes[0]["params"]["snap_trades"] is True
    assert 0 < codec.refresh_s < 900
    assert venue.run(codec.refresh()) == ()
    assert msgspec.json.decode(codec.open()[0])["params"]["token"] == "second"


def test_a_bad_key_is_told_from_a_venue_that_is_away() -> None:
    with pytest.raises(AuthenticationError):
        Venue({"GetWebSocketsToken": ["EAPI:Invalid key"]}).run(make().endpoint())
    with pytest.raises(VenueUnavailable):
        Venue({"GetWebSocketsToken": ["EService:Unavailable"]}).run(make().endpoint())


def test_an_overtaken_nonce_is_made_anew() -> None:
    answers: list[Any] = [["EAPI:Invalid nonce"], {"token": "t", "expires": 900}]
    venue = Venue({"GetWebSocketsToken": lambda form: answers.pop(0)})
    venue.run(make().endpoint())
    assert [form["nonce"] for _, form in venue.asked] == ["1", "2"]


@pytest.mark.parametrize(("permissions", "may"), [(["query-funds"], False), (["query-funds", "withdraw-funds"], True)])
def test_rights(permissions: list[str], may: bool) -> None:
    rights = Venue({"GetApiKeyInfo": {"permissions": permissions}}).run(make().rights())
    assert rights.names == tuple(permissions)
    assert rights.may_withdraw is may


def test_all_pages_of_trades_are_read_and_asked_for_after_the_orders() -> None:
    every = {f"T{n:03}": trade(n) for n in range(123, 0, -1)}

    def page(form: Mapping[str, str]) -> dict[str, Any]:
        first = int(form["ofs"])
        return {"trades": dict(list(every.items())[first : first + 50]), "count": len(every)}

    venue = Venue({"TradesHistory": page})
    snapshot = venue.run(make().download(Known(since_ns=1_000 * SECOND_NS)))
    assert {update.fills[0].trade_id for update in snapshot.trades} == set(every)
    assert {update.symbol for update in snapshot.trades} == {"BTC/USD"}
    names = [name for name, _ in venue.asked]
    assert names.index("OpenOrders") < names.index("TradesHistory")
    assert [form["ofs"] for name, form in venue.asked if name == "TradesHistory"] == ["0", "50", "100"]
    assert {form["start"] for name, form in venue.asked if name == "TradesHistory"} == {"999"}


def test_a_fee_that_was_taken_in_base_is_not_told_by_its_worth() -> None:
    """REST tells what it is worth in the quote asset; which asset it was taken from the order's flags say (sheet 3.9)."""
    text = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "100.0", "price2": "0"}
    order = {"status": "open", "descr": text, "vol": "1.00000000", "vol_exec": "0.00100000", "opentm": 900.5}
    venue = Venue(
        {
            "OpenOrders": {"open": {"O1": order | {"oflags": "fcib"}, "O2": order | {"oflags": "fciq,post"}}},
            "ClosedOrders": {"closed": {"O3": order | {"status": "closed", "oflags": "fcib,post"}}, "count": 1},
            "TradesHistory": {"trades": {f"T{n}": trade(n, f"O{n}") for n in (1, 2, 3, 4)}, "count": 4},
        }
    )
    snapshot = venue.run(make().download(Known(since_ns=0)))
    told = {update.fills[0].trade_id: update.fills[0].fees for update in snapshot.trades}
    assert told == {"T1": (), "T2": (("USD", "0.00016"),), "T3": (), "T4": (("USD", "0.00016"),)}


def test_orders_that_are_in_no_list_are_asked_for_by_id() -> None:
    order = {
        "status": "canceled",
        "descr": {"pair": "XBTUSD", "type": "sell", "ordertype": "limit", "price": "101.0", "price2": "0"},
        "vol": "1.00000000",
        "vol_exec": "0.25000000",
        "opentm": 1688148493.7708,
        "closetm": 1688148610.0482,
        "reason": "User requested",
    }
    venue = Venue({"QueryOrders": {"O7": order}})
    snapshot = venue.run(make().download(Known(since_ns=0, orders=("O7",))))
    assert dict(venue.asked)["QueryOrders"]["txid"] == "O7"
    [update] = snapshot.closed
    assert (update.venue_order_id, update.order_status, update.symbol) == ("O7", OrderStatus.CANCELED, "BTC/USD")
    assert update.opened_ns == 1688148493770800000


def test_funds_go_by_one_name_over_rest_and_stream() -> None:
    snapshot = Venue({}).run(make().download(Known(since_ns=0)))
    found = {(each.asset, each.wallet): (each.total, each.hold, each.available) for each in snapshot.funds}
    assert found == {("BTC", "spot/main"): ("1.5", "0.25", "1.25"), ("USD", "other/M"): ("10", "0", "10")}
    [stream] = make().decode(frame("balances", "snapshot", 1, {"asset": "BTC", "balance": 1.5, "wallets": []}), 0)
    assert isinstance(stream, AccountSnapshot)
    assert [(each.asset, each.wallet) for each in stream.funds or ()] == [("BTC", "spot/main")]


def test_a_gap_in_the_numbers_means_a_new_connection() -> None:
    codec = make()
    codec.decode(frame("executions", "snapshot", 1), 0)
    assert isinstance(codec.decode(frame("executions", "update", 2, row()), 0)[0], OrderUpdate)
    assert isinstance(codec.decode(frame("executions", "update", 2, row()), 0)[0], Unknown)  # it came before
    [renew] = codec.decode(frame("executions", "update", 5, row()), 0)
    assert isinstance(renew, Renew)
    assert "3 to 4" in renew.text


def test_a_trade_row_is_a_fill_and_then_the_state_of_its_order() -> None:
    fields = {
        "exec_type": "trade",
        "exec_id": "T1",
        "order_status": "partially_filled",
        "last_qty": 0.1,
        "last_price": 5.0,
        "cum_qty": 0.3,
    }
    fill, state = make().decode(frame("executions", "update", 3, row(**fields)), 0)
    assert isinstance(fill, TradeUpdate)
    assert isinstance(state, OrderUpdate)
    assert (state.traded_quantity, state.order_status) == ("0.3", OrderStatus.PARTIALLY_FILLED)
    with pytest.raises(DecodeError, match="without exec_id"):
        make().decode(frame("executions", "update", 3, row(exec_type="trade")), 0)


def test_answers_of_the_private_host() -> None:
    codec = make()
    refusal = b'{"error":"%s","method":"subscribe","success":false,"req_id":1}'
    [session] = codec.decode(refusal % b"ESession:Invalid session", 0)
    assert isinstance(session, Refused)
    assert (session.fatal, session.retryable) == (False, True)
    [denied] = codec.decode(refusal % b"EGeneral:Permission denied", 0)
    assert isinstance(denied, Refused)
    assert denied.fatal
    assert codec.decode(b'{"method":"pong","req_id":7}', 0) == (Pong(7),)
    assert isinstance(codec.decode(b'{"Error":"Exceeded msg rate"}', 0)[0], Throttled)
    assert codec.decode(b'{"channel":"heartbeat"}', 0) == ()
    [status] = codec.decode(b'{"channel":"status","type":"update","data":[{"system":"cancel_only"}]}', 0)
    assert (status.symbol, status.status.value, status.venue_status) == (None, "CANCEL_ONLY", "cancel_only")
    assert isinstance(codec.decode(b'{"channel":"surprise"}', 0)[0], Unknown)


@pytest.mark.parametrize(
    "bad",
    [b"", b"{", b"[]", b'{"channel":"executions"}', frame("balances", "update", 1, {"asset": "X", "balance": "x"})],
)
def test_what_can_not_be_read_raises_decode_error(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        make().decode(bad, 0)


def test_a_tier_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="tier is 'gold'"):
        KrakenAccountOptions(tier="gold")
    assert make(KrakenAccountOptions(tier="pro")).limits.rest_decay_per_s == 1.0
