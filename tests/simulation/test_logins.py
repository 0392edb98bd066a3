"""Logins of a venue's plugin that fail, in a whole gateway: each ends its connection, or its account, and nothing else.

Kraken has no login, so its plugin is given one here: a question on the private connection, and what comes of the answer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import cast

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from account_play import AccountPlay, perform
from gw_venue_kraken.accounts.account import KrakenAccount
from gw_venue_kraken.settings import KrakenSettings
from gw_venue_kraken.venue import KrakenStreams

from gwcore.errors import AuthenticationError, DecodeError, GatewayError, VenueUnavailable
from gwcore.model import ConnectionState, FeesUpdate, GatewayStatus, Instrument, MarketStatus, Ready, TradeUpdate
from gwcore.rest import HttpFlow
from gwcore.venue import Account, Frame
from gwcore.wire import decode_envelope


def logging_in(failures: list[Exception]) -> Callable[[KrakenSettings], KrakenStreams]:
    """Streams whose first account's logins fail like this, one after the other; then they work, as all others do."""

    class Codec(KrakenAccount):
        def __init__(self, settings: KrakenSettings, account: Account, streams: KrakenStreams) -> None:
            super().__init__(settings, account, streams._names)
            self.name = account.name

        def login(self) -> Generator[Frame, Frame, None]:
            yield b'{"method":"ping","req_id":77}'
            if self.name == "account1" and failures:
                raise failures.pop(0)

    class LoginStreams(KrakenStreams):
        def account(self, account: Account) -> KrakenAccount:
            return Codec(self._settings, account, self)

    return LoginStreams


def told(play: AccountPlay, account: str) -> list[tuple[ConnectionState | None, str | None]]:
    """How the connection of an account came and went."""
    reader, found = play.gateway.journal.reader("st", 0), []
    while batch := reader.read(10_000, synced_only=False):
        found += [decode_envelope(record.payload).event for record in batch]
    events = [event for event in found if isinstance(event, GatewayStatus)]
    return [(one.connection, one.cause) for one in events if one.component == f"account.{account}"]


async def the_others_are_well(play: AccountPlay) -> None:
    """Market data was never touched, and the second account is told its fills on its first connection."""
    second = play.gateway.accounts.connections[1]
    assert (second.machine.state.value, second.connects) == ("READY", 1)
    assert [connection.connects for connection in play.gateway.hub.connections] == [1]
    before = len(play.events(TradeUpdate, "account2"))
    play.do("fills", count=3, account="account2")
    await asyncio.sleep(5.0)
    assert len(play.events(TradeUpdate, "account2")) == before + 3


