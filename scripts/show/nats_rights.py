"""The rights of conf/nats on a real server with a real gateway and its JetStream sink: each is tried, and each refusal."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats_orders import config_text, order_rows

from gwcore.nats_connection import flush_client
from gwcore.testing.nats_keys import make_user_key
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, Sim, ending

CONF = Path(__file__).parents[2] / "conf" / "nats"
USERS = ("gateway", "sink", "alice", "bob", "reader")
EVENTS, REQUESTS, STREAM = "gw.sim.kraken", "gw.sim.kraken.cmd", "gw-sim-kraken-md"
PING = b'{"request":"ping","request_id":1}'
ANSWER_S = 10.0
#: How long nothing may come before it counts as nothing.
SILENCE_S = 0.5


class Guest:
    """A user's connection, and what the server refused it."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.refusals: list[str] = []
        self.client = Client()

    async def connect(self, url: str, credentials: dict[str, Any]) -> None:
        await self.client.connect(
            url,
            inbox_prefix=f"_INBOX.{self.user}",
            error_cb=self._on_error,
            allow_reconnect=False,
            **credentials,
        )

    async def _on_error(self, error: Exception) -> None:
        self.refusals.append(str(error))

    async def publish(self, subject: str, payload: bytes = b"{}", reply: str = "") -> bool:
        """Whether the server lets it."""
        before = len(self.refusals)
        await self.client.publish(subject, payload, reply=reply)
        await flush_client(self.client, ANSWER_S)
        return len(self.refusals) == before

    async def subscribe(self, subject: str) -> bool:
        before = len(self.refusals)
        subscription = await self.client.subscribe(subject)
        await flush_client(self.client, ANSWER_S)
        await subscription.unsubscribe()
        return len(self.refusals) == before

    async def hears(self, subject: str, cause: Callable[[], Awaitable[object]] | None, timeout_s: float) -> bool:
        """Whether anything comes on a subject, where `cause` is done after subscribing."""
        subscription = await self.client.subscribe(subject)
        await flush_client(self.client, ANSWER_S)
        if cause is not None:
            await cause()
        try:
            message = await subscription.next_msg(timeout_s)
        except nats.errors.TimeoutError:
            return False
        finally:
            await subscription.unsubscribe()
        return not (message.headers or {}).get("Status")


@dataclass
class Row:
    who: str
    what: str
    may: bool
    try_: Callable[[], Awaitable[bool]]


