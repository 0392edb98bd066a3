"""AccountStage: one account's machine with a plugin's codec against a simulator, on a clock of its own. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from gwcore.engine.accounts.account import AccountMachine
from gwcore.engine.accounts.fills import FillMemory
from gwcore.errors import AuthenticationError, VenueError, VenueUnavailable
from gwcore.model import Event, TradeUpdate
from gwcore.rest import HttpFlow, HttpRequest, HttpResponse
from gwcore.runtime.accounts.nonces import NonceStore
from gwcore.runtime.accounts.signer import KeySigner
from gwcore.secrets import Secret
from gwcore.settings import AccountSettings
from gwcore.simulator import Refusal
from gwcore.testing.conformance.account_case import AccountCase
from gwcore.testing.conformance.flows import run_flow
from gwcore.testing.conformance.venue_case import VenueCase
from gwcore.testing.seeds import SeededRandom
from gwcore.testing.storage import MemoryStorage
from gwcore.venue import Account, AccountCodec

T = TypeVar("T")

SECOND_NS = 1_000_000_000
START_NS = 1_767_225_600 * SECOND_NS
#: From an end of a connection to the next one, and how long one step of time is.
RECONNECT_S, STEP_S = 1.0, 0.05


class _Clock:
    """The time of a stage."""

    def __init__(self, stage: AccountStage) -> None:
        self._stage = stage

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return self._stage.now_ns

    def monotonic_ns(self) -> int:
        """The same."""
        return self._stage.now_ns


class AccountStage:
    """The outbox, the network and the clock of one account."""

    def __init__(self, case: VenueCase, account: AccountCase) -> None:
        assert case.simulator is not None, "accounts are shown by a simulator"
        self.simulator: Any = case.simulator.create(case.simulator.settings(**account.simulator_settings))
        self.now_ns = START_NS
        self.events: list[Event] = []
        self.halted = ""
        self.connects = 0
        self.requests = 0
        self.closed: list[str] = []
        self._number: int | None = None
        self._login: Generator[bytes, bytes, None] | None = None  # under way
        self._early: list[bytes] = []  # what came while it was
        self._again_ns = START_NS
        self._waiting: list[tuple[int, HttpFlow[Any], Callable[[Any, int], None]]] = []
        self._streams = case.streams()
        clock = _Clock(self)
        key, secret = account.credentials(self.simulator)
        signer = KeySigner(Secret(key), Secret(secret), NonceStore(MemoryStorage(), "key", clock), clock)
        self._account = Account(name="card", signer=signer, options=account.options)
        self.codec: AccountCodec = self._streams.account(self._account)
        self.machine = AccountMachine("card", AccountSettings(), self, SeededRandom(1, "card"), FillMemory())

    # --- AccountOutbox --------------------------------------------------------------------------------------------

    def publish(self, event: Event, received_ns: int | None = None) -> None:
        """Keep it."""
        self.events.append(event)

    def publish_status(self, event: Event) -> None:
        """Of no account: not kept."""

    def send(self, frame: bytes) -> None:
        """To the simulator."""
        if self._number is not None:
            self.simulator.receive(self._number, frame, self.now_ns)

    def run_flow(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """Run a step later, as a network would."""
        self._waiting.append((self.connects, flow, done))

    def run_request(self, flow: HttpFlow[T], done: Callable[[T | VenueError, int], None]) -> None:
        """As `run_flow`: nothing is ordered here."""
        self.run_flow(flow, done)

    def barrier(self, callback: Callable[[int], None]) -> None:
        """All is durable at once."""
        callback(self.now_ns)

    def journal_failed(self) -> str:
        """It never fails."""
        return ""

    def close(self, reason: str) -> None:
        """The line goes; another follows."""
        self.closed.append(reason)
        self.lose()

    def halt(self, cause: str) -> None:
        """No more connections."""
        self.halted = cause
        self.lose()

    def wall_ns(self) -> int:
        """The stage's time."""
        return self.now_ns

    # --- the line -------------------------------------------------------------------------------------------------

    def http(self, request: HttpRequest) -> HttpResponse:
        """One exchange."""
        self.requests += 1
        response: HttpResponse = self.simulator.http(request, self.now_ns)
        if not response.status:
            raise VenueUnavailable("the answer is lost")
        return response

    def lose(self) -> None:
        """The connection is gone."""
        if self._number is not None:
            self.simulator.close(self._number, self.now_ns)
        self._lost("gone")

    def _lost(self, cause: str) -> None:
        self._number = self._login = None
        self._again_ns = self.now_ns + int(RECONNECT_S * SECOND_NS)
        if self.machine.is_open:
            self.machine.on_close(cause, self.now_ns)

    def _connect(self) -> None:
        self.connects += 1
        self.codec = self._streams.account(self._account)
        try:
            endpoint = run_flow(self.codec.endpoint(), self.http)
        except AuthenticationError as error:
            self.halt(str(error))
            return
        except VenueError:
            self._again_ns = self.now_ns + int(RECONNECT_S * SECOND_NS)
            return
        number = self.simulator.open(urlsplit(endpoint.url).path, self.now_ns)
        if isinstance(number, Refusal):
            self._again_ns = self.now_ns + int(RECONNECT_S * SECOND_NS)
            return
        self._number = number
        self._login, self._early = self.codec.login(), []
        self._log_in(None)

    def _log_in(self, frame: bytes | None) -> None:
        """One step of the login; the frames that came meanwhile are the machine's too."""
        assert self._login is not None
        try:
            answer = next(self._login) if frame is None else self._login.send(frame)
        except StopIteration:
            self._login = None
            self.machine.on_open(self.codec, self.now_ns)
            early, self._early = self._early, []
            for each in early:
                self.machine.on_frame(each, self.now_ns, self.now_ns)
            return
        if answer:
            self.send(answer)

    def _on_frame(self, frame: bytes) -> None:
        if self._login is not None:
            self._early.append(frame)
            self._log_in(frame)
        elif self.machine.is_open:
            self.machine.on_frame(frame, self.now_ns, self.now_ns)

    # --- time -----------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end_ns = self.now_ns + int(seconds * SECOND_NS)
        while self.now_ns < end_ns:
            self._step()
            self.now_ns += int(STEP_S * SECOND_NS)

    def _step(self) -> None:
        if self._number is None and not self.halted and self.now_ns >= self._again_ns:
            self._connect()
        for item in self.simulator.advance(self.now_ns):
            if item.connection != self._number:
                continue
            if item.frame is None:
                self._lost("closed by the venue")
            else:
                self._on_frame(item.frame)
        waiting, self._waiting = self._waiting, []
        for connects, flow, done in waiting:
            if connects == self.connects and self._number is not None:
                done(self._result(flow), self.now_ns)
        due_ns = self.machine.next_ns()
        if due_ns is not None and self.now_ns >= due_ns:
            self.machine.on_timer(self.now_ns)

    def _result(self, flow: HttpFlow[T]) -> T | VenueError:
        try:
            return run_flow(flow, self.http)
        except VenueError as error:
            return error

    def do(self, act: Callable[[Any], T]) -> T:
        """Have something done at the venue, now."""
        run_to = getattr(self.simulator, "run_to", None)
        if run_to is not None:
            run_to(self.now_ns)
        return act(self.simulator)

    def fills(self) -> list[str]:
        """Ids of all fills that were told."""
        return [fill.trade_id for event in self.events if isinstance(event, TradeUpdate) for fill in event.fills]