@pytest.mark.parametrize(
    "failure",
    [
        VenueUnavailable("busy"),
        DecodeError("no challenge in it"),
        GatewayError("an answer out of turn"),
        ValueError("an error of the plugin's own"),
        KeyError("another one"),
        RecursionError("a third one"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_login_that_fails_ends_its_connection_and_is_tried_again(failure: Exception) -> None:
    failures = [failure, failure]

    async def act(play: AccountPlay) -> None:
        await play.ready()
        assert failures == []
        assert told(play, "account1") == [
            (ConnectionState.CONNECTING, None),
            (ConnectionState.DISCONNECTED, f"the login failed: {failure}"),
            (ConnectionState.CONNECTING, None),
            (ConnectionState.DISCONNECTED, f"the login failed: {failure}"),
            (ConnectionState.CONNECTING, None),
            (ConnectionState.CONNECTED, None),
        ]
        assert play.gateway.accounts.connections[0].connects == 3
        assert len(play.events(Ready, "account1")) == 1
        play.do("fills", count=2, account="account1")
        await the_others_are_well(play)
        assert len(play.events(TradeUpdate, "account1")) == 2
        await play.stop()

    perform(act, streams=logging_in(failures))


def failing(part: str, failures: list[Exception]) -> Callable[[KrakenSettings], KrakenStreams]:
    """Streams whose first account's codec fails in one of its methods as often as that, then works."""

    class Codec(KrakenAccount):
        name = ""

    class BadStreams(KrakenStreams):
        def account(self, account: Account) -> KrakenAccount:
            if part == "account" and account.name == "account1" and failures:
                raise failures.pop()
            codec = Codec(self._settings, account, self._names)
            codec.name = account.name
            return codec

    def fail(self: Codec, *arguments: object) -> object:
        if self.name == "account1" and failures:
            raise failures.pop()
        return getattr(KrakenAccount, part)(self, *arguments)

    def fail_flow(self: Codec, *arguments: object) -> HttpFlow[object]:
        return (yield from cast(HttpFlow[object], fail(self, *arguments)))

    if part != "account":
        setattr(Codec, part, fail if part in ("login", "open") else fail_flow)
    return BadStreams


@pytest.mark.parametrize("part", ["endpoint", "login", "open", "download"])
def test_a_plugin_that_fails_as_a_connection_begins_is_one_bad_connection(part: str) -> None:
    failures: list[Exception] = [KeyError("its own error"), KeyError("its own error")]

    async def act(play: AccountPlay) -> None:
        await play.ready()
        assert not failures
        play.do("fills", count=2, account="account1")
        await the_others_are_well(play)
        assert len(play.events(TradeUpdate, "account1")) == 2
        await play.stop()

    perform(act, streams=failing(part, failures))


@pytest.mark.parametrize("part", ["account", "rights"])
def test_a_plugin_that_can_not_say_what_a_key_may_ends_that_account_alone(part: str) -> None:
    failures: list[Exception] = [KeyError("its own error")]

    async def act(play: AccountPlay) -> None:
        await asyncio.sleep(600.0)
        first = play.gateway.accounts.connections[0]
        assert first.is_halted
        assert "the venue's plugin failed: KeyError: 'its own error'" in first.halt_cause
        assert not first.connects
        await the_others_are_well(play)
        await play.stop()

    perform(act, streams=failing(part, failures))


def test_a_plugin_that_can_not_tell_time_status_or_fees_ends_nothing() -> None:
    asked: list[str] = []

    def fail(name: str) -> HttpFlow[object]:
        asked.append(name)
        raise KeyError("its own error")
        yield  # a flow

    class Codec(KrakenAccount):
        def fees(self, instruments: Sequence[Instrument]) -> HttpFlow[Sequence[FeesUpdate]]:
            return cast(HttpFlow[Sequence[FeesUpdate]], fail("fees"))

    class BadStreams(KrakenStreams):
        def account(self, account: Account) -> KrakenAccount:
            return Codec(self._settings, account, self._names)

        def server_time(self) -> HttpFlow[int]:
            return cast(HttpFlow[int], fail("time"))

        def venue_status(self) -> HttpFlow[MarketStatus]:
            return cast(HttpFlow[MarketStatus], fail("status"))

    async def act(play: AccountPlay) -> None:
        await play.ready()
        await asyncio.sleep(10.0)
        play.fault("downtime", sockets="close", connects=503, said=False, trading=True)
        await asyncio.sleep(60.0)
        play.fault("restore")
        await play.ready()
        assert set(asked) == {"time", "status", "fees"}
        await play.stop()

    perform(act, streams=BadStreams, master="account1", account={"trading": "live", "cancel_after_s": 60})


def test_a_login_that_is_refused_ends_its_account_until_the_operator_acts() -> None:
    failures: list[Exception] = [AuthenticationError("bad signature")]

    async def act(play: AccountPlay) -> None:
        await asyncio.sleep(600.0)
        first = play.gateway.accounts.connections[0]
        assert first.connects == 1
        assert first.is_halted
        assert first.halt_cause == "halted: the login failed: bad signature"
        assert told(play, "account1") == [
            (ConnectionState.CONNECTING, None),
            (ConnectionState.DISCONNECTED, "halted: the login failed: bad signature"),
        ]
        assert not play.events(Ready, "account1")
        await the_others_are_well(play)
        await play.stop()

    perform(act, streams=logging_in(failures))


def test_what_comes_behind_the_end_of_a_login_is_not_taken_for_its_success() -> None:
    """The connection closes a moment later, and there may be more frames in the same read."""
    failures: list[Exception] = [VenueUnavailable("busy")]

    async def act(play: AccountPlay) -> None:
        first = play.gateway.accounts.connections[0]
        while first._login is None:
            assert play.loop.time() < 60.0
            await asyncio.sleep(0.0001)
        for frame in (b'{"method":"pong"}', b'{"channel":"heartbeat"}', b'{"channel":"heartbeat"}'):
            first.on_frame(frame, play.clock.now_ns())
            assert not first.machine.is_open
        await play.ready()
        assert failures == []
        assert [state for state, _ in told(play, "account1")] == [
            ConnectionState.CONNECTING,
            ConnectionState.DISCONNECTED,
            ConnectionState.CONNECTING,
            ConnectionState.CONNECTED,
        ]
        await the_others_are_well(play)
        await play.stop()

    perform(act, streams=logging_in(failures))
