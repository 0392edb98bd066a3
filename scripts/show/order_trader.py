"""A client of the Unix socket by hand, what it was told, the configuration in which it trades: for shows about orders."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "e2e")]

import account_processes as processes

from gwcore.model import Event, OrderAck, OrderUpdate, TradeUpdate
from gwcore.wire import (
    TYPE_EVENT,
    FrameParser,
    Heartbeat,
    Hello,
    Ping,
    RequestError,
    Subscribe,
    Welcome,
    decode_envelope,
    decode_message,
    frame_request,
)

SYMBOL = "BTC/USD"
ACCOUNT = "account1"
VERBS = ("md", "read", "create", "modify", "cancel", "admin")


class Told:
    """What the client was told, by kind."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.errors: list[RequestError] = []

    def acks(self, order_id: str = "", request: str = "") -> list[OrderAck]:
        """Acks, of one order and verb where given."""
        return [
            one
            for one in list(self.events)
            if isinstance(one, OrderAck) and order_id in ("", one.order_id) and request in ("", one.request)
        ]

    def words(self, order_id: str = "", request: str = "") -> list[str]:
        """The same as words: `UNKNOWN TIMEOUT`."""
        return [f"{one.status.value} {one.error or ''}".strip() for one in self.acks(order_id, request)]

    def last(self, order_id: str) -> OrderUpdate | None:
        """The last state of an order."""
        return next(
            (one for one in reversed(list(self.events)) if isinstance(one, OrderUpdate) and one.order_id == order_id),
            None,
        )

    def fills(self) -> list[str]:
        """Ids of fills."""
        return [fill.trade_id for one in list(self.events) if isinstance(one, TradeUpdate) for fill in one.fills]


def make_config(folder: Path, *accounts: str, drop_copy: bool = False, doomed: Mapping[str, Any] | None = None) -> Path:
    """A configuration in which this user trades; `doomed`: settings of one more, by the token in `folder`/doomed.token."""
    path = processes.config_file(folder, *(accounts or ("account1", "account2")), drop_copy=drop_copy)
    text = path.read_text().replace('trading = "off"', 'trading = "live"')
    verbs = f"verbs = {list(VERBS)!r}".replace("'", '"')
    text = text.replace('accounts = ["*"]', f'accounts = ["*"]\n{verbs}')
    if doomed is not None:
        token = folder / "doomed.token"
        token.write_text("doomed-user-of-this-show")
        token.chmod(0o600)
        lines = ["[user.doomed]", f'token = "file:{token}"', 'accounts = ["*"]', verbs]
        lines += [
            f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in doomed.items()
        ]
        text += "\n".join(lines) + "\n"
    path.write_text(text)
    return path


class Trader:
    """A client of the Unix socket: a thread reads, anybody writes."""

    def __init__(self, path: Path, told: Told, *, from_start: bool = False) -> None:
        """`from_start`: what the gateway said since its start is told too."""
        self.told = told
        self.on_event: Callable[[Event], None] | None = None
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lock = threading.Lock()
        self._welcome = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.send(Hello(name="show"))
        assert self._welcome.wait(20.0), "no welcome came"
        kinds = ("order_ack", "order_update", "trade_update")
        self.send(Subscribe(request_id=1, kinds=kinds, from_start=from_start))

    def send(self, request: Any) -> None:
        """One request."""
        with self._lock:
            self._socket.sendall(frame_request(request))

    def _read(self) -> None:
        parser = FrameParser(16 * 1024 * 1024)
        while not self._is_closed:
            try:
                data = self._socket.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            for kind, body in parser.feed(data):
                self._take(kind, body)

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == TYPE_EVENT:
            event = decode_envelope(body).event
            self.told.events.append(event)
            if self.on_event is not None:
                self.on_event(event)
            return
        message = decode_message(body)
        if isinstance(message, Welcome):
            self._welcome.set()
        elif isinstance(message, RequestError):
            self.told.errors.append(message)
        elif isinstance(message, Heartbeat) and not message.request_id:
            self._beat()

    def _beat(self) -> None:
        try:
            self.send(Ping(request_id=2))
        except OSError:
            return

    def close(self) -> None:
        """Leave."""
        self._is_closed = True
        self._socket.close()
