"""What a Python user imports: connect, subscribe, read events and books, trade."""

from gwcore.client.aio import Client
from gwcore.client.book import Book, BookReader, Books, BookState, Level
from gwcore.client.connect import connect
from gwcore.client.errors import BookNotLive, RequestRefused
from gwcore.client.session import Delivery, Session
from gwcore.client.sync import SyncClient, connect_sync
from gwcore.client.trading.outcome import Order, Outcome
from gwcore.client.trading.sync_trader import SyncTrader
from gwcore.client.trading.trader import Trader
from gwcore.client.view import DecimalView, decimals
from gwcore.errors import NotConnected, ProtocolError

__all__ = [
    "Book",
    "BookNotLive",
    "BookReader",
    "BookState",
    "Books",
    "Client",
    "DecimalView",
    "Delivery",
    "Level",
    "NotConnected",
    "Order",
    "Outcome",
    "ProtocolError",
    "RequestRefused",
    "Session",
    "SyncClient",
    "SyncTrader",
    "Trader",
    "connect",
    "connect_sync",
    "decimals",
]
