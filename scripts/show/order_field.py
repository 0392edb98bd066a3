"""Where a row about orders is played in virtual time.

`order_real_field.py` offers the same few calls over real sockets, so that a row is written once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from order_row import order
from order_trader import ACCOUNT, SYMBOL, VERBS, Told

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "simulation")]

from account_play import AccountPlay

from gwcore.journal.verify import verify
from gwcore.model import OrderRequest, OrderStatus, OrderUpdate
from gwcore.settings import JournalSettings, UserSettings
from gwcore.testing.clients import SimClient
from gwcore.testing.memory_transport import MemoryLink
from gwcore.testing.storage import MemoryStorage
from gwcore.wire import RequestError, decode_envelope

ANN = UserSettings(uids=(7,), accounts=("*",), verbs=VERBS)
#: Room of the volume in memory while it is not to be full.
ROOM_BYTES = 1 << 40


def users(doomed: Mapping[str, Any] | None = None) -> dict[str, UserSettings]:
    """Who trades; `doomed`: settings of one more, whom the first one sees."""
    if doomed is None:
        return {"ann": ANN}
    other = UserSettings(uids=(8,), accounts=("*",), verbs=VERBS, **doomed)
    return {"ann": msgspec.structs.replace(ANN, drop_copy=True), "doomed": other}


class _Client(SimClient):
    """Keeps what it was refused, too."""

    def __init__(self, play: AccountPlay, uid: int, told: Told) -> None:
        rng = play.rng.stream(f"client.{uid}" if uid != 7 else "client")
        super().__init__(play.loop, f"uid:{uid}", play.clock, rng, from_start=True)
        self._told = told
        self.start(play.gateway.fanout)

    def _take(self, data: bytes) -> None:
        for item in self.session.on_bytes(data):
            if isinstance(item, RequestError):
                self._told.errors.append(item)
            elif hasattr(item, "envelope"):
                self.log.add(item.envelope, item.payload)
        self._send_later()
        if self.session.fault is not None:
            self.faults.append(str(self.session.fault))
            self.cut("the session gave up")


class VirtualField:
    """Virtual time."""

    def __init__(self, play: AccountPlay) -> None:
        self.play = play
        self.told = Told()
        self._seen: dict[str, int] = {}
        self.client = self._client()
        self._slow: _Client | None = None
        self._links: list[MemoryLink] = []

    def _client(self) -> _Client:
        return _Client(self.play, 7, self.told)

    def _refresh(self) -> None:
        for session, received in self.client.log.received.items():
            seen = self._seen.get(session, 0)
            self._seen[session] = len(received)
            for _, payload in received[seen:]:
                if b'"kind":"order_' in payload or b'"kind":"trade_update"' in payload:
                    self.told.events.append(decode_envelope(payload).event)

    async def submit(self, request: OrderRequest) -> None:
        """A client's request."""
        await _submit(self.client, request)

    async def until(self, what: str, condition: Callable[[], Any], limit_s: float = 120.0) -> None:
        """Until something is so."""
        end_s = self.play.loop.time() + limit_s
        while True:
            self._refresh()
            if condition():
                return
            if self.play.loop.time() > end_s:
                raise AssertionError(f"{what}: not within {limit_s:g} s: {self.told.words()[-20:]}")
            await asyncio.sleep(0.05)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
        self._refresh()

    def wall_ns(self) -> int:
        """The gateway's wall clock."""
        return self.play.clock.now_ns()

    async def ready(self) -> None:
        """Until the account is."""
        await self.play.ready()

    async def kill(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """kill -9, and a new start."""
        self.client.end()
        await self.play.crash()
        meanwhile()
        self.play.start()
        self.client = self._client()
        await self.play.ready()

    def end(self) -> None:
        """All is as it should be again, so that it can stop."""
        for client in (self.client, self._slow):
            if client is not None:
                client.end()
        self.fault("restore")
        self.disk("room")
        self.play.storage.sync_error = ""

    # --- the venue ----------------------------------------------------------------------------------------------------

    def fault(self, name: str, **options: Any) -> None:
        """Switch a fault of the venue."""
        self.play.fault(name, **options)

    def do(self, name: str, **options: Any) -> Any:
        """Have something done at the venue."""
        return self.play.do(name, **{"account": ACCOUNT, **options})

    def truth(self) -> Any:
        """What the venue holds."""
        return self.play.simulator.account(ACCOUNT)

    def stats(self) -> dict[str, Any]:
        """What the venue counted."""
        found: dict[str, Any] = self.play.simulator.stats()
        return found

    def ask_price(self) -> str:
        """The best price at which somebody sells."""
        return str(self.play.simulator.book(SYMBOL, 1).asks[0][0])

    # --- other clients ------------------------------------------------------------------------------------------------

    def garbage(self, data: bytes) -> None:
        """A stranger's bytes; he stays, as long as he is let."""
        link = MemoryLink(self.play.gateway.fanout, "uid:9")
        self._links.append(link)
        link.receive(data)

    async def slow_client(self, name: str) -> None:
        """A client of the second user that places an order and then reads nothing."""
        self._slow = _Client(self.play, 8, Told())
        await _submit(self._slow, order(name))
        await self.until(f"{name} works", lambda: self._has_told(name, OrderStatus.WORKING))
        self._slow.stall()

    def slow_knows(self, name: str) -> bool:
        """Whether it knows that its order ended."""
        return self._has_told(name, OrderStatus.CANCELED)

    def _has_told(self, name: str, status: OrderStatus) -> bool:
        assert self._slow is not None
        payloads = [payload for received in self._slow.log.received.values() for _, payload in received]
        events = [decode_envelope(payload).event for payload in payloads if b'"kind":"order_update"' in payload]
        return any(isinstance(e, OrderUpdate) and (e.order_id, e.order_status) == (name, status) for e in events)

    async def wake_slow_client(self) -> None:
        """It reads again."""
        assert self._slow is not None
        self._slow.resume()

    async def doomed_client(self) -> None:
        """A client of the second user that places orders, and is gone while it places more."""
        client = _Client(self.play, 8, Told())
        for number in range(5):
            await _submit(client, order(f"d{number}"))
        await self.wait(2.0)
        for number in range(5, 9):
            await asyncio.sleep(0.0004)
            await _submit(client, order(f"d{number}"))  # some are read, some are lost with the connection
        client.end()

    # --- the disk -----------------------------------------------------------------------------------------------------

    def disk(self, how: str) -> None:
        """The volume of the state directory is at its `reserve`, `full`, or has `room` again."""
        storage = self.play.storage
        used = storage.capacity_bytes - storage.free_bytes()
        reserve = JournalSettings().reserve_bytes
        storage.capacity_bytes = {"reserve": used + reserve // 2, "full": used, "room": ROOM_BYTES}[how]

    def is_degraded(self) -> bool:
        """Whether the gateway says that its journal fails."""
        return bool(self.play.gateway.journal.failed)

    def verified(self) -> str:
        """What checking the whole journal says."""
        assert isinstance(self.play.storage, MemoryStorage)
        report = verify(self.play.storage)
        assert report.ok, report.faults
        return f"ok, {sum(one.records for one in report.classes)} records"


async def _submit(client: SimClient, request: OrderRequest) -> None:
    for _ in range(100):
        if client.submit(request):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the client has no connection")
