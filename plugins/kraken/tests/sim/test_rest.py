"""REST answers as the sheet and the recorded bodies have them."""

from __future__ import annotations

import itertools
import json

import pytest

from gwcore.rest import HttpRequest
from gwcore.testing.fixtures import fixture_path, requires_fixtures


@pytest.fixture(scope="module")
def get(drive):
    driver = drive(pairs=20, rate=100)
    driver.open()
    driver.run(3)

    def getter(path):
        response = driver.simulator.http(HttpRequest(method="GET", url=f"/0/public/{path}"), driver.now)
        assert response.status == 200
        return json.loads(response.body)

    getter.driver = driver
    return getter


def recorded(path: str) -> dict:
    for line in fixture_path("kraken-spot/rest-public-2026-09.jsonl").read_bytes().splitlines():
        entry = json.loads(line)
        if entry["path"] == f"/0/public/{path}":
            return entry["body"]["result"]
    raise AssertionError(path)


@requires_fixtures
def test_asset_pairs_have_the_recorded_rows(get) -> None:
    real, made = recorded("AssetPairs"), get("AssetPairs")["result"]
    for key in ("XXBTZUSD", "XDGUSD", "XETHXXBT", "SOLUSD"):
        assert list(made[key]) == list(real[key])
        for name in ("altname", "wsname", "base", "quote", "pair_decimals", "lot_decimals", "tick_size", "ordermin"):
            assert made[key][name] == real[key][name], (key, name)


@requires_fixtures
def test_assets_have_the_recorded_keys(get) -> None:
    real, made = recorded("Assets"), get("Assets")["result"]
    for key in ("XXBT", "XXDG", "XETH", "ZUSD", "SOL"):
        assert made[key].keys() == real[key].keys()
        assert made[key]["altname"] == real[key]["altname"]


@pytest.mark.parametrize(
    ("asked", "key"),
    [("XBTUSD", "XXBTZUSD"), ("XXBTZUSD", "XXBTZUSD"), ("BTC/USD", "BTC/USD"), ("XBT/USD", "XBT/USD"),
     ("XDGUSD", "XDGUSD")],
)  # fmt: skip
@pytest.mark.parametrize("method", ["Depth", "Trades", "OHLC", "Ticker"])
def test_the_answer_is_keyed_as_kraken_keys_it(get, asked, key, method) -> None:
    result = get(f"{method}?pair={asked}")["result"]
    assert [name for name in result if name != "last"] == [key]


def test_depth_is_the_book_in_other_widths(get) -> None:
    rows = get("Depth?pair=BTC/USD&count=5")["result"]["BTC/USD"]
    book = get.driver.simulator.book("BTC/USD", 5)
    for row, (price, quantity) in zip(rows["bids"], book.bids, strict=True):
        assert row[0] == price + "0000"
        assert abs(float(row[1]) - float(quantity)) <= 0.0005
        assert len(row[1].partition(".")[2]) == 3


def test_trades_page_by_since(get) -> None:
    truth = get.driver.simulator.trades("BTC/USD")
    since, seen = "0", []
    for _ in range(20):
        page = get(f"Trades?pair=BTC/USD&since={since}&count=7")["result"]
        if not page["BTC/USD"]:
            break
        seen += [row[6] for row in page["BTC/USD"]]
        since = page["last"]
        assert isinstance(since, str)
    assert seen == [trade.trade_id for trade in truth][: len(seen)]
    assert len(seen) == min(len(truth), 140)
    row = get("Trades?pair=BTC/USD")["result"]["BTC/USD"][-1]
    assert row[0] == truth[-1].price + "0000"
    assert (row[1], row[3], row[6]) == (truth[-1].quantity, truth[-1].side[0], truth[-1].trade_id)


def test_ohlc_has_empty_minutes_and_a_forming_one(get) -> None:
    result = get("OHLC?pair=BTC/USD")["result"]
    rows = result["BTC/USD"]
    assert [later[0] - earlier[0] for earlier, later in itertools.pairwise(rows)] == [60] * (len(rows) - 1)
    assert result["last"] == rows[-2][0]
    assert len(rows) <= 721


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("AssetPairs?pair=NOPE", "EQuery:Unknown asset pair"),
        ("Assets?asset=NOPE", "EQuery:Unknown asset"),
        ("Depth?pair=XBTUSD&count=0", "EGeneral:Invalid arguments:count"),
        ("OHLC?pair=XBTUSD&interval=2", "EGeneral:Invalid arguments:interval"),
        ("Trades?pair=XBTUSD&since=yesterday", "EGeneral:Invalid arguments:since"),
        ("Nothing", "EGeneral:Unknown method"),
    ],
)
def test_errors_come_with_status_200(get, path, error) -> None:
    assert get(path)["error"] == [error]


def test_time_and_status(get) -> None:
    assert set(get("Time")["result"]) == {"unixtime", "rfc1123"}
    assert get("SystemStatus")["result"]["status"] == "online"
    get.driver.simulator.fault("status", system="post_only")
    assert get("SystemStatus")["result"]["status"] == "post_only"
    get.driver.simulator.fault("restore")
