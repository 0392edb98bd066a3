"""Books that clients build by the sheet's rules are the exchange's, at every depth, with every checksum right."""

from __future__ import annotations

import pytest


def assert_same(book, truth) -> None:
    assert book.best("bids") == list(truth.bids)
    assert book.best("asks") == list(truth.asks)
    assert book.wrong == 0
    assert book.problems == []


@pytest.mark.parametrize("depth", [10, 25, 100, 500, 1000])
@pytest.mark.parametrize("seed", [1, 2])
def test_books_equal_the_truth(drive, depth: int, seed: int) -> None:
    driver = drive(seed=seed, pairs=3, rate=200, deep_pairs=1, levels_deep=1100 if depth == 1000 else 600)
    symbols = list(driver.simulator.feed.listing.pairs)
    connection = driver.open()
    driver.subscribe(connection, "book", symbols, depth=depth)
    driver.run(4)
    for symbol in symbols:
        book = driver.books[connection, symbol]
        assert_same(book, driver.simulator.book(symbol, depth))
        assert book.updates > 50


def test_late_and_repeated_subscriptions_fit_in(drive) -> None:
    driver = drive(pairs=1, rate=500, latency=True)
    first, second = driver.open(), driver.open()
    driver.subscribe(first, "book", ["BTC/USD"])
    driver.run(1)
    driver.subscribe(second, "book", ["BTC/USD"], depth=25)
    driver.run(1)
    driver.send(first, "unsubscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": 10})
    driver.run(1)
    stood = driver.books[first, "BTC/USD"].updates
    driver.run(1)
    assert driver.books[first, "BTC/USD"].updates == stood
    driver.subscribe(first, "book", ["BTC/USD"])
    driver.run(2)
    assert_same(driver.books[first, "BTC/USD"], driver.simulator.book("BTC/USD", 10))
    assert_same(driver.books[second, "BTC/USD"], driver.simulator.book("BTC/USD", 25))


def test_a_snapshot_repeats_the_last_change(drive, of_channel) -> None:
    """Its checksum and time stamp are those of the last update, not of sending (sheet 4.8)."""
    driver = drive(pairs=1, rate=50)
    first, second = driver.open(), driver.open()
    driver.subscribe(first, "book", ["BTC/USD"])
    frames = driver.run(3)
    last = of_channel(frames, "book", "update")[-1]["data"][0]
    driver.simulator.fault("freeze")
    driver.run(5)
    driver.subscribe(second, "book", ["BTC/USD"])
    row = of_channel(driver.run(1), "book", "snapshot")[0]["data"][0]
    assert (row["checksum"], row["timestamp"]) == (last["checksum"], last["timestamp"])
    assert list(row) == ["symbol", "bids", "asks", "checksum", "timestamp"]


def test_habits_of_the_wire_all_occur(drive, of_channel) -> None:
    """Back-fills, unmarked truncation, several updates of one price, both sides in one message."""
    driver = drive(pairs=1, rate=400, seed=5)
    connection = driver.open()
    driver.subscribe(connection, "book", ["BTC/USD"])
    frames = driver.run(8)
    rows = [message["data"][0] for message in of_channel(frames, "book", "update")]
    sides = [row[side] for row in rows for side in ("bids", "asks") if row[side]]
    prices = [[level["price"] for level in side] for side in sides]
    assert any(len(set(side)) < len(side) for side in prices), "no price twice in one list"
    assert any(row["bids"] and row["asks"] for row in rows), "never both sides"
    removals = [[float(level["qty"]) == 0 for level in side] for side in sides]
    assert any(flags[:1] == [True] and False in flags for flags in removals), "no back-fill behind a removal"
    insertions = sum(not any(flags) for flags in removals)
    assert insertions > len(removals) / 3
    assert all(set(level["qty"].partition(".")[2]) != set() for side in sides for level in side)


def test_numbers_have_the_width_of_their_precision(drive, of_channel) -> None:
    driver = drive(pairs=20, rate=500)
    pairs = driver.simulator.feed.listing.pairs
    connection = driver.open()
    driver.subscribe(connection, "book", list(pairs))
    driver.subscribe(connection, "trade", list(pairs))
    frames = driver.run(2)
    seen = set()
    for message in of_channel(frames, "book") + of_channel(frames, "trade"):
        for row in message["data"]:
            pair = pairs[row["symbol"]]
            for level in [*row.get("bids", ()), *row.get("asks", ()), *([row] if "price" in row else ())]:
                assert len(level["price"].partition(".")[2]) == pair.price_precision
                assert len(level["qty"].partition(".")[2]) == pair.qty_precision
                seen.add((pair.price_precision, pair.qty_precision))
    assert {(0, 8), (1, 8), (8, 5), (7, 8)} <= seen
