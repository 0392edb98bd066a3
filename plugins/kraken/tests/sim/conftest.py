"""A client written for these tests alone, after the sheet: a dict for a book, text for numbers, its own checksum."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import urllib.parse
import zlib
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from gw_sim_kraken.exchange import SimulatedKraken
from gw_sim_kraken.plugin import create
from gw_sim_kraken.settings import SimKrakenSettings

from gwcore.rest import HttpRequest, HttpResponse
from gwcore.simulator import Refusal
from plugins.kraken.tests.sim.trading_desk import TradingDesk

T0 = 1_790_000_000_000_000_000
SECOND = 1_000_000_000


class NaiveBook:
    """Rules of sheet 4.8: apply in order, cut to depth, then check. Prices of one symbol have one width."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.sides: dict[str, dict[int, tuple[str, str]]] = {"bids": {}, "asks": {}}
        self.wrong = self.updates = 0
        self.problems: list[str] = []

    def apply(self, kind: str, row: dict[str, Any]) -> None:
        if kind == "snapshot":
            self.sides = {"bids": {}, "asks": {}}
        else:
            self.updates += 1
        for name, side in self.sides.items():
            for level in row[name]:
                price, quantity = level["price"], level["qty"]
                key = int(price.replace(".", ""))
                if not quantity.strip("0."):
                    if side.pop(key, None) is None:
                        self.problems.append(f"removal of {price}, which is not there")
                else:
                    side[key] = (price, quantity)
            if len(side) > self.depth:
                for key in self._order(name)[self.depth :]:
                    del side[key]
        if self.checksum() != int(row["checksum"]):
            self.wrong += 1

    def best(self, name: str) -> list[tuple[str, str]]:
        return [self.sides[name][key] for key in self._order(name)]

    def checksum(self) -> int:
        levels = [self.sides[name][key] for name in ("asks", "bids") for key in self._order(name)[:10]]
        text = "".join(number.replace(".", "").lstrip("0") for level in levels for number in level)
        return zlib.crc32(text.encode())

    def _order(self, name: str) -> list[int]:
        return sorted(self.sides[name], reverse=name == "bids")


class Driver:
    """One simulator on virtual time, and what each connection received."""

    def __init__(self, simulator: SimulatedKraken) -> None:
        self.simulator = simulator
        self.now = T0
        self.frames: dict[int, list[bytes]] = defaultdict(list)
        self.closed: dict[int, bool] = {}
        self.books: dict[tuple[int, str], NaiveBook] = {}
        self.depths: dict[tuple[int, str], int] = {}

    def open(self, path: str = "/v2") -> int:
        number = self.simulator.open(path, self.now)
        assert not isinstance(number, Refusal), number
        return number

    def send(self, connection: int, method: str, params: dict[str, Any] | None = None, **keys: Any) -> None:
        message = {"method": method, **({"params": params} if params is not None else {}), **keys}
        self.send_raw(connection, json.dumps(message).encode())

    def send_raw(self, connection: int, frame: bytes) -> None:
        self.simulator.receive(connection, frame, self.now)

    def subscribe(self, connection: int, channel: str, symbols: list[str] | None = None, **params: Any) -> None:
        for symbol in symbols or ():
            self.depths[connection, symbol] = params.get("depth", 10)
        wanted = {"symbol": symbols} if symbols is not None else {}
        self.send(connection, "subscribe", {"channel": channel, **wanted, **params})

    def run(self, seconds: float) -> list[bytes]:
        """Drive as the contract says: at each `next_ns`, up to a time; returns the frames of this span."""
        end = self.now + int(seconds * SECOND)
        out: list[bytes] = []
        while True:
            for item in self.simulator.advance(self.now):
                if item.frame is None:
                    self.closed[item.connection] = item.abort
                    continue
                self.frames[item.connection].append(item.frame)
                out.append(item.frame)
                self._follow(item.connection, item.frame)
            due = self.simulator.next_ns()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
        self.now = end
        return out

    def _follow(self, connection: int, frame: bytes) -> None:
        if b'"channel":"book","type"' not in frame[:40]:
            return
        try:
            message = read(frame)
        except ValueError:
            return
        row = message["data"][0]
        key = (connection, row["symbol"])
        if message["type"] == "snapshot" or key in self.books:
            if message["type"] == "snapshot":
                self.books[key] = NaiveBook(self.depths.get(key, 10))
            self.books[key].apply(message["type"], row)


