"""Price-time priority."""

from __future__ import annotations

import pytest
from gw_sim_kraken.market.matching import BUY, SELL, Fill, MatchingEngine


@pytest.fixture
def engine():
    changes = []
    engine = MatchingEngine(lambda side, price, before, after: changes.append((side.index, price, before, after)))
    engine.changes = changes
    return engine


def test_best_price_first_then_oldest(engine) -> None:
    engine.limit(SELL, 101, 5)
    engine.limit(SELL, 100, 3)
    engine.limit(SELL, 100, 4)
    assert engine.limit(BUY, 101, 8) == [Fill(100, 3), Fill(100, 4), Fill(101, 1)]
    assert engine.changes[3:] == [(SELL, 100, 7, 4), (SELL, 100, 4, 0), (SELL, 101, 5, 4)]
    assert list(engine.asks.top()) == [(101, 4)]


def test_the_rest_of_a_limit_order_stays_that_of_a_market_order_goes(engine) -> None:
    engine.limit(SELL, 100, 3)
    assert engine.limit(BUY, 100, 5) == [Fill(100, 3)]
    assert list(engine.bids.top()) == [(100, 2)]
    assert engine.market(SELL, 9) == [Fill(100, 2)]
    assert not engine.orders
    assert not engine.asks.levels


def test_a_limit_order_does_not_trade_beyond_its_price(engine) -> None:
    engine.limit(BUY, 99, 1)
    assert engine.limit(SELL, 100, 1) == []
    assert (list(engine.bids.top()), list(engine.asks.top())) == ([(99, 1)], [(100, 1)])


def test_reducing_keeps_the_place_and_cancelling_gives_it_up(engine) -> None:
    first, second = engine.rest(BUY, 10, 5), engine.rest(BUY, 10, 5)
    engine.reduce(first, 2)
    assert engine.market(SELL, 3) == [Fill(10, 2), Fill(10, 1)]
    engine.cancel(second)
    assert engine.cancel(second) is None
    assert engine.changes[-1] == (BUY, 10, 4, 0)


def test_checksum_texts_follow_every_change(engine) -> None:
    number = engine.rest(SELL, 7, 50)
    engine.rest(SELL, 7, 5)
    engine.reduce(number, 1)
    assert engine.asks.texts(10) == ["76"]
