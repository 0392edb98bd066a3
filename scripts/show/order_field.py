"""Where a row about orders is played: a gateway with one trading user, in virtual time or as processes over real sockets.

Both offer the same few calls, so that a row is written once.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gwcore.model import Event, OrderAck, OrderRequest, OrderUpdate, TradeUpdate
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

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "simulation"), str(ROOT / "tests" / "e2e")]

import account_processes as processes
from account_play import AccountPlay

from gwcore.settings import UserSettings
from gwcore.testing.clients import SimClient
from gwcore.testing.processes import Gw, Sim

SYMBOL = "BTC/USD"
ACCOUNT = "account1"
VERBS = ("md", "read", "create", "modify", "cancel", "admin")
USERS = {"ann": UserSettings(uids=(7,), accounts=("*",), verbs=VERBS)}


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


class VirtualField:
    """Virtual time."""

    is_real = False

    def __init__(self, play: AccountPlay) -> None:
        self.play = play
        self.told = Told()
        self._seen: dict[str, int] = {}
        self.client = self._client()

    def _client(self) -> SimClient:
        client = SimClient(self.play.loop, "uid:7", self.play.clock, self.play.rng.stream("client"), from_start=True)
        client.start(self.play.gateway.fanout)
        return client

    def _refresh(self) -> None:
        for session, received in self.client.log.received.items():
            seen = self._seen.get(session, 0)
            self._seen[session] = len(received)
            for _, payload in received[seen:]:
                if b'"kind":"order_' in payload or b'"kind":"trade_update"' in payload:
                    self.told.events.append(decode_envelope(payload).event)

    async def submit(self, request: OrderRequest) -> None:
        """A client's request."""
        for _ in range(100):
            if self.client.submit(request):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the client has no connection")

    async def until(self, what: str, condition: Callable[[], Any], limit_s: float = 120.0) -> None:
        """Until something is so."""
        end_s = self.play.loop.time() + limit_s
        while True:
            self._refresh()
            if condition():
                return
            if self.play.loop.time() > end_s:
                raise AssertionError(f"{what}: not within {limit_s:g} s: {self.told.words()}")
            await asyncio.sleep(0.05)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
        self._refresh()

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the venue."""
        self.play.fault(name, **options)

    def do(self, name: str, **options: Any) -> Any:
        """Have something done at the venue."""
        return self.play.do(name, **{"account": ACCOUNT, **options})

    def truth(self) -> Any:
        """What the venue holds."""
        return self.play.simulator.account(ACCOUNT)

    def ask_price(self) -> str:
        """The best price at which somebody sells."""
        return str(self.play.simulator.book(SYMBOL, 1).asks[0][0])

    async def ready(self) -> None:
        """Until the account is."""
        await self.play.ready()

    async def kill(self) -> None:
        """kill -9, and a new start."""
        self.client.end()
        await self.play.crash()
        self.play.start()
        self.client = self._client()
        await self.play.ready()


class RealField:
    """Processes and sockets of this machine."""

    is_real = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = Told()
        self.sim: Sim = processes.make_sim(folder, accounts=2)
        self.config = make_config(folder)
        self.gateway: Gw = self._start()
        self.trader: Trader | None = None

    def _start(self) -> Gw:
        return processes.start(self.folder, self.sim, self.config, "--symbols", SYMBOL)

    async def begin(self) -> None:
        """Up and subscribed."""
        await self.ready()
        self.trader = Trader(self.gateway.socket_path, self.told)

    async def submit(self, request: OrderRequest) -> None:
        """A client's request."""
        assert self.trader is not None
        self.trader.send(request)

    async def until(self, what: str, condition: Callable[[], Any], limit_s: float = 120.0) -> None:
        """Until something is so."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limit_s
        while not condition():
            if loop.time() > end_s:
                raise AssertionError(f"{what}: not within {limit_s:g} s: {self.told.words()}")
            await asyncio.sleep(0.02)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the venue."""
        self.sim.fault(name, **options)

    def do(self, name: str, **options: Any) -> Any:
        """Have something done at the venue."""
        return processes.do(self.sim, name, **{"account": ACCOUNT, **options})

    def truth(self) -> Any:
        """What the venue holds."""
        return processes.truth(self.sim, ACCOUNT)

    def ask_price(self) -> str:
        """The best price at which somebody sells; a market order of the venue's own tells it."""
        done = self.do("fills", count=1, symbol=SYMBOL, side="buy")
        del done
        return str(self.truth()["fills"][-1]["price"])

    async def ready(self) -> None:
        """Until the gateway is."""
        for _ in range(2):  # the account may be on its way down when asked first
            await asyncio.sleep(0.3)
            await asyncio.to_thread(
                self.gateway.wait_for, "ready", lambda: self.gateway.status().get("ready"), timeout_s=240.0
            )

    async def kill(self) -> None:
        """kill -9, and a new start."""
        self.gateway.kill()
        self.gateway = self._start()
        await self.begin()

    def end(self) -> None:
        """All processes."""
        if self.trader is not None:
            self.trader.close()
        for process in (self.gateway, self.sim):
            process.end()


def make_config(folder: Path, *accounts: str) -> Path:
    """A configuration in which this user trades."""
    path = processes.config_file(folder, *(accounts or ("account1", "account2")), drop_copy=False)
    text = path.read_text().replace('trading = "off"', 'trading = "live"')
    path.write_text(text.replace('accounts = ["*"]', f'accounts = ["*"]\nverbs = {list(VERBS)!r}'.replace("'", '"')))
    return path


class Trader:
    """A client of the Unix socket: a thread reads, anybody writes."""

    def __init__(self, path: Path, told: Told) -> None:
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
        self.send(Subscribe(request_id=1, kinds=("order_ack", "order_update", "trade_update")))

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
