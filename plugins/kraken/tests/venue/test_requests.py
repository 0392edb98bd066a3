from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from gw_venue_kraken.market.market_data import KrakenMarketData
from gw_venue_kraken.market.requests import REQUESTS_MAX

from gwcore.errors import Unsupported
from gwcore.model import Channel
from gwcore.venue import Acknowledged, Refused, Topic, Unknown

BOOKS = [Topic(Channel.BOOK, symbol, 10) for symbol in ("AAA/USD", "BBB/USD", "CCC/USD")]


def sent(requests: Any) -> list[Any]:
    return [json.loads(request.frame) for request in requests]


def reply(codec: KrakenMarketData, **fields: object) -> Any:
    [message] = codec.decode(json.dumps(fields).encode(), 0)
    return message


def ack(codec: KrakenMarketData, result: dict[str, Any], method: str = "subscribe", **other: object) -> Any:
    return reply(codec, method=method, result=result, success=True, **other)


def refusal(codec: KrakenMarketData, text: str, method: str = "subscribe", **other: object) -> Any:
    return reply(codec, method=method, error=text, success=False, **other)


def test_subscribe_frames_name_all_that_identifies_the_subscription(codec: KrakenMarketData) -> None:
    topics = [
        Topic(Channel.STATUS),
        Topic(Channel.INSTRUMENT),
        Topic(Channel.BOOK, "AAA/USD", 25),
        Topic(Channel.TRADE, "AAA/USD"),
        Topic(Channel.TICKER, "AAA/USD"),
        Topic(Channel.OHLC, "AAA/USD", 300),
    ]
    symbol = ["AAA/USD"]
    requests = codec.subscribe(topics)
    assert [request.request_id for request in requests] == [1, 2, 3, 4, 5]
    assert [request.topics for request in requests] == [(topic,) for topic in topics[1:]]
    assert [(each["method"], each["req_id"], each["params"]) for each in sent(requests)] == [
        ("subscribe", 1, {"channel": "instrument", "snapshot": True}),
        ("subscribe", 2, {"channel": "book", "symbol": symbol, "depth": 25, "snapshot": True}),
        ("subscribe", 3, {"channel": "trade", "symbol": symbol, "snapshot": True}),
        ("subscribe", 4, {"channel": "ticker", "symbol": symbol, "event_trigger": "trades", "snapshot": True}),
        ("subscribe", 5, {"channel": "ohlc", "symbol": symbol, "interval": 5, "snapshot": True}),
    ]
    left = sent(codec.unsubscribe(topics))
    assert {each["method"] for each in left} == {"unsubscribe"}
    assert [each["params"] for each in left] == [
        {"channel": "instrument"},
        {"channel": "book", "symbol": symbol, "depth": 25},
        {"channel": "trade", "symbol": symbol},
        {"channel": "ticker", "symbol": symbol, "event_trigger": "trades"},
        {"channel": "ohlc", "symbol": symbol, "interval": 5},
    ]


def test_requests_are_cut_at_the_batch_size(make_codec: Callable[..., KrakenMarketData]) -> None:
    topics = [Topic(Channel.TRADE, f"A{index}/USD") for index in range(250)]
    requests = make_codec().subscribe(topics)
    assert [len(request.topics) for request in requests] == [100, 100, 50]
    assert [topic for request in requests for topic in request.topics] == topics
    assert len(make_codec(topics_per_request=10).subscribe(topics)) == 25


def test_settings_reach_the_requests(make_codec: Callable[..., KrakenMarketData]) -> None:
    codec = make_codec(include_tokenized_assets=True, execution_venue="bitnomial_exchange", ticker_trigger="bbo")
    instrument, ticker = sent(codec.subscribe([Topic(Channel.INSTRUMENT), Topic(Channel.TICKER, "AAA/USD")]))
    assert instrument["params"] == {
        "channel": "instrument",
        "snapshot": True,
        "include_tokenized_assets": True,
        "execution_venue": "bitnomial-exchange",
    }
    assert ticker["params"]["event_trigger"] == "bbo"


def test_one_symbol_at_two_depths_is_refused_here(codec: KrakenMarketData) -> None:
    codec.subscribe([Topic(Channel.BOOK, "AAA/USD", 10)])
    with pytest.raises(Unsupported, match="AAA/USD at book depths 10 and 25"):
        codec.subscribe([Topic(Channel.BOOK, "AAA/USD", 25)])
    codec.unsubscribe([Topic(Channel.BOOK, "AAA/USD", 10)])
    assert codec.subscribe([Topic(Channel.BOOK, "AAA/USD", 25)])


