"""A client over a real nats-server whose rights are of single accounts: it hears those, and is told of what it can't hear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_port import CorePort

from gwcore.client import RequestRefused, connect
from gwcore.client.nats.selection import must_be_granted, patterns
from gwcore.engine.clients.access import Access
from gwcore.model import Event, FundsUpdate, OrderStatus, OrderUpdate
from gwcore.settings import UserSettings
from gwcore.testing.events import trade
from gwcore.testing.nats_server import NatsServer
from gwcore.wire import Subscribe

#: As conf/nats has it, with the line for one account that its comment names.
RIGHTS = """
authorization { users = [
  { user: gw, password: gw }
  { user: ann, password: ann, permissions: { publish: ["gw.*.*.cmd.ann.*"],
      subscribe: ["gw.*.*.md.>", "gw.*.*.st.>", "gw.*.*.ex.main.>", "_INBOX.ann.>"] } }
  { user: bob, password: bob, permissions: { publish: ["gw.*.*.cmd.bob.*"],
      subscribe: ["gw.*.*.md.>", "gw.*.*.st.>", "gw.*.*.ex.main.>", "_INBOX.bob.>"] } }
] }
"""
ACCOUNTS = ("main", "other")
USERS = {
    "ann": UserSettings(nats=("ann",), accounts=("ma*",), drop_copy=True),
    "bob": UserSettings(nats=("bob",), accounts=("*",), drop_copy=True),  # more than the server lets him hear
    "everybody": UserSettings(bus=True, accounts=("*",), drop_copy=True),
}
PREFIX = "gw.sim.kraken"


@pytest.fixture
def gateway(tmp_path: Path, make_gateway: Any) -> Iterator[Any]:
    server = NatsServer(tmp_path, extra=RIGHTS).start()
    port = CorePort(access=Access(USERS))
    for account in ACCOUNTS:
        port.publisher.partition(f"ex.{account}")
    found = make_gateway(tmp_path, server.url.replace("//", "//gw:gw@"), port)
    found.address = found.address.replace("gw:gw@", "")
    yield found
    found.close()
    server.stop()


def address_of(gateway: Any, user: str) -> str:
    return str(gateway.address).replace("//", f"//{user}:{user}@")


def tell(gateway: Any, number: int) -> None:
    """An order and the funds of both accounts, then a trade that everybody hears."""
    for account in ACCOUNTS:
        gateway.publish(
            OrderUpdate(account=account, venue_order_id=f"O{number}", order_status=OrderStatus.WORKING),
            FundsUpdate(account=account, asset="USD", total=str(number)),
            partition=f"ex.{account}",
        )
    gateway.publish(trade(trade_id=str(number)))


async def heard_until_trade(client: Any) -> list[tuple[str, str]]:
    """(account, class) of what comes up to the next trade."""
    found = []
    async for envelope in client:
        event: Event = envelope.event
        if not isinstance(event, OrderUpdate | FundsUpdate):
            return found
        found.append((event.account, type(event).__name__))
    raise AssertionError("the connection ended")


@pytest.mark.parametrize("kinds", [(), ("order_update", "funds", "trade_summary")])
def test_who_may_hear_one_account_hears_it(gateway: Any, kinds: tuple[str, ...]) -> None:
    async def main() -> None:
        async with await connect(address_of(gateway, "ann")) as client:
            assert client.welcome.accounts == ("main",)
            await client.subscribe(kinds=kinds)
            tell(gateway, 1)
            assert await heard_until_trade(client) == [("main", "OrderUpdate"), ("main", "FundsUpdate")]
            assert client.gaps == 0

    asyncio.run(main())


@pytest.mark.parametrize("kinds", [(), ("funds",)])
def test_an_account_that_is_granted_and_can_not_be_heard_is_named(gateway: Any, kinds: tuple[str, ...]) -> None:
    async def main() -> None:
        async with await connect(address_of(gateway, "bob")) as client:
            with pytest.raises(
                RequestRefused, match=r"no_rights: .*'bob' subscribe to .*\.ex\.other\..*give him that right"
            ):
                await client.subscribe(kinds=kinds)
            await client.subscribe(kinds=["trade_summary"])
            tell(gateway, 1)
            assert await heard_until_trade(client) == []

    asyncio.run(main())


def test_granted_accounts_are_subjects_of_their_own() -> None:
    everything, funds = Subscribe(request_id=1), Subscribe(request_id=2, kinds=("funds",))
    assert [each for each in patterns(PREFIX, everything, ["a.b"]) if ".ex." in each] == [f"{PREFIX}.ex.a_2eb.>"]
    assert [each for each in patterns(PREFIX, funds, ["main", "x"]) if ".ex." in each] == [
        f"{PREFIX}.ex.main.funds",
        f"{PREFIX}.ex.x.funds",
    ]
    assert not any(".ex." in each for each in patterns(PREFIX, everything, []))
    assert must_be_granted(PREFIX, everything, f"{PREFIX}.ex.main.>")
    assert not must_be_granted(PREFIX, everything, f"{PREFIX}.ex.>")
