"""What a Python user imports: connect, subscribe, read events and books."""

from gwcore.client.aio import Client
from gwcore.client.book import Book, BookReader, Books, BookState, Level
from gwcore.client.connect import connect
from gwcore.client.errors import BookNotLive, RequestRefused
from gwcore.client.session import Delivery, Session
from gwcore.client.sync import SyncClient, connect_sync
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
    "ProtocolError",
    "RequestRefused",
    "Session",
    "SyncClient",
    "connect",
    "connect_sync",
    "decimals",
]
