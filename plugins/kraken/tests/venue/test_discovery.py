from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.market.symbols import KrakenSymbols
from gw_venue_kraken.settings import KrakenSettings

from gwcore.errors import AuthenticationError, DecodeError, VenueError, VenueRejected, VenueUnavailable
from gwcore.model import Instrument, TradingStatus
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.testing.fixtures import fixture_path, requires_fixtures

PAIR: dict[str, Any] = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "aclass_quote": "currency",
    "quote": "ZUSD",
    "lot": "unit",
    "cost_decimals": 5,
    "pair_decimals": 1,
    "lot_decimals": 8,
    "leverage_buy": [2, 3],
    "leverage_sell": [2],
    "fees": [[0, 0.4], [10000, 0.35]],
    "fees_maker": [[0, 0.25], [10000, -0.02]],
    "fee_volume_currency": "ZUSD",
    "ordermin": "0.00005",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
    "execution_venue": "international",
    "long_position_limit": 350,
    "short_position_limit": 250,
    "margin_call": 80,
    "margin_stop": 40,
}
ASSETS = {
    "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "status": "enabled", "margin_rate": "0.010"},
    "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "status": "deposit_only"},
}
BTC = Instrument(
    symbol="BTC/USD",
    base="BTC",
    quote="USD",
    venue_symbol="XXBTZUSD",
    aliases=("XXBTZUSD", "XBTUSD", "XBT/USD"),
    price_decimals=1,
    quantity_decimals=8,
    cost_decimals=5,
    tick_size="0.1",
    lot_size="0.00000001",
    min_quantity="0.00005",
    min_cost="0.5",
    status=TradingStatus.ONLINE,
    venue_status="online",
    leverage_buy=(2, 3),
    leverage_sell=(2,),
    position_limit_long="350",
    position_limit_short="250",
    taker_fees=(("0", "0.4"), ("10000", "0.35")),
    maker_fees=(("0", "0.25"), ("10000", "-0.02")),
    fee_volume_currency="USD",
    base_class="currency",
    quote_class="currency",
    execution_venue="international",
    base_status="enabled",
    quote_status="deposit_only",
    margin_call="80",
    margin_stop="40",
    base_decimals=10,
    quote_decimals=4,
    base_margin_rate="0.01",
)


def body(result: object) -> bytes:
    return json.dumps({"error": [], "result": result}).encode()


def discover(
    answers: Mapping[str, bytes | HttpResponse], **settings: Any
) -> tuple[Sequence[Instrument], list[HttpRequest]]:
    """Drives the flow; answers by the method's name."""
    flow = KrakenSymbols(KrakenSettings(rest_url="http://127.0.0.1:1/", **settings)).discover()
    requests: list[HttpRequest] = []
    try:
        request = next(flow)
        while True:
            requests.append(request)
            answer = answers[request.url.split("/0/public/")[1].split("?")[0]]
            request = flow.send(answer if isinstance(answer, HttpResponse) else HttpResponse(status=200, body=answer))
    except StopIteration as stop:
        return stop.value, requests


def test_one_pair_with_all_its_facts() -> None:
    found, requests = discover({"Assets": body(ASSETS), "AssetPairs": body({"XXBTZUSD": PAIR})})
    assert found == [BTC]
    assert [request.url for request in requests] == [
        "http://127.0.0.1:1/0/public/Assets",
        "http://127.0.0.1:1/0/public/AssetPairs",
    ]
    assert all(request.method == "GET" and request.headers["User-Agent"] for request in requests)


def test_tokenized_assets_and_other_execution_venues_are_asked_for_by_setting() -> None:
    _, requests = discover(
        {"Assets": body(ASSETS), "AssetPairs": body({"XXBTZUSD": PAIR})},
        include_tokenized_assets=True,
        execution_venue="bitnomial_exchange",
    )
    assert [request.url.partition("?")[2] for request in requests] == [
        "",
        "execution_venue=bitnomial_exchange",
        "aclass=tokenized_asset",
        "aclass_base=tokenized_asset&execution_venue=bitnomial_exchange",
    ]


