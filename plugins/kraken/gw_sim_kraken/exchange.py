"""The simulated Kraken: connections, time and frames. Written from the API fact sheet alone; pure.

Hosts are told apart by path: /v2 public, /auth/v2 private, /l3/v2 level3. What is asked of it is answered by
`desk` (requests), `rest` (HTTP) and `faults` (what goes wrong on purpose); where data comes from is a `Feed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from gw_sim_kraken.accounts.accounts import Accounts
from gw_sim_kraken.accounts.actions import AccountActions
from gw_sim_kraken.accounts.private_streams import PrivateStreams
from gw_sim_kraken.accounts.truth import account_truth
from gw_sim_kraken.board import Board, drop_all
from gw_sim_kraken.connections import HOSTS, Connection, Gate
from gw_sim_kraken.desk import Desk
from gw_sim_kraken.faults.account_faults import AccountFaults
from gw_sim_kraken.faults.fault_switch import FaultSwitch
from gw_sim_kraken.faults.faults import Faults
from gw_sim_kraken.faults.trade_faults import TradeFaults
from gw_sim_kraken.feed import Emission, Feed, TrueBook
from gw_sim_kraken.market.frames import HEARTBEAT, Trade, status_frame
from gw_sim_kraken.market.seeded import SeededFeed
from gw_sim_kraken.orders.dead_man import DeadMan
from gw_sim_kraken.orders.desk import OrderDesk
from gw_sim_kraken.orders.triggers import Triggers
from gw_sim_kraken.rest import public as rest
from gw_sim_kraken.rest.private import PrivateRest
from gw_sim_kraken.schedule import Schedule
from gw_sim_kraken.settings import SimKrakenSettings
from gw_sim_kraken.texts import SECOND_NS
from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal, SimFrame

#: Events of an unpaced replay in one call of `advance`: the driver sees to it that clients keep up.
EVENTS_PER_CALL = 256
_COUNTS = (
    "connects", "refused", "subscribes", "unsubscribes", "requests", "frames", "invalid_keys", "invalid_signatures",
    "invalid_nonces", "rate_limited", "lockouts",
)  # fmt: skip


class SimulatedKraken:
    """One exchange; see gwcore.simulator for the contract."""

    def __init__(self, settings: SimKrakenSettings, feed: Feed) -> None:
        self.settings = settings
        self.feed = feed
        self.system = "online"
        self.upcoming: tuple[str, ...] = ()  # maintenance that is announced
        self.frozen = False  # no market data at all for now; replies and heartbeats go on
        self.now_ns = 0
        self.board = Board()
        self.connections: dict[int, Connection] = {}
        self.faults = Faults()
        self.schedule = Schedule()
        self.lag_ns = 0  # how long the request that is carried out now was on its way to the engine
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.account_faults = AccountFaults()
        self.trade_faults = TradeFaults(self.count_fault)
        self.streams = PrivateStreams(self)
        self.accounts = Accounts(self, feed)
        self.private_rest = PrivateRest(self)
        self.triggers = Triggers(self)
        self.order_desk = OrderDesk(self)
        self.dead_man = DeadMan(self)
        if isinstance(feed, SeededFeed):
            feed.on_trade, feed.on_prices = self.order_desk.on_trade, self.triggers.on_prices
        self.desk = Desk(self)
        self._switch = FaultSwitch(self)
        self._actions = AccountActions(self)
        self._gate = Gate(settings)
        self._out: list[SimFrame] = []
        self._started = False
        self._numbers = 0

    # -- the contract ------------------------------------------------------------------------------------------

    def http(self, request: HttpRequest, now_ns: int) -> HttpResponse:
        """Answer one REST request."""
        self._run_to(now_ns)
        if self.faults.meets(request):
            self.count_fault("http")
        return self.faults.http_response(request, lambda: rest.answer(self, request))

    def open(self, path: str, now_ns: int) -> int | Refusal:
        """Accept or refuse a connection; the path says which host is meant."""
        self._run_to(now_ns)
        host = HOSTS.get(path.partition("?")[0])
        if host is None:
            return Refusal(404, b"no WebSocket here: use " + " ".join(HOSTS).encode())
        status = self.faults.refusal() or (0 if self._gate.admits(now_ns) else 429)
        if status:
            self.counts["refused"] += 1
            return Refusal(status, b"Too Many Requests" if status == 429 else b"")
        self.counts["connects"] += 1
        self._numbers += 1
        number = self._numbers
        rng = Random(f"{self.settings.seed}/connection/{number}")
        self.connections[number] = Connection(number, host, now_ns, rng)
        self.send(number, status_frame(self.system, rng.getrandbits(64), self.upcoming))
        if self.settings.idle_close_s:
            self.schedule.at(now_ns + self._idle_ns(), self._check_idle, number)
        return number

    def receive(self, connection: int, frame: bytes, now_ns: int) -> None:
        """A frame of a client; unknown connections are ignored (it was closed meanwhile)."""
        self._run_to(now_ns)
        client = self.connections.get(connection)
        if client is not None:
            client.active_ns = now_ns
            self.counts["requests"] += 1
            self.desk.receive(client, frame, now_ns)

    def close(self, connection: int, now_ns: int) -> None:
        """The client is gone."""
        self._run_to(now_ns)
        self._forget(connection)

    def advance(self, now_ns: int) -> Sequence[SimFrame]:
        """All that is to be sent up to `now_ns`; of an unpaced replay one portion."""
        self._run_to(now_ns)
        out, self._out = self._out, []
        self.counts["frames"] += len(out)
        return out

    def next_ns(self) -> int | None:
        """When `advance` has something to do."""
        if self._out:
            return self.now_ns
        times = [time_ns for time_ns in (self.schedule.next_ns(), self._event_ns()) if time_ns is not None]
        return min(times, default=None)

    def fault(self, name: str, **options: Any) -> str:
        """Switch a fault; `fault_switch` lists them. Raises ValueError naming those it knows."""
        return self._switch.apply(name, options)

    def run_to(self, now_ns: int) -> None:
        """Let time pass up to `now_ns`, so that what follows from the control side happens then."""
        self._run_to(now_ns)

    def credentials(self) -> dict[str, tuple[str, str]]:
        """Key and secret of each account's first key: for whoever starts the exchange, never for a log."""
        first = {name: self.accounts.keys_of(name)[0] for name in self.accounts.by_name}
        return {name: (key.public, key.secret) for name, key in first.items()}

    def act(self, name: str, **options: Any) -> Any:
        """Have something done to an account; `account_actions` lists what. Raises ValueError naming what it knows."""
        return self._actions.apply(name, options)

    # -- the truth, for oracles --------------------------------------------------------------------------------

    def book(self, symbol: str, depth: int = 10) -> TrueBook:
        """The true best `depth` levels a side. Raises KeyError for an unknown symbol."""
        return self.feed.book(symbol, depth)

    def trades(self, symbol: str) -> Sequence[Trade]:
        """All trades of a symbol (as many as are kept), oldest first. Raises KeyError for an unknown symbol."""
        return self.feed.trades(symbol)

    def account(self, name: str = "") -> dict[str, Any]:
        """The truth about an account (`account_truth`). Raises ValueError naming those there are."""
        truth = account_truth(self.accounts.get(name), self.feed.listing, self.now_ns)
        return {**truth, "faults": self.faults_fired()}

    def stats(self) -> dict[str, int]:
        """What was asked and sent so far."""
        subscriptions = len(self.board) + len(self.streams)
        return {**self.counts, "open": len(self.connections), "subscriptions": subscriptions}

    def faults_fired(self) -> dict[str, int]:
        """How often each fault of trading, of executions and of HTTP has struck so far, by its name."""
        prefix = "fault_"
        return {name.removeprefix(prefix): count for name, count in self.counts.items() if name.startswith(prefix)}

    # -- for the parts -----------------------------------------------------------------------------------------

    def send(self, connection: int, frame: bytes) -> None:
        """Queue a frame."""
        self._out.append(SimFrame(connection, frame))

    def count_fault(self, name: str) -> None:
        """A fault struck: it is in `stats` from then on."""
        self.counts[f"fault_{name}"] = self.counts.get(f"fault_{name}", 0) + 1

    def unsend(self, connection: int, position: int) -> None:
        """Take back what was queued for a connection since `queued` was read."""
        kept = [one for one in self._out[position:] if one.connection != connection]
        self._out[position:] = kept

    def send_at(self, position: int, connection: int, frame: bytes) -> None:
        """Queue a frame ahead of those queued since `queued` was read."""
        self._out.insert(position, SimFrame(connection, frame))

    @property
    def is_open(self) -> bool:
        """Whether it was given a time yet."""
        return self._started

    @property
    def queued(self) -> int:
        """How many frames wait to be sent."""
        return len(self._out)

    def send_all(self, frame: bytes) -> None:
        """Queue a frame for every connection."""
        for connection in self.connections:
            self.send(connection, frame)

    def cut(self, connection: int, *, abort: bool = False) -> None:
        """Close a connection from our side."""
        if connection in self.connections:
            self._forget(connection)
            self._out.append(SimFrame(connection, None, abort))

    def publish(self, emissions: Sequence[Emission]) -> None:
        """Send frames to those who listen, with what the faults do to them."""
        if self.faults.touches_data:
            emissions = self.faults.filter(emissions, self.board, self.feed)
        out = self._out
        for topic, frame in emissions:
            if topic.channel == "status":
                self.send_all(frame)
                continue
            for subscription in self.board.listeners(topic):
                out.append(SimFrame(subscription.connection.number, frame))

    def venue_ns(self) -> int:
        """The venue's clock as it shows: a fault may have put it wrong."""
        return self.now_ns + self.account_faults.clock_skew_ns

    def received_ns(self) -> int:
        """When, by the venue's clock, the request came that is carried out now."""
        return self.venue_ns() - self.lag_ns

    def start_heartbeat(self, connection: Connection, now_ns: int) -> None:
        """Heartbeats begin with the first subscription."""
        if not connection.heartbeat:
            connection.heartbeat = True
            self.schedule.at(now_ns + self._heartbeat_ns(), self._beat, connection.number)

    # -- inside ------------------------------------------------------------------------------------------------

    def _run_to(self, now_ns: int) -> None:
        if not self._started:
            self._started = True
            self.feed.start(now_ns)
            self.accounts.start(now_ns)
        self.now_ns = max(self.now_ns, now_ns)
        self._skip_pause(now_ns)
        events_left = EVENTS_PER_CALL if self.feed.unpaced else -1
        while True:
            planned_ns, event_ns = self.schedule.next_ns(), self._event_ns()
            if planned_ns is not None and planned_ns <= now_ns and (event_ns is None or planned_ns <= event_ns):
                self.schedule.run_next()
            elif event_ns is not None and event_ns <= now_ns and events_left:
                self.publish(self.feed.step(now_ns))
                events_left -= 1
            elif planned_ns is not None and planned_ns <= now_ns:
                self.schedule.run_next()
            else:
                return

    def _event_ns(self) -> int | None:
        return None if self.frozen else self.feed.next_ns()

    def _skip_pause(self, now_ns: int) -> None:
        """After a long pause of the driver the feed goes on from shortly before now."""
        event_ns = self._event_ns()
        pause_ns = int(self.settings.catch_up_max_s * SECOND_NS)
        if event_ns is not None and now_ns - event_ns > pause_ns:
            self.feed.skip_to(now_ns - pause_ns)

    def _forget(self, number: int) -> None:
        connection = self.connections.pop(number, None)
        if connection is not None:
            self.streams.drop(number)
            for topic in drop_all(self.board, connection):
                self.feed.unwatch(topic)

    def _beat(self, when_ns: int, number: int) -> None:
        if number not in self.connections:
            return
        if not self.faults.no_heartbeats:
            self.send(number, HEARTBEAT)
        # After a pause one heartbeat is enough.
        self.schedule.at(max(when_ns, self.now_ns - self._heartbeat_ns()) + self._heartbeat_ns(), self._beat, number)

    def _check_idle(self, when_ns: int, number: int) -> None:
        connection = self.connections.get(number)
        if connection is None:
            return
        # An active subscription keeps a connection open (sheet 1.1), however quiet its market is.
        is_subscribed = connection.subscriptions or self.streams.is_fed(number)
        active_ns = when_ns if is_subscribed else connection.active_ns
        deadline_ns = active_ns + self._idle_ns()
        if deadline_ns <= when_ns:
            self.cut(number)
        else:
            self.schedule.at(deadline_ns, self._check_idle, number)

    def _heartbeat_ns(self) -> int:
        return int(self.settings.heartbeat_s * SECOND_NS)

    def _idle_ns(self) -> int:
        return int(self.settings.idle_close_s * SECOND_NS)
