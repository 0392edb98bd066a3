"""Acks, errors and pongs have the shape of recorded ones: same keys in the same order, same texts."""

from __future__ import annotations

import json
from functools import cache

import pytest

from gwcore.testing.fixtures import fixture_path, requires_fixtures


@cache
def recorded() -> list[dict]:
    found = []
    for name in (
        "ws-v2-control-and-private-2026", "ws-v2-kraken-async-rs", "ws-v2-book-btcusd-d10-2026",
        "ws-v2-book-minagbp-d25-resubscribe",
    ):  # fmt: skip
        for line in fixture_path(f"kraken-spot/{name}.jsonl").read_bytes().splitlines():
            outer = json.loads(line)
            found.append(outer.get("message") or outer.get("frame") or {})
    return found


def shape(reply) -> object:
    """Keys in order, down to the values' types."""
    if isinstance(reply, dict):
        return [(key, shape(value)) for key, value in reply.items()]
    return type(reply).__name__


def find(**keys):
    for message in recorded():
        result = message.get("result")
        flat = {**message, **(result if isinstance(result, dict) else {})} if "method" in message else {}
        if flat and all(flat.get(key) == value for key, value in keys.items()):
            return message
    raise AssertionError(f"not recorded: {keys}")


@pytest.fixture
def ask(drive):
    driver = drive(rate=0)

    def asked(message, path="/v2"):
        connection = driver.open(path)
        driver.run(0)
        frame = message if isinstance(message, bytes) else json.dumps(message).encode()
        driver.send_raw(connection, frame)
        frames = [json.loads(frame) for frame in driver.run(0)]
        return [frame for frame in frames if "method" in frame]

    return asked


def subscribe(channel, symbols=None, method="subscribe", **params):
    wanted = {"symbol": symbols} if symbols else {}
    return {"method": method, "params": {"channel": channel, **wanted, **params}}


@requires_fixtures
@pytest.mark.parametrize(
    ("request_", "keys"),
    [
        ({**subscribe("book", ["BTC/USD"]), "req_id": 11}, {"method": "subscribe", "channel": "book", "req_id": 11}),
        (subscribe("book", ["BTC/USD"], depth=25), {"method": "subscribe", "channel": "book", "depth": 25}),
        (subscribe("trade", ["BTC/USD"], snapshot=False), {"channel": "trade", "snapshot": False}),
        ({**subscribe("ticker", ["BTC/USD"]), "req_id": 42}, {"channel": "ticker", "req_id": 42}),
        ({**subscribe("instrument"), "req_id": 0}, {"channel": "instrument", "req_id": 0}),
        (subscribe("book", ["XBT/USD"]), {"error": "Currency pair not supported XBT/USD"}),
        (
            subscribe("executions", token="x"),
            {"error": "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com"},
        ),
    ],
)
def test_replies_look_like_recorded_ones(ask, request_, keys) -> None:
    real, made = find(**keys), ask(request_)[0]
    assert shape(made) == shape(real)
    times = ("time_in", "time_out")
    want = {key: value for key, value in real.items() if key not in times}
    got = {key: value for key, value in made.items() if key not in times}
    if "result" in real:
        symbol = {"symbol": made["result"].get("symbol")} if "symbol" in real["result"] else {}
        want = {**want, "result": {**real["result"], **symbol}}
    assert got == want


@requires_fixtures
def test_the_unsubscribe_ack_and_cross_host_errors(ask, drive) -> None:
    driver = drive(rate=0)
    connection = driver.open()
    driver.subscribe(connection, "book", ["BTC/USD"], depth=25)
    driver.send(connection, "unsubscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": 25})
    made = json.loads(driver.run(0)[-1])
    assert shape(made) == shape(find(method="unsubscribe", channel="book"))
    public = ask(subscribe("book", ["BTC/USD"]), "/auth/v2")[0]
    assert (
        public["error"]
        == find(error="Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com")["error"]
    )
    session = ask(subscribe("executions", token="wrong"), "/auth/v2")[0]
    assert shape(session) == shape(find(error="ESession:Invalid session", channel="executions"))