class PrivateClient:
    """One account on the wire: signs as the sheet (2.3) says, counts its own nonces, keeps its own token."""

    def __init__(self, driver: Driver, account: str = "account1", key: tuple[str, str] | None = None) -> None:
        self.driver = driver
        self.key, self.secret = key or driver.simulator.credentials()[account]
        self.nonce = 0
        self.connection = 0

    def request(self, method: str, nonce: int | None = None, sign: str | None = None, **params: Any) -> HttpResponse:
        self.nonce = self.nonce + 1 if nonce is None else nonce
        path = f"/0/private/{method}"
        body = urllib.parse.urlencode({"nonce": self.nonce, **params}).encode()
        inner = hashlib.sha256(str(self.nonce).encode() + body).digest()
        mac = hmac.new(base64.b64decode(self.secret), path.encode() + inner, hashlib.sha512)
        signature = sign or base64.b64encode(mac.digest()).decode()
        headers = {"API-Key": self.key, "API-Sign": signature, "content-type": "application/x-www-form-urlencoded"}
        request = HttpRequest(method="POST", url=path, headers=headers, body=body)
        return self.driver.simulator.http(request, self.driver.now)

    def call(self, method: str, **params: Any) -> Any:
        """The result; the error texts where there is none."""
        answer = read(self.request(method, **params).body)
        return answer["result"] if not answer["error"] else answer["error"]

    def token(self) -> str:
        return str(self.call("GetWebSocketsToken")["token"])

    def listen(self, *channels: str, **params: Any) -> int:
        """A new private connection with subscriptions of this account."""
        self.connection = self.driver.open("/auth/v2")
        for channel in channels:
            self.driver.send(
                self.connection, "subscribe", {"channel": channel, "token": self.token(), **params.get(channel, {})}
            )
        self.driver.run(0.01)
        return self.connection

    def rows(self, channel: str = "executions", kind: str | None = None) -> list[Any]:
        """All rows of a channel on the last connection."""
        return [row for message in self.messages(channel, kind) for row in message["data"]]

    def do(self, name: str, **options: Any) -> Any:
        """Something happens to the account elsewhere."""
        answer = self.driver.simulator.act(name, **options)
        self.driver.run(0.001)
        return answer

    def low(self) -> str:
        """A price of BTC/USD that nothing trades at."""
        return str(Decimal(self.driver.simulator.book("BTC/USD", 1).bids[0][0]) - 1000)

    def new(self) -> list[Any]:
        """Rows of executions since the snapshot."""
        return self.rows("executions", "update")

    def check_truth(self, account: str = "account1") -> None:
        """Ledger, balances and the sums of orders agree."""
        truth = self.driver.simulator.account(account)
        sums: dict[str, Decimal] = {}
        for entry in truth["ledger"]:
            asset = entry["asset"]
            sums[asset] = sums.get(asset, Decimal(0)) + Decimal(entry["amount"]) - Decimal(entry["fee"])
            assert Decimal(entry["balance"]) == sums[asset]
        assert {asset: format(total, "f") for asset, total in sums.items()} == truth["balances"]
        fills = {fill["exec_id"]: fill for fill in truth["fills"]}
        for order in truth["orders"]:
            own = [fills[exec_id] for exec_id in order["fills"]]
            for name in ("quantity", "cost", "fee"):
                total = sum((Decimal(fill[name]) for fill in own), Decimal(0))
                assert Decimal(order["filled" if name == "quantity" else name]) == total

    def messages(self, channel: str = "executions", kind: str | None = None) -> list[Any]:
        messages = [read(frame) for frame in self.driver.frames[self.connection]]
        return [
            one
            for one in messages
            if one.get("channel") == channel and "data" in one and kind in (None, one.get("type"))
        ]


def read(frame: bytes) -> Any:
    """A frame with numbers as the text they are on the wire."""
    return json.loads(frame, parse_float=str, parse_int=str)


@pytest.fixture(scope="session")
def drive():
    """Make a driver: `drive(seed=3, pairs=5, ...)`."""

    def make(feed: Any = None, **settings: Any) -> Driver:
        settings = {"latency": False, "deep_pairs": 0, **settings}
        chosen = SimKrakenSettings(**settings)
        return Driver(SimulatedKraken(chosen, feed) if feed is not None else create(chosen))

    return make


@pytest.fixture(scope="session")
def private(drive):
    """A client of account1 on a quiet exchange: `private(pairs=2, accounts=2)`; its `driver` makes time pass."""

    def make(
        account: str = "account1", driver: Driver | None = None, key: Any = None, **settings: Any
    ) -> PrivateClient:
        made = driver or drive(**{"pairs": 2, "rate": 0, "accounts": 2, **settings})
        return PrivateClient(made, account, key)

    return make


@pytest.fixture
def watched(private):
    """account1 with both channels on a market where nobody else moves."""
    client = private()
    client.listen("executions", "balances", executions={"snap_trades": True})
    client.sim = client.driver.simulator
    client.market = client.sim.feed.market("BTC/USD")
    best = client.sim.book("BTC/USD", 1)
    client.bid, client.ask = Decimal(best.bids[0][0]), Decimal(best.asks[0][0])
    return client


@pytest.fixture(name="read", scope="session")
def read_fixture():
    return read


@pytest.fixture(scope="session")
def of_channel():
    """Frames of one channel, decoded: `of_channel(frames, "trade", "update")`."""

    def pick(frames: list[bytes], channel: str, kind: str | None = None) -> list[Any]:
        messages = [read(frame) for frame in frames if frame.startswith(f'{{"channel":"{channel}"'.encode())]
        return [message for message in messages if kind in (None, message.get("type"))]

    return pick


@pytest.fixture(scope="session")
def desk(private):
    """A client that trades on a market without a crowd: `desk(tier="starter", ...)`."""

    def make(**settings: Any) -> TradingDesk:
        settings = {"rest_limits": False, "engine_limits": False, "accounts": 3, **settings}
        return TradingDesk(private(**settings), read)

    return make