class Table:
    """The rows. A row holds where the attempt ends as `may` says."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def row(self, guest: Guest, what: str, may: bool, attempt: Callable[[], Awaitable[bool]]) -> None:
        self.rows.append(Row(guest.user, what, may, attempt))

    def pub(self, guest: Guest, what: str, may: bool, subject: str, reply: str = "") -> None:
        self.row(guest, what, may, lambda: guest.publish(subject, reply=reply))

    def sub(self, guest: Guest, what: str, may: bool, subject: str) -> None:
        self.row(guest, what, may, lambda: guest.subscribe(subject))


def client_rows(table: Table, guest: Guest, other: Guest) -> None:
    """A client, and what it may not do to another one."""
    name = other.user
    own, ask = f"_INBOX.{guest.user}.own", f"{REQUESTS}.{guest.user}.ping"
    forged_answer, forged_event = f"_INBOX.{name}.forged", f"{EVENTS}.md.forged.BTC-USD"

    def asks(heard_by: Guest, reply: str, timeout_s: float) -> Callable[[], Awaitable[bool]]:
        return lambda: heard_by.hears(reply, lambda: guest.publish(ask, PING, reply), timeout_s)

    table.row(guest, "hears market data", True, lambda: guest.hears(f"{EVENTS}.md.>", None, ANSWER_S))
    table.sub(guest, "hears status", True, f"{EVENTS}.st.>")
    table.row(guest, "asks under its name and is answered", True, asks(guest, own, ANSWER_S))
    table.sub(guest, f"reads {name}'s answers", False, f"_INBOX.{name}.>")
    table.sub(guest, "reads everybody's answers", False, "_INBOX.>")
    table.sub(guest, "reads everything", False, ">")
    table.sub(guest, f"reads {name}'s requests", False, f"{REQUESTS}.{name}.>")
    table.sub(guest, "reads executions", False, f"{EVENTS}.ex.>")
    table.pub(guest, f"asks as {name}", False, f"{REQUESTS}.{name}.ping", f"_INBOX.{guest.user}.x")
    table.pub(guest, f"writes into {name}'s inbox", False, f"_INBOX.{name}.x")
    table.pub(guest, "forges market data", False, f"{EVENTS}.md.trade_summary.BTC-USD")
    table.pub(guest, "forges status", False, f"{EVENTS}.st.gateway_status")
    table.pub(guest, "forges executions", False, f"{EVENTS}.ex.main.order_update")
    table.pub(guest, "writes into the log", False, "gwlog.sim.kraken.md.trade_summary.BTC-USD")
    table.row(guest, f"has the gateway write to {name}", False, asks(other, forged_answer, SILENCE_S))
    table.row(guest, "has the gateway write an event", False, asks(other, forged_event, SILENCE_S))


def log_rows(table: Table, guests: dict[str, Guest]) -> None:
    """Nobody destroys what is stored; streams are made by the sink alone."""
    destroy = {
        "purges the stream": f"$JS.API.STREAM.PURGE.{STREAM}",
        "deletes the stream": f"$JS.API.STREAM.DELETE.{STREAM}",
        "deletes a message": f"$JS.API.STREAM.MSG.DELETE.{STREAM}",
        "changes the stream": f"$JS.API.STREAM.UPDATE.{STREAM}",
        "deletes a consumer": f"$JS.API.CONSUMER.DELETE.{STREAM}.reader",
    }
    for guest in guests.values():
        for what, subject in destroy.items():
            table.pub(guest, what, False, subject)
        if guest.user != "sink":
            table.pub(guest, "makes a stream", False, "$JS.API.STREAM.CREATE.mine")
            table.pub(guest, "makes a consumer", False, f"$JS.API.CONSUMER.CREATE.{STREAM}.mine")


def rows(guests: dict[str, Guest]) -> list[Row]:
    """The whole table."""
    table = Table()
    alice, bob, reader, sink, gateway = (guests[name] for name in ("alice", "bob", "reader", "sink", "gateway"))
    client_rows(table, alice, bob)
    client_rows(table, bob, alice)
    log_rows(table, guests)
    table.row(reader, "reads a stored event", True, lambda: _reads(reader))
    table.pub(reader, "asks the gateway", False, f"{REQUESTS}.reader.ping", "_INBOX.reader.x")
    table.pub(reader, "asks as alice", False, f"{REQUESTS}.alice.ping", "_INBOX.reader.x")
    table.pub(reader, "forges market data", False, f"{EVENTS}.md.trade_summary.BTC-USD")
    table.pub(sink, "writes into the log", True, "gwlog.sim.kraken.zz.try")
    table.pub(sink, "publishes events live", False, f"{EVENTS}.md.trade_summary.BTC-USD")
    table.pub(gateway, "writes into the log", False, "gwlog.sim.kraken.md.trade_summary.BTC-USD")
    table.sub(gateway, "reads alice's answers", False, "_INBOX.alice.>")
    table.sub(gateway, "hears requests", True, f"{REQUESTS}.>")
    for guest in (reader, sink):
        table.sub(guest, "reads a user's orders", False, f"{EVENTS}.own.alice.>")
    order_rows(table, EVENTS, REQUESTS, alice, bob, SILENCE_S)
    return table.rows


async def _reads(reader: Guest) -> bool:
    js = reader.client.jetstream()
    message = await js.get_msg(STREAM, subject=f"{EVENTS}.md.market_by_price.BTC-USD")
    return json.loads(message.data or b"{}")["event"]["symbol"] == "BTC/USD"


def start_server(folder: Path, by_key: bool) -> tuple[NatsServer, dict[str, dict[str, Any]]]:
    """A server with the files of conf/nats, for the environment sim; and how each user proves who it is."""
    for path in CONF.glob("*.conf"):
        text = path.read_text().replace("prod.kraken", "sim.kraken").replace("prod-kraken", "sim-kraken")
        for user in ("alice", "bob"):  # who trades is given this, as the file says
            text = text.replace(f'"_INBOX.{user}.>"]', f'"_INBOX.{user}.>", "{EVENTS}.own.{user}.>"]')
        (folder / path.name).write_text(text)
    credentials: dict[str, dict[str, Any]] = {}
    for user in USERS:
        if by_key:
            key = make_user_key(user)
            os.environ[f"GW_NATS_{user.upper()}_KEY"] = key.public_key.decode()
            os.environ[f"GW_SHOW_{user.upper()}"] = key.seed.decode()
            credentials[user] = {"nkeys_seed_str": key.seed.decode()}
        else:
            os.environ[f"GW_NATS_{user.upper()}"] = os.environ[f"GW_SHOW_{user.upper()}"] = f"p{user}"
            credentials[user] = {"user": user, "password": f"p{user}"}
    name = "nkeys.conf" if by_key else "users.conf"
    server = NatsServer(folder, extra=f'include "{name}"')
    return server.start(), credentials


def gateway_settings(by_key: bool) -> dict[str, str]:
    """Environment of `gw run`: the transport is the user `gateway`, the sink `sink`."""
    found = {"GW_SINK__JETSTREAM__INBOX_PREFIX": "_INBOX.sink"}
    for table, user in (("TRANSPORT__NATS", "gateway"), ("SINK__JETSTREAM", "sink")):
        if by_key:
            found[f"GW_{table}__NKEY"] = f"env:GW_SHOW_{user.upper()}"
        else:
            found[f"GW_{table}__USER"] = user
            found[f"GW_{table}__PASSWORD"] = f"env:GW_SHOW_{user.upper()}"
    return found


async def try_all(url: str, credentials: dict[str, dict[str, Any]]) -> list[tuple[Row, bool]]:
    guests = {user: Guest(user) for user in USERS}
    try:
        for user, guest in guests.items():
            await guest.connect(url, credentials[user])
        return [(row, await row.try_() == row.may) for row in rows(guests)]
    finally:
        for guest in guests.values():
            await guest.client.close()


def run(folder: Path, by_key: bool) -> list[tuple[Row, bool]]:
    folder.mkdir()
    server, credentials = start_server(folder, by_key)
    try:
        keys = folder / "simkeys"
        sim = Sim(folder, "--pairs", "2", "--rate", "100", "--seed", "5", "--accounts", "1", "--keys", str(keys))
        with ending(sim):
            (folder / "orders.toml").write_text(config_text(keys))
            options = ("--transport", "nats", "unix", "--sink", "jetstream", "--nats-url", server.url)
            private = {"GW_VENUE__KRAKEN__WS_PRIVATE_URL": sim.ws_url.replace("/v2", "/auth/v2")}
            private["GW_GATEWAY__KEYS_DIR"] = str(folder / "keys")
            options += ("--config", str(folder / "orders.toml"))
            gateway = Gw(folder, sim, *options, **gateway_settings(by_key), **private)
            with ending(gateway):
                gateway.wait_ready()
                gateway.wait_for("the sink to be fed", lambda: _is_fed(gateway))
                done = asyncio.run(try_all(server.url, credentials))
                gateway.wait_for("the sink to be fed after it", lambda: _is_fed(gateway))
                if "the server refuses" in gateway.errors():
                    raise SystemExit(f"the gateway lacks a right: {gateway.errors()[-2000:]}")
                return done
    finally:
        server.kill()


def _is_fed(gateway: Gw) -> bool:
    sinks = gateway.status().get("sinks", ())
    return bool(sinks) and all(sink["is_connected"] and sink["backlog"] < 500 for sink in sinks)


def main() -> int:
    """Print the table, once for each way to prove who one is; exit code 1 where a row does not hold."""
    broken = 0
    folder = Path(tempfile.mkdtemp(prefix="gw-show-"))
    try:
        for by_key in (False, True):
            done = run(folder / ("key" if by_key else "password"), by_key)
            print(f"\n{'by nkey (conf/nats/nkeys.conf)' if by_key else 'by password (conf/nats/users.conf)'}\n")
            print("| user | tries to | may | holds |\n|---|---|---|---|")
            for row, holds in done:
                print(f"| {row.who} | {row.what} | {'yes' if row.may else 'no'} | {'yes' if holds else '**NO**'} |")
                broken += not holds
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{'holds' if not broken else f'DOES NOT HOLD: {broken} rows'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
