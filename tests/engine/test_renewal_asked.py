"""What an operator's wish for a fresh subscription does to the streams of one symbol, and to no other."""

from __future__ import annotations

from gwcore.engine.market.renewal_asked import Renewed, renew_symbol
from gwcore.engine.market.subscription import Phase
from gwcore.model import MarketByPriceUpdate, StaleReason, StreamState, TopOfBook, UpdateType
from gwcore.settings import HealingSettings


def live(made, *symbols):
    made.connect()
    for symbol in symbols:
        made.live(symbol)
    made.book.events.clear()
    made.book.sent.clear()
    return made


def state(made, symbol):
    return made.machine.books.of_symbol[symbol].state


def test_a_live_book_is_stale_at_once_and_live_with_a_fresh_snapshot(bench):
    made = live(bench("BTC/USD", "ETH/USD"), "BTC/USD", "ETH/USD")
    assert renew_symbol(made.machine, "BTC/USD", "anna", made.now_ns) == Renewed(renewed=1)
    book, top = made.book.events
    assert isinstance(book, MarketByPriceUpdate)
    assert isinstance(top, TopOfBook)
    assert (book.symbol, book.update_type, book.reason) == ("BTC/USD", UpdateType.STALE, StaleReason.OPERATOR)
    assert book.detail == "anna had it subscribed anew"
    made.machine.on_burst_end(made.now_ns)
    assert made.book.sent == [b"unsubscribe book BTC/USD"]
    assert (state(made, "BTC/USD"), state(made, "ETH/USD")) == (StreamState.RESYNC, StreamState.LIVE)
    made.hear(ack=["book", "BTC/USD"], left=True)
    made.machine.on_burst_end(made.now_ns)
    made.hear(ack=["book", "BTC/USD"])
    made.hear(book="BTC/USD", type="SNAPSHOT", bids=[["2.0", "1.00"]], asks=[["2.1", "1.00"]])
    assert state(made, "BTC/USD") is StreamState.LIVE


def test_it_ends_a_quarantine_and_what_led_to_it(bench):
    made = live(bench("BTC/USD", settings=(HealingSettings(quarantine_after=1), None)), "BTC/USD")
    subscription = made.machine.books.of_symbol["BTC/USD"]
    made.hear(book="BTC/USD", bids=[["1.0", "2.00"]], asks=[], checksum=1)
    assert subscription.state is StreamState.QUARANTINED
    renew_symbol(made.machine, "BTC/USD", "anna", made.now_ns)
    assert subscription.state is StreamState.RESYNC
    assert (subscription.quarantined, list(subscription.failures)) == (False, [])
    assert subscription.phase is Phase.LEAVE_QUEUED


def test_what_is_on_its_way_is_left_alone_and_what_has_no_connection_waits(bench):
    made = bench("BTC/USD")
    assert renew_symbol(made.machine, "BTC/USD", "anna", made.now_ns) == Renewed(offline=1)
    live(made, "BTC/USD")
    renew_symbol(made.machine, "BTC/USD", "anna", made.now_ns)
    made.book.events.clear()
    assert renew_symbol(made.machine, "BTC/USD", "anna", made.now_ns) == Renewed(under_way=1)
    assert not made.book.events
    assert renew_symbol(made.machine, "NO/SUCH", "anna", made.now_ns).total == 0
