"""What of the venue's answers about fees is news."""

from __future__ import annotations

from gwcore.engine.accounts.fees import FeeTable
from gwcore.model import FeesUpdate, UpdateType

SYMBOLS = ("BTC/USD", "ETH/USD")


def row(
    symbol: str = "BTC/USD", maker: str | None = "0.16", taker: str | None = "0.26", volume: str = "1"
) -> FeesUpdate:
    return FeesUpdate(account="main", symbol=symbol, maker_fee=maker, taker_fee=taker, volume=volume)


def test_what_is_new_is_told_once() -> None:
    table = FeeTable()
    assert table.news([row(), row("ETH/USD")], SYMBOLS) == [row(), row("ETH/USD")]
    assert table.news([row(volume="7"), row("ETH/USD", volume="7")], SYMBOLS) == []
    cheaper = row("ETH/USD", maker="0.14", volume="50000")
    assert table.news([row(volume="50000"), cheaper], SYMBOLS) == [cheaper]


def test_fees_that_the_venue_tells_no_more_are_not_known_any_more() -> None:
    table = FeeTable()
    table.news([row(), row("ETH/USD")], SYMBOLS)
    assert table.news([row()], SYMBOLS) == [FeesUpdate(account="main", symbol="ETH/USD")]
    assert table.news([row()], SYMBOLS) == []
    assert table.news([row(), row("ETH/USD")], SYMBOLS) == [row("ETH/USD")]


def test_a_market_that_is_gone_is_forgotten() -> None:
    table = FeeTable()
    table.news([row(), row("ETH/USD")], SYMBOLS)
    assert table.news([row()], ["BTC/USD"]) == []
    assert len(table) == 1


def test_what_is_lost_is_stale_once_and_told_anew() -> None:
    table = FeeTable()
    table.news([row()], SYMBOLS)
    assert table.lose() == [FeesUpdate(account="main", symbol="BTC/USD", update_type=UpdateType.STALE)]
    assert table.lose() == []
    assert table.news([row()], SYMBOLS) == [row()]
