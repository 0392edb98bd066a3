"""Oracles: what must hold of any run, whatever faults struck. Each returns sentences, one a violation; none is good."""

from gwcore.testing.oracles.archive import check_archive
from gwcore.testing.oracles.books import TrueLevels, check_book_streams, check_books
from gwcore.testing.oracles.clients import ClientLog, check_client
from gwcore.testing.oracles.sequences import check_sequences, journal_hash
from gwcore.testing.oracles.trades import TrueTrade, check_trades, check_trades_true

__all__ = [
    "ClientLog",
    "TrueLevels",
    "TrueTrade",
    "check_archive",
    "check_book_streams",
    "check_books",
    "check_client",
    "check_sequences",
    "check_trades",
    "check_trades_true",
    "journal_hash",
]
