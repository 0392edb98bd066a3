"""Rows about orders for `nats_rights.py`: who hears whose, and what a user who floods does to another who trades."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from nats.aio.msg import Msg

from gwcore import wire
from gwcore.model import CreateOrder, OrderType, Side
from gwcore.nats_connection import flush_client
from gwcore.testing.processes import wait_for

if TYPE_CHECKING:
    from nats_rights import Guest, Table

ACCOUNT = "account1"
#: Requests of a flood; the gateway keeps 64 of a user and drops the rest.
FLOOD = 600
ANSWER_S = 20.0
_numbers = count(1)


def config_text(keys: Path) -> str:
    """One account that both clients trade, neither with a drop copy; the bus carries all orders, each to its owner."""
    wait_for("the venue's keys", (keys / f"{ACCOUNT}.secret").exists)
    lines = [f"[account.{ACCOUNT}]", 'trading = "live"']
    lines += [f'{name} = "file:{keys / ACCOUNT}.{name}"' for name in ("key", "secret")]
    lines += [f"[account.{ACCOUNT}.options]", 'tier = "pro"']
    for user in ("alice", "bob"):
        lines += [f"[user.{user}]", f'nats = ["{user}"]', f'accounts = ["{ACCOUNT}"]']
        lines += ['verbs = ["md", "read", "create", "cancel"]']
    lines += ["[user.everybody]", "bus = true", 'accounts = ["*"]', "drop_copy = true"]
    return "\n".join(lines) + "\n"


def _order(user: str) -> bytes:
    """An order that rests far below the market."""
    return wire.encode(
        CreateOrder(
            account=ACCOUNT,
            order_id=f"{user}{next(_numbers)}",
            symbol="BTC/USD",
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            price="1000.0",
            quantity="0.01",
            request_id=next(_numbers),
        )
    )


async def _trade(guest: Guest, requests: str) -> None:
    """Say hello, and place an order, as a client of his own making would."""
    reply, welcome = f"_INBOX.{guest.user}.desk", asyncio.Event()

    async def on_answer(message: Msg) -> None:
        if b'"welcome"' in message.data:
            welcome.set()

    subscription = await guest.client.subscribe(reply, cb=on_answer)
    async with asyncio.timeout(ANSWER_S):
        while not welcome.is_set():  # after a flood of his own, a request may be among those that are lost
            await guest.publish(f"{requests}.{guest.user}.hello", wire.encode(wire.Hello()), reply)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(welcome.wait(), 1.0)
    await guest.publish(f"{requests}.{guest.user}.create_order", _order(guest.user), reply)
    await subscription.unsubscribe()


async def _flood(guest: Guest, requests: str) -> None:
    """Garbage, what is far too big, orders of nobody's account and orders that mean nothing, as fast as they go."""
    reply = f"_INBOX.{guest.user}.desk"
    nonsense = _order(guest.user).replace(b"1000.0", b"-1e999").replace(b"BTC/USD", b"\\u0000/*")
    foreign = _order(guest.user).replace(ACCOUNT.encode(), b"another")
    payloads = (b"{", b"\xff" * 1000, b"[" * 60_000, b" " * (wire.REQUEST_BYTES_MAX + 1), nonsense, foreign)
    for number in range(FLOOD):
        await guest.client.publish(
            f"{requests}.{guest.user}.create_order", payloads[number % len(payloads)], reply=reply
        )


def order_rows(table: Table, events: str, requests: str, alice: Guest, bob: Guest, silence_s: float) -> None:
    """Each hears his own orders and nobody else's, forges none, and is not held up by the other."""
    for guest, other in ((alice, bob), (bob, alice)):
        own = f"{events}.own.{guest.user}.{ACCOUNT}.order_update"

        async def trades_and_hears(guest: Guest = guest, own: str = own) -> bool:
            return await guest.hears(own, lambda: _trade(guest, requests), ANSWER_S)

        async def hears_of_the_other(guest: Guest = guest, other: Guest = other) -> bool:
            heard: asyncio.Queue[Msg] = asyncio.Queue()
            subscription = await guest.client.subscribe(f"{events}.own.{guest.user}.>", cb=heard.put)
            await flush_client(guest.client, ANSWER_S)
            await _traded(other, events, requests)
            await asyncio.sleep(silence_s)
            await subscription.unsubscribe()
            # What is told of his own earlier order meanwhile is his to hear.
            return any(f'"{other.user}'.encode() in heard.get_nowait().data for _ in range(heard.qsize()))

        table.row(guest, "trades and hears of his own order", True, trades_and_hears)
        table.row(guest, f"hears of {other.user}'s order among his own", False, hears_of_the_other)
        table.sub(guest, f"reads {other.user}'s orders", False, f"{events}.own.{other.user}.>")
        table.sub(guest, "reads everybody's orders", False, f"{events}.own.>")
        table.sub(guest, "reads a drop copy", False, f"{events}.ex.{ACCOUNT}.>")
        table.pub(guest, f"trades as {other.user}", False, f"{requests}.{other.user}.create_order")
        table.pub(guest, f"forges an order of {other.user}", False, f"{events}.own.{other.user}.{ACCOUNT}.order_update")

    async def trades_in_a_flood() -> bool:
        async def both() -> None:
            await _flood(alice, requests)
            await _trade(bob, requests)

        return await bob.hears(f"{events}.own.bob.{ACCOUNT}.order_update", both, ANSWER_S)

    table.row(bob, f"trades while alice floods ({FLOOD} requests: garbage, too big, not hers)", True, trades_in_a_flood)
    own = f"{events}.own.alice.{ACCOUNT}.order_update"
    table.row(
        alice, "trades after her flood", True, lambda: alice.hears(own, lambda: _trade(alice, requests), ANSWER_S)
    )


async def _traded(guest: Guest, events: str, requests: str) -> None:
    """Trade, and be sure that it was told."""
    own = f"{events}.own.{guest.user}.{ACCOUNT}.order_update"
    if not await guest.hears(own, lambda: _trade(guest, requests), ANSWER_S):
        raise AssertionError(f"{guest.user} could not trade")