@requires_fixtures
def test_the_banner_is_the_recorded_one(drive) -> None:
    driver = drive(rate=0)
    driver.open()
    (banner,) = driver.run(0)
    real = next(message for message in recorded() if message.get("channel") == "status")
    made = json.loads(banner)
    assert shape(made) == shape(real)
    assert made["data"][0]["connection_id"] != real["data"][0]["connection_id"]


def test_a_mixed_list_gets_one_reply_a_symbol(ask) -> None:
    replies = ask({**subscribe("book", ["BTC/USD", "NO/PE", "ETH/USD"]), "req_id": 7})
    assert [(reply["success"], reply.get("symbol") or reply["result"]["symbol"]) for reply in replies] == [
        (True, "BTC/USD"),
        (False, "NO/PE"),
        (True, "ETH/USD"),
    ]
    assert {reply["req_id"] for reply in replies} == {7}


def test_acks_of_one_request_come_in_any_order(drive) -> None:
    driver = drive(rate=0, latency=True, pairs=80)
    symbols = list(driver.simulator.feed.listing.pairs)
    connection = driver.open()
    driver.subscribe(connection, "book", symbols)
    messages = [json.loads(frame) for frame in driver.run(1)]
    acked = [message["result"]["symbol"] for message in messages if "result" in message]
    assert sorted(acked) == sorted(symbols)
    assert acked != symbols
    first_snapshot = next(number for number, message in enumerate(messages) if message.get("channel") == "book")
    last_ack = max(number for number, message in enumerate(messages) if "result" in message)
    assert first_snapshot < last_ack
    for message in messages:
        if "result" in message:
            assert message["time_in"] < message["time_out"]


@pytest.mark.parametrize(
    ("message", "error", "method"),
    [
        (b"no json", "Malformed request", "error"),
        (b"[1]", "Malformed request", "error"),
        (b'{"method":7}', "Malformed request", "error"),
        (b'{"method":"subscribe","params":{"channel":"book","symbol":"BTC/USD"}}', "Malformed request", "subscribe"),
        (b"\xff\xfe", "Malformed request", "error"),
        ({"method": "dance"}, "Unsupported event", "dance"),
        ({"method": "ping", "params": {}}, "Unsupported field: 'params' for the given msg type: ping", "ping"),
        (subscribe("book", ["BTC/USD"], depth=20), "Subscription depth not supported", "subscribe"),
        (subscribe("book", ["BTC/USD"], method="unsubscribe"), "Subscription Not Found", "subscribe"),
        (subscribe("trade", ["BTC/USD"], depth=10), "Unsupported field: 'depth' for the given msg type: subscribe",
         "subscribe"),
        ({"method": "add_order", "params": {}},
         "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com", "add_order"),
    ],
)  # fmt: skip
def test_errors(ask, message, error, method) -> None:
    (reply,) = ask(message)
    assert (reply["error"], reply["method"], reply["success"]) == (error, method, False)


def test_a_second_subscription_is_refused_and_the_first_goes_on(drive) -> None:
    driver = drive(pairs=1, rate=100)
    connection = driver.open()
    driver.subscribe(connection, "book", ["BTC/USD"])
    driver.subscribe(connection, "book", ["BTC/USD"])
    replies = [json.loads(frame) for frame in driver.run(1)]
    assert [reply.get("error") for reply in replies if "method" in reply] == [None, "Already subscribed"]
    assert driver.books[connection, "BTC/USD"].updates


def test_ping_and_rate_of_requests(drive) -> None:
    driver = drive(rate=0, requests_per_s_max=2)
    connection = driver.open()
    driver.run(0)
    for _ in range(3):
        driver.send(connection, "ping", req_id=101)
    frames = driver.run(0)
    assert [list(json.loads(frame)) for frame in frames].count(["method", "req_id", "time_in", "time_out"]) == 2
    assert b'{"Error":"Exceeded msg rate"}' in frames
