"""The venue's counters and its dead-man timer, through a whole gateway and the simulated Kraken."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from account_play import AccountPlay, perform
from test_orders import SIM, VERBS, Client, _end, order

from gwcore.model import (
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    ConnectionState,
    Fate,
    GatewayStatus,
    OrderAck,
    Origin,
    RateLimitsUpdate,
)
from gwcore.settings import UserSettings
from gwcore.wire import decode_envelope

USERS = {
    "ann": UserSettings(uids=(1,), accounts=("account1",), verbs=(*VERBS, "admin")),
    "bob": UserSettings(uids=(2,), accounts=("account1",), verbs=VERBS),
}


def test_a_burst_of_two_users_never_meets_the_venues_limit_and_cancels_go_at_once() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob = (Client(play, uid) for uid in (1, 2))
        await asyncio.sleep(2.0)
        for number in range(150):
            assert ann.submit(order(f"a{number}"))
        for number in range(150):
            assert bob.submit(order(f"b{number}"))
        await asyncio.sleep(1.0)
        for number in range(3):
            assert ann.submit(CancelOrder(account="account1", order_id=f"a{number}"))
        await asyncio.sleep(1.0)
        cancels = [ack for ack in play.events(OrderAck) if ack.request == "cancel_order"]
        assert Counter(ack.status.value for ack in cancels) == {"FORWARDED": 3, "ACCEPTED": 3}
        for number in range(150, 250):
            for client, name in ((ann, "a"), (bob, "b")):
                assert client.submit(order(f"{name}{number}"))
            await asyncio.sleep(0.5)
        acks = play.events(OrderAck)
        limited = [ack for ack in acks if ack.error == "RATE_LIMIT"]
        assert limited
        assert {ack.origin for ack in limited} == {Origin.GATEWAY}
        assert all(ack.retry_at_ns is not None for ack in limited)
        taken = Counter(ack.user for ack in acks if ack.request == "create_order" and ack.status.value == "ACCEPTED")
        assert taken["bob"] >= 60
        told = [
            update.limits[0] for update in play.events(RateLimitsUpdate) if update.limits[0].name == "orders.BTC/USD"
        ]
        assert 5 <= len(told) <= 20
        assert max(float(limit.value or 0) for limit in told) > 130
        await _end(play, ann, bob)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


def _timer(play: AccountPlay) -> list[tuple[ConnectionState | None, str | None]]:
    reader, found = play.gateway.journal.reader("st", 0), []
    while batch := reader.read(10_000, synced_only=False):
        found += [decode_envelope(record.payload).event for record in batch]
    events = [event for event in found if isinstance(event, GatewayStatus)]
    return [(one.connection, one.cause) for one in events if one.component == "account.account1.cancel_timer"]


def test_the_timer_is_off_ahead_of_maintenance_and_armed_again_after() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann, bob = (Client(play, uid) for uid in (1, 2))
        await asyncio.sleep(2.0)
        assert ann.submit(order("a1"))
        await asyncio.sleep(60.0)  # three periods
        armed = play.simulator.dead_man._trigger_ns
        assert "account1" in armed
        play.fault("maintenance", announce_s=600.0, down_s=60.0, cancel_only_s=5.0, post_only_s=5.0)
        await asyncio.sleep(535.0)
        assert "account1" in armed  # announced, but not for now
        await asyncio.sleep(10.0)
        assert "account1" not in armed  # before it begins
        assert bob.submit(CancelAllAfter(account="account1", timeout_s=30, request_id=7))
        assert ann.submit(CancelAllAfter(account="account1", timeout_s=30, request_id=8))
        await asyncio.sleep(150.0)
        refused = [ack for ack in play.events(OrderAck) if ack.request == "cancel_all_after" and ack.error]
        assert {ack.client_request_id: ack.error for ack in refused} == {7: "DENIED", 8: "MARKET_CLOSED"}
        assert "account1" in armed
        [row] = [row for row in play.simulator.account("account1")["orders"] if row["cl_ord_id"]]
        assert row["status"] == "new"
        assert [state.value for state, _ in _timer(play) if state is not None] == [
            "CONNECTED",
            "DISCONNECTED",
            "CONNECTED",
        ]
        await _end(play, ann, bob)
        assert armed == {}  # and off when the gateway stopped

    perform(act, sim=SIM, account={"trading": "live", "cancel_after_s": 20}, users=USERS)


def _deaf_to_market_data(play: AccountPlay) -> None:
    play.gateway.machine.hear_venue = lambda status: None


def test_a_clients_timer_is_off_ahead_of_maintenance_though_the_gateway_died_meanwhile() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann = Client(play, 1)
        await asyncio.sleep(2.0)
        assert ann.submit(CancelAllAfter(account="account1", timeout_s=3600, request_id=8))
        await asyncio.sleep(2.0)
        armed = play.simulator.dead_man._trigger_ns
        assert "account1" in armed
        ann.end()
        await play.crash()
        await asyncio.sleep(5.0)
        play.start()
        await play.ready()
        assert _timer(play)[-1] == (ConnectionState.CONNECTED, "for 3600 s, by ann")
        play.fault("maintenance", announce_s=600.0, down_s=60.0, cancel_only_s=5.0, post_only_s=5.0)
        await asyncio.sleep(535.0)
        assert "account1" in armed
        await asyncio.sleep(10.0)
        assert "account1" not in armed
        await _end(play)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)


def test_the_timer_hears_of_maintenance_by_the_accounts_own_stream() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        await asyncio.sleep(30.0)
        armed = play.simulator.dead_man._trigger_ns
        assert "account1" in armed
        _deaf_to_market_data(play)
        play.fault("status", system="cancel_only")
        await asyncio.sleep(2.0)
        assert "account1" not in armed
        play.fault("status", system="online")
        await asyncio.sleep(2.0)
        assert "account1" in armed
        await _end(play)

    perform(act, sim=SIM, account={"trading": "live", "cancel_after_s": 20}, users=USERS)


def test_the_timer_hears_of_maintenance_by_rest_while_the_accounts_stream_is_down() -> None:
    async def act(play: AccountPlay) -> None:
        await play.ready()
        await asyncio.sleep(30.0)
        armed = play.simulator.dead_man._trigger_ns
        _deaf_to_market_data(play)
        play.fault("downtime", sockets="close", connects=503, said=False, trading=True)
        await asyncio.sleep(60.0)
        assert "account1" in armed  # renewed by REST
        play.simulator.system = "cancel_only"  # no socket is open that it could be said on
        await asyncio.sleep(20.0)
        assert "account1" not in armed
        play.simulator.system = "online"
        await asyncio.sleep(20.0)
        assert "account1" in armed
        await _end(play)

    perform(act, sim=SIM, account={"trading": "live", "cancel_after_s": 60}, users=USERS)


@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize("symbol", [None, "BTC/USD"])
def test_a_cancel_all_that_was_under_way_when_the_gateway_died_has_an_end(
    *, is_taken: bool, symbol: str | None
) -> None:
    """Show 8-3 left such ones UNKNOWN."""

    async def act(play: AccountPlay) -> None:
        await play.ready()
        ann = Client(play, 1)
        await asyncio.sleep(2.0)
        for number in range(3):
            assert ann.submit(order(f"a{number}"))
        await asyncio.sleep(2.0)
        if is_taken:
            play.fault("lose_replies", count=5)
        else:
            play.fault("refuse_orders", error="EGeneral:Internal error", count=5)  # says nothing of its fate
        user = "*" if symbol is None else None
        assert ann.submit(CancelAllOrders(account="account1", user=user, symbol=symbol, request_id=8))
        await asyncio.sleep(0.5)
        ann.end()
        await play.crash()
        play.fault("restore")
        await asyncio.sleep(5.0)
        play.start()
        await play.ready()
        await asyncio.sleep(200.0)
        acks = [ack for ack in play.events(OrderAck) if ack.request == "cancel_all_orders"]
        assert acks[0].status.value == "FORWARDED"
        end = (acks[-1].fate, acks[-1].error, acks[-1].number_of_affected_orders)
        assert end == ((Fate.DONE, None, 3) if is_taken else (Fate.NOT_DONE, "NOT_FOUND", 0))
        await _end(play)

    perform(act, sim=SIM, account={"trading": "live"}, users=USERS)
