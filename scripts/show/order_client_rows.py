"""Rows F33-F35 of the fault matrix: clients that do not read, that send garbage, that are killed with orders open."""

from __future__ import annotations

from functools import partial
from typing import Any

from order_row import Row, agree, is_told, of_ours, place
from order_trader import ACCOUNT, SYMBOL

from gwcore.model import CancelOrders, OrderStatus

#: A client is gone for so long before anybody acts on it.
GRACE_S = 0.5
GARBAGE = (b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\x00\x00\x00\x05Q{not", b"\x00")


async def f33(field: Any) -> str:
    """A client that does not read: its orders live on, and so does everybody else."""
    await field.slow_client("s1")
    await place(field, "a1")
    for row in of_ours(field):
        field.do("cancel", order_id=row["order_id"])
    await field.until("a1 is told meanwhile", lambda: is_told(field, "a1", OrderStatus.CANCELED))
    await place(field, "a2")
    assert not field.slow_knows("s1"), "it was to read nothing"
    await field.wake_slow_client()
    await field.until("s1 is told", lambda: field.slow_knows("s1"))
    agree(field)
    return "others trade meanwhile; what it missed is told when it reads again"


async def f34(field: Any) -> str:
    """Garbage from strangers: the trading client is served."""
    for data in GARBAGE:
        field.garbage(data)
    await place(field, "a1", "a2")
    for data in GARBAGE:
        field.garbage(data)
    await field.submit(CancelOrders(account=ACCOUNT, order_ids=("a1", "a2")))
    await field.until("both are cancelled", lambda: all(is_told(field, n, OrderStatus.CANCELED) for n in ("a1", "a2")))
    agree(field)
    return "two orders placed and cancelled beside it"


async def f34_nats(field: Any) -> str:
    """The same over NATS, with orders in the names of others."""
    await field.other_client("n1")
    await field.nats_garbage(20)
    await place(field, "a1")
    for row in of_ours(field):
        field.do("cancel", order_id=row["order_id"])
    await field.until("a1 is told", lambda: is_told(field, "a1", OrderStatus.CANCELED))
    await field.nats_garbage(20)
    await field.until("n1 is told over NATS", lambda: field.slow_knows("n1"))
    assert len(of_ours(field)) == 2, "an order was placed for a stranger"
    agree(field)
    return "orders over NATS and the socket are placed, cancelled and told beside it; none was placed for strangers"


async def f35(field: Any, policy: str) -> str:
    """A client dies while it places more; what is left is what its user's setting says."""
    await place(field, "b1")  # of another user
    elsewhere = field.do("order", symbol=SYMBOL, side="buy", quantity="0.001", price="15000")["order_id"]
    await field.doomed_client()

    def is_open(row: dict[str, Any]) -> bool:
        return row["status"] in ("new", "open", "partially_filled")

    def standing() -> tuple[int, int, int]:
        """Open orders of the client that died, of the other user, and from elsewhere."""
        rows = [row for row in field.truth()["orders"] if is_open(row)]
        others = sum(row["order_id"] == field.told.last("b1").venue_order_id for row in rows)
        external = sum(row["order_id"] == elsewhere for row in rows)
        return len(rows) - others - external, others, external

    if policy == "none":
        await field.wait(GRACE_S + 5.0)  # nothing is what has to happen
        died, *rest = standing()
        assert died >= 4, f"{died} of its orders are open"
        assert rest == [1, 1], rest
    else:
        left = (0, 1, 1) if policy == "own_orders" else (0, 0, 0)
        await field.until(f"{left} are open", lambda: standing() == left)
        died = 0
        await field.wait(2.0)
        assert standing() == left, f"{standing()} afterwards"  # what was on its way when it died is gone too
    agree(field)
    made = len(of_ours(field)) - 1
    return f"it placed {made}, {died} of them open; the other user's {standing()[1]}, from elsewhere {standing()[2]}"


def _f35(policy: str) -> Row:
    doomed = {"on_disconnect": policy, "disconnect_grace_s": GRACE_S}
    return Row("F35", f"SIGKILL, on_disconnect = {policy}", partial(f35, policy=policy), doomed=doomed)


ROWS = (
    Row("F33", "a client that does not read", f33, doomed={}),
    Row("F34", "garbage from strangers", f34),
    Row("F34", "garbage over NATS", f34_nats, virtual=False, doomed={}, nats=True),
    *(_f35(policy) for policy in ("none", "own_orders", "account")),
)
