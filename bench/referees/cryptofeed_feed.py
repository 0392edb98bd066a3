"""cryptofeed 3: its Kraken feed on its own connections, checksums on. Replaced: the two addresses, and TLS by its absence."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from cryptofeed.connection import WSAsyncConn
from cryptofeed.defines import ASK, BID, L2_BOOK, TICKER, TRADES
from cryptofeed.exceptions import BadChecksum
from cryptofeed.exchanges.kraken import Kraken
from referee import Referee, Side


class _Complaints(logging.Handler):
    """cryptofeed tells of a wrong checksum by an exception that its connection handler logs before it reconnects."""

    def __init__(self, referee: CryptofeedReferee) -> None:
        super().__init__(logging.WARNING)
        self._referee = referee

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, BadChecksum):
            self._referee.complain(str(error))


class CryptofeedReferee(Referee):
    distribution = "cryptofeed"

    async def run(self) -> None:
        logging.basicConfig(level=logging.WARNING)
        logging.getLogger().addHandler(_Complaints(self))
        Kraken.rest_endpoints[0].address = self.rest_url
        self._redirect()
        await Kraken.load_symbols()
        mapping = Kraken.symbol_mapping()
        self._venue_of = {own: venue for own, venue in mapping.items() if venue in self.symbols}
        self._own = {venue: own for own, venue in self._venue_of.items()}
        self._feed = Kraken(
            symbols=list(self._venue_of),
            channels=[L2_BOOK, TRADES, TICKER],
            callbacks={L2_BOOK: self._on_book, TRADES: self._on_trade, TICKER: self._on_ticker},
            max_depth=self.depth,
            checksum_validation=True,
        )
        await self._feed._run(asyncio.Event())

    def _redirect(self) -> None:
        """It refuses addresses without TLS when it reads its list, so the address is put in after that."""
        connect = WSAsyncConn.__init__
        ws_url = self.ws_url

        def init(connection: Any, address: str, *arguments: Any, **options: Any) -> None:
            connect(connection, address, *arguments, **options)
            connection.address = ws_url

        WSAsyncConn.__init__ = init

    def complain(self, words: str) -> None:
        for own, venue in self._venue_of.items():
            if f" {own} " in words:
                self.report(venue, words)

    async def _on_book(self, book: Any, receipt: float) -> None:
        self.books_heard += 1
        if book.delta is None:
            self.snapshots[self._venue_of[book.symbol]] += 1

    async def _on_trade(self, trade: Any, receipt: float) -> None:
        self.trades_heard += 1

    async def _on_ticker(self, ticker: Any, receipt: float) -> None:
        self.tickers_heard += 1

    def book(self, symbol: str) -> tuple[Side, Side] | None:
        own = getattr(self, "_own", {}).get(symbol)
        found = self._feed._l2_book.get(own) if own and hasattr(self, "_feed") else None
        if found is None:
            return None
        sides = (found.book[BID], found.book[ASK])
        bids, asks = ([(f"{p:f}", f"{q:f}") for p, q in map(side.index, range(len(side)))] for side in sides)
        return bids, asks


REFEREE = CryptofeedReferee