def test_a_pair_that_can_not_be_read_or_has_no_websocket_name_is_left_out() -> None:
    dark = {key: value for key, value in PAIR.items() if key != "wsname"}
    pairs = {
        "DARK.d": dark,
        "NOPAIR": PAIR | {"wsname": "XBTUSD"},
        "BAD1": PAIR | {"wsname": "A/B", "pair_decimals": "one"},
        "BAD2": PAIR | {"wsname": "A/C", "lot_decimals": 10**9},
        "BAD3": PAIR | {"wsname": "A/D", "tick_size": "a tenth"},
        "BAD4": 7,
        "XXBTZUSD": PAIR,
    }
    found, _ = discover({"Assets": body(ASSETS), "AssetPairs": body(pairs)})
    assert found == [BTC]


def test_unknown_status_is_unknown_and_missing_tick_follows_from_decimals() -> None:
    pair = PAIR | {"status": "dreaming", "pair_decimals": 0}
    del pair["tick_size"]
    [found], _ = discover({"Assets": body({}), "AssetPairs": body({"XXBTZUSD": pair})})
    assert (found.status, found.venue_status, found.tick_size) == (TradingStatus.UNKNOWN, "dreaming", "1")
    assert found.base_status is None


@pytest.mark.parametrize(
    ("response", "error", "retry_after_s"),
    [
        (HttpResponse(status=503, body=b"<html>"), VenueUnavailable, None),
        (HttpResponse(status=429, headers={"retry-after": "7"}), VenueUnavailable, 7.0),
        (HttpResponse(status=403, body=b"error 1020"), VenueUnavailable, None),
        (HttpResponse(status=200, body=b"<html>busy</html>"), VenueUnavailable, None),
        (HttpResponse(status=200, body=b""), VenueUnavailable, None),
        (b'{"error":["EAPI:Rate limit exceeded"]}', VenueUnavailable, 3.0),
        (b'{"error":["EService:Unavailable"],"result":null}', VenueUnavailable, None),
        (b'{"error":["EService: Busy"],"result":{}}', VenueUnavailable, None),
        (b'{"error":["EGeneral:Internal error:77"]}', VenueUnavailable, None),
        (b'{"error":["EGeneral:Temporary lockout"]}', VenueUnavailable, 900.0),
        (b'{"error":["EAPI:Invalid nonce"]}', VenueUnavailable, 0.0),
        (b'{"error":["EService: Throttled: x"]}', VenueUnavailable, 3.0),
        (
            HttpResponse(
                status=200,
                headers={"date": "Thu, 01 Jan 1970 00:01:40 GMT"},
                body=b'{"error":["EService: Throttled: 112"]}',
            ),
            VenueUnavailable,
            12.0,
        ),
        (b'{"error":["EQuery:Unknown asset pair"],"result":null}', VenueRejected, None),
        (b'{"error":["EGeneral:Invalid arguments:pair"]}', VenueRejected, None),
        (b'{"error":["EService:Market in cancel_only mode"]}', VenueRejected, None),
        (b'{"error":["EAPI:Invalid key"]}', AuthenticationError, None),
        (b'{"error":["EGeneral:Permission denied"]}', AuthenticationError, None),
        (b'{"error":[]}', DecodeError, None),
        (b'{"error":[],"result":null}', DecodeError, None),
        (b'{"error":7}', DecodeError, None),
        (b'{"error":[],"result":[1]}', DecodeError, None),
        (b'{"error":[],"result":{}}', DecodeError, None),
        (b'{"error":[],"result":{"A":', DecodeError, None),
        (b'{"error":[],"result":' + b"[" * 100_000, DecodeError, None),
    ],
)
def test_answers_that_are_no_list_of_pairs(
    response: bytes | HttpResponse, error: type[VenueError], retry_after_s: float | None
) -> None:
    with pytest.raises(error) as caught:
        discover({"Assets": body(ASSETS), "AssetPairs": response})
    assert "AssetPairs" in str(caught.value)
    assert getattr(caught.value, "retry_after_s", None) == retry_after_s


