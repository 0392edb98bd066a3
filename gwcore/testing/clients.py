"""SimClient: a real client session (`gwcore.client`) on a wire in memory, with seeded delays and the faults of a client.

The wire is a MemoryLink: a queue each way, from which one timer takes. Heartbeats and credentials are the business of real
transports and are not simulated.
"""

from __future__ import annotations

import asyncio

from gwcore.client.session import Delivery, Session
from gwcore.model import OrderRequest
from gwcore.ports import Clock
from gwcore.testing.loop import SimLoop
from gwcore.testing.memory_transport import MemoryLink
from gwcore.testing.oracles.clients import ClientLog
from gwcore.testing.seeds import SeededRandom
from gwcore.transport import ClientPort
from gwcore.wire import Goodbye, frame_request

#: One way on the wire takes between nothing and this.
_DELAY_S = 0.001
#: Longest wait of a client before it connects again.
_RECONNECT_S = 1.0
#: Most bytes taken at once: some reads end inside a frame.
_CHUNK_BYTES_MAX = 64 * 1024
#: Bytes unread at which the core is told to hold back; low, so that a client that stops is noticed soon.
_HIGH_WATER_BYTES = 16 * 1024


class SimClient:
    """One client that subscribes to everything, follows its books, connects again and resumes where it stood.

    `log` holds what it received; `faults` the reasons for which its session gave a connection up.
    """

    def __init__(self, loop: SimLoop, name: str, clock: Clock, rng: SeededRandom, *, from_start: bool = False) -> None:
        self.name = name
        self.from_start = from_start
        self.session = Session(name=name, monotonic_ns=clock.monotonic_ns)
        self.log = ClientLog(name)
        self.connects = 0
        self.faults: list[str] = []
        self.goodbyes: list[str] = []
        self._loop = loop
        self._random = rng
        self._port: ClientPort | None = None
        self._link: MemoryLink | None = None
        self._requests: list[bytes] = []
        self._up_timer: asyncio.TimerHandle | None = None
        self._down_timer: asyncio.TimerHandle | None = None
        self._is_reading = True
        self._is_ended = False

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection that it reads."""
        return self._link is not None and self._is_reading

    def start(self, port: ClientPort) -> None:
        """Connect and subscribe to everything; from now on it connects again by itself."""
        self._port = port
        self.session.subscribe(from_start=self.from_start)
        self._connect()

    def submit(self, request: OrderRequest) -> bool:
        """Ask for something about orders; False: there is no connection to ask on."""
        if self._link is None or not self._is_reading or self.session.welcome is None:
            return False
        self._send_later(frame_request(request))
        return True

    def end(self) -> None:
        """Leave for good."""
        self._is_ended = True
        self.cut("the client ends")

    # --- faults -------------------------------------------------------------------------------------------------------

    def cut(self, cause: str = "connection lost") -> None:
        """Lose the connection with all that is on it; a new one follows."""
        if self._link is not None:
            self._link.cut()
            self._lost(cause)

    def stall(self) -> None:
        """Stop reading."""
        self._is_reading = False

    def resume(self) -> None:
        """Read again."""
        self._is_reading = True
        self._read_later()

    # --- the wire -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._is_ended or self._link is not None:
            return
        assert self._port is not None
        self.connects += 1
        self._link = MemoryLink(self._port, self.name, _HIGH_WATER_BYTES)
        self._link.wrote = self._read_later
        self.session.on_open()
        self._send_later()

    def _send_later(self, request: bytes | None = None) -> None:
        data = self.session.bytes_to_send() if request is None else request
        if data and self._link is not None:
            self._requests.append(data)
            if self._up_timer is None:
                self._up_timer = self._loop.call_later(self._random.uniform(0.0, _DELAY_S), self._send)

    def _send(self) -> None:
        self._up_timer = None
        requests, self._requests = self._requests, []
        if self._link is not None:
            self._link.receive(b"".join(requests))

    def _read_later(self) -> None:
        if self._down_timer is None and self._is_reading and self._link is not None:
            self._down_timer = self._loop.call_later(self._random.uniform(0.0, _DELAY_S), self._read)

    def _read(self) -> None:
        self._down_timer = None
        link = self._link
        if link is None or not self._is_reading:
            return
        self._take(link.take(self._random.integer(1, _CHUNK_BYTES_MAX)))
        if self._link is not link:
            return
        if link.waiting_bytes:
            self._read_later()
        elif link.is_closed:
            self._lost("closed by the gateway")

    def _take(self, data: bytes) -> None:
        for item in self.session.on_bytes(data):
            if isinstance(item, Delivery):
                self.log.add(item.envelope, item.payload)
            elif isinstance(item, Goodbye):
                self.goodbyes.append(item.reason)
        self._send_later()
        if self.session.fault is not None:
            self.faults.append(str(self.session.fault))
            self.cut("the session gave up")

    def _lost(self, cause: str) -> None:
        self._link = None
        self._requests.clear()
        for timer in (self._up_timer, self._down_timer):
            if timer is not None:
                timer.cancel()
        self._up_timer = self._down_timer = None
        self.session.on_close(cause)
        if not self._is_ended:
            self._loop.call_later(self._random.uniform(0.01, _RECONNECT_S), self._connect)