def test_acks_name_the_topic(codec: KrakenMarketData) -> None:
    assert ack(codec, {"channel": "book", "depth": 25, "symbol": "AAA/USD"}, req_id=4) == Acknowledged(
        (Topic(Channel.BOOK, "AAA/USD", 25),), 4
    )
    assert ack(codec, {"channel": "ohlc", "interval": 60, "symbol": "AAA/USD"}).topics == (
        Topic(Channel.OHLC, "AAA/USD", 3600),
    )
    assert ack(codec, {"channel": "instrument", "warnings": ["old"]}).topics == (Topic(Channel.INSTRUMENT),)
    # Older captures leave out what the request left out.
    assert ack(codec, {"channel": "book", "symbol": "AAA/USD"}).topics == (Topic(Channel.BOOK, "AAA/USD", 10),)
    left = ack(codec, {"channel": "trade", "symbol": "AAA/USD"}, method="unsubscribe")
    assert left == Acknowledged((Topic(Channel.TRADE, "AAA/USD"),), None, True)
    assert isinstance(ack(codec, {"channel": "executions"}), Unknown)


def test_an_error_about_one_symbol_of_a_batch_means_that_topic_alone(codec: KrakenMarketData) -> None:
    [request] = codec.subscribe(BOOKS)
    number = request.request_id
    ack(codec, {"channel": "book", "depth": 10, "symbol": "AAA/USD"}, req_id=number)
    message = refusal(codec, "Currency pair not supported BBB/USD", symbol="BBB/USD", req_id=number)
    assert message == Refused("Currency pair not supported BBB/USD", (BOOKS[1],), number)


def test_an_error_without_symbol_means_what_is_not_answered_yet(codec: KrakenMarketData) -> None:
    [request] = codec.subscribe(BOOKS)
    ack(codec, {"channel": "book", "depth": 10, "symbol": "AAA/USD"}, req_id=request.request_id)
    message = refusal(codec, "Subscription depth not supported", req_id=request.request_id)
    assert message.topics == (BOOKS[1], BOOKS[2])
    assert message == Refused(message.text, message.topics, request.request_id)  # no flag set


def test_an_error_without_id_is_matched_by_symbol(codec: KrakenMarketData) -> None:
    codec.subscribe([Topic(Channel.TRADE, "AAA/USD")])
    assert refusal(codec, "Currency pair not supported AAA/USD", symbol="AAA/USD").topics == (
        Topic(Channel.TRADE, "AAA/USD"),
    )
    assert refusal(codec, "Currency pair not supported XXX/USD", symbol="XXX/USD").topics == ()


def test_duplicate_and_missing_are_told_apart(codec: KrakenMarketData) -> None:
    [request] = codec.subscribe(BOOKS)
    message = refusal(codec, "Already subscribed", symbol="AAA/USD", req_id=request.request_id)
    assert (message.duplicate, message.missing, message.topics) == (True, False, (BOOKS[0],))
    # The venue answers an unsubscribe of what it does not have under the method `subscribe`.
    [request] = codec.unsubscribe(BOOKS[:1])
    message = refusal(codec, "Subscription Not Found", req_id=request.request_id)
    assert (message.missing, message.unsubscribed, message.topics) == (True, True, (BOOKS[0],))


def test_a_missing_subscription_that_is_not_named_means_none_in_particular(codec: KrakenMarketData) -> None:
    [request] = codec.unsubscribe(BOOKS)
    assert refusal(codec, "Subscription Not Found", req_id=request.request_id).topics == ()
    message = refusal(codec, "Subscription Not Found", symbol="CCC/USD", req_id=request.request_id)
    assert message.topics == (BOOKS[2],)


@pytest.mark.parametrize(
    ("text", "retryable"),
    [
        ("Rate limit for snapshot requests exceeded, when trying to subscribe", True),
        ("EService:Unavailable", True),
        ("EGeneral:Internal error", True),
        ("Exceeded msg rate", True),
        ("Malformed request", False),
        ("Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com", False),
    ],
)
def test_retryable_errors(text: str, retryable: bool, codec: KrakenMarketData) -> None:
    assert refusal(codec, text).retryable is retryable


def test_errors_that_are_not_about_our_subscriptions(codec: KrakenMarketData) -> None:
    assert isinstance(refusal(codec, "Unsupported field: 'x' for the given msg type: ping", method="ping"), Unknown)
    assert isinstance(refusal(codec, "ESession:Invalid session", channel="executions", status="error"), Unknown)
    assert refusal(codec, "Malformed request", method="error").topics == ()
    assert reply(codec, method="subscribe", success=False).text == "refused without a reason"


def test_what_is_kept_of_requests_is_bounded(codec: KrakenMarketData) -> None:
    topic = Topic(Channel.TRADE, "AAA/USD")
    for _ in range(REQUESTS_MAX + 1):
        codec.subscribe([topic])
    assert refusal(codec, "no", symbol="AAA/USD", req_id=1).topics == ()
    assert refusal(codec, "no", symbol="AAA/USD", req_id=2).topics == (topic,)