def test_a_warning_beside_a_result_is_no_error() -> None:
    warned = json.dumps({"error": ["WGeneral:Something"], "result": {"XXBTZUSD": PAIR}}).encode()
    found, _ = discover({"Assets": body(ASSETS), "AssetPairs": warned})
    assert found == [BTC]


@requires_fixtures
def test_the_recorded_lists_of_2021_and_2026() -> None:
    found, _ = discover(
        {
            "Assets": fixture_path("kraken-spot/rest-Assets-2026-02.json").read_bytes(),
            "AssetPairs": fixture_path("kraken-spot/rest-AssetPairs-2021.json").read_bytes(),
        }
    )
    assert len({each.symbol for each in found}) == len(found) > 280
    by_symbol = {each.symbol: each for each in found}
    assert {"BTC/USD", "DOGE/USD", "ETH/BTC", "XTZ/USD"} <= by_symbol.keys()
    assert not [symbol for symbol in by_symbol if "XBT" in symbol or "XDG" in symbol]
    assert by_symbol["BTC/USD"].aliases == ("XXBTZUSD", "XBTUSD", "XBT/USD")
    assert by_symbol["BTC/USD"].taker_fees[:2] == (("0", "0.26"), ("50000", "0.24"))
    assert by_symbol["ETH/BTC"].tick_size == "0.00001"
    assert {each.status for each in found} == {TradingStatus.ONLINE}
    assert by_symbol["BTC/USD"].base_status == "enabled"


@requires_fixtures
def test_the_recorded_pairs_of_september_2026() -> None:
    rows = [
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        for line in fixture_path("kraken-spot/rest-public-2026-09.jsonl").read_bytes().splitlines()
    ]
    bodies = [bytes(row["body"]) for row in rows]
    found, _ = discover({"AssetPairs": bodies[0], "Assets": bodies[1]})
    assert [each.symbol for each in found] == ["ACA/EUR", "BTC/USD", "DOGE/USD", "ETH/BTC", "SOL/USD"]
    aca, btc, doge, _, _ = found
    assert aca.status is TradingStatus.CANCEL_ONLY
    assert (btc.leverage_buy[-1], btc.position_limit_long, btc.position_limit_short) == (10, "350", "250")
    assert (doge.price_decimals, doge.tick_size, doge.min_quantity, doge.cost_decimals) == (7, "0.0000001", "50", 9)
    with pytest.raises(VenueRejected, match="Unknown asset pair"):
        discover({"Assets": bodies[1], "AssetPairs": bodies[4]})


def test_the_instrument_channel_agrees_with_discovery(make_codec: Callable[..., KrakenMarketData]) -> None:
    pair = {
        "symbol": "BTC/USD",
        "base": "BTC",
        "quote": "USD",
        "status": "online",
        "qty_precision": 8,
        "qty_increment": 1e-08,
        "price_precision": 1,
        "cost_precision": 5,
        "marginable": True,
        "has_index": True,
        "cost_min": 0.50,
        "margin_initial": 0.10,
        "position_limit_long": 350,
        "position_limit_short": 250,
        "tick_size": 0.10,
        "price_increment": 0.10,
        "qty_min": 0.00005,
        "execution_venue": "international",
    }
    frame = json.dumps(
        {
            "channel": "instrument",
            "type": "snapshot",
            "data": {
                "assets": [{"id": "BTC", "status": "enabled"}, {"id": "USD", "status": "depositonly"}],
                "pairs": [pair],
            },
        },
        separators=(",", ":"),
    ).encode()
    [update] = make_codec(BTC).decode(frame, 0)
    [found] = update.instruments  # type: ignore[union-attr]
    assert found == msgspec.structs.replace(BTC, marginable=True, has_index=True, margin_initial="0.1")
