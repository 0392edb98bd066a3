"""Rows of the fault matrix about orders, each written once for virtual time and for real processes: those about the venue.

A row gets a field (`order_field.py`, `order_real_field.py`), asserts, and returns what it saw in a few words. The others
are in `order_limit_rows.py`, `order_disk_rows.py` and `order_client_rows.py`.
"""

from __future__ import annotations

from typing import Any

import order_client_rows
import order_disk_rows
import order_limit_rows
from order_row import Row, agree, ended, is_told, of_ours, order, place
from order_trader import ACCOUNT, SYMBOL

from gwcore.model import (
    CancelAllOrders,
    CancelOrder,
    CreateOrders,
    ModifyOrder,
    OrderStatus,
)


async def f6(field: Any) -> str:
    """Replies later than the time for them."""
    field.fault("late_replies", ms=7_000, count=2)
    await field.submit(order("a1"))
    await field.submit(order("a2"))
    for name in ("a1", "a2"):
        await field.until(f"{name} ends", lambda name=name: ended(field, name))
    await field.wait(3.0)
    assert len(of_ours(field)) == 2
    agree(field)
    return f"a1 {field.told.words('a1')}, two orders at the venue"


async def f12(field: Any) -> str:
    """The venue takes an order and its reply is lost, with the report of it."""
    field.fault("lose_replies", count=1, method="add_order")
    field.fault("delay_executions", ms=8_000)
    await field.submit(order("a1"))
    await field.until("a1 is UNKNOWN", lambda: "UNKNOWN TIMEOUT" in field.told.words("a1"))
    await field.until("a1 ends", lambda: ended(field, "a1"))
    assert field.told.words("a1")[-1] == "ACCEPTED"
    assert len(of_ours(field)) == 1
    field.fault("restore")
    await field.wait(10.0)
    agree(field)
    return f"{' > '.join(field.told.words('a1'))}, one order at the venue"


async def f13(field: Any) -> str:
    """A request that never reaches the engine."""
    field.fault("lose_requests", count=1, method="add_order")
    await field.submit(order("a1"))
    await field.until("a1 is UNKNOWN", lambda: "UNKNOWN TIMEOUT" in field.told.words("a1"))
    await field.wait(30.0)
    assert field.told.words("a1")[-1] == "UNKNOWN TIMEOUT", "given up before it could not be there any more"
    await field.until("a1 ends", lambda: ended(field, "a1"), 180.0)
    assert field.told.words("a1")[-1] == "REJECTED NOT_FOUND"
    assert is_told(field, "a1", OrderStatus.REJECTED)
    assert not of_ours(field)
    return " > ".join(field.told.words("a1"))


async def f14(field: Any) -> str:
    """Cancel, change and batch whose answer is lost or an error of the venue's own, and REST that answers HTML."""
    await place(field, "a1", "a2", "a3", "a4")
    field.fault("lose_replies", count=1, method="amend_order")
    await field.submit(ModifyOrder(account=ACCOUNT, order_id="a1", price="101.0"))
    field.fault("lose_replies", count=1, method="cancel_order")
    await field.submit(CancelOrder(account=ACCOUNT, order_id="a2"))
    field.fault("refuse_orders", error="EService:Unavailable", count=1, method="batch_add", after=True)
    await field.submit(CreateOrders(account=ACCOUNT, orders=(order("b1"), order("b2"))))
    for name, verb in (("a1", "modify_order"), ("a2", "cancel_order"), ("b1", "create_order"), ("b2", "create_order")):
        await field.until(f"{verb} {name} ends", lambda n=name, v=verb: ended(field, n, v), 180.0)
        assert field.told.words(name, verb)[-1] == "ACCEPTED", field.told.words(name, verb)
    field.fault("refuse", count=1_000, status=503)
    field.fault("end_session")
    field.fault("http", body="html", status=502, count=1, after=True, path="/0/private/CancelOrder")
    await field.wait(1.0)
    await field.submit(CancelOrder(account=ACCOUNT, order_id="a3"))
    await field.until("a3 is UNKNOWN", lambda: "UNKNOWN" in " ".join(field.told.words("a3", "cancel_order")))
    field.fault("restore")
    await field.ready()
    await field.until("the cancel of a3 ends", lambda: ended(field, "a3", "cancel_order"), 180.0)
    assert field.told.words("a3", "cancel_order")[-1] == "ACCEPTED"
    await field.wait(3.0)
    agree(field)
    return f"batch b1 {field.told.words('b1')}, REST cancel {field.told.words('a3', 'cancel_order')}"


async def f15(field: Any) -> str:
    """Fills that come just before a cancel and a change are taken."""
    await place(field, "a1", "a2", "a3")
    field.fault("fill_first", percent=40, count=1, method="cancel_order")
    await field.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    field.fault("fill_first", percent=100, count=1, method="amend_order")
    await field.submit(ModifyOrder(account=ACCOUNT, order_id="a2", price="102.0"))
    await field.until("a1 ends", lambda: is_told(field, "a1", OrderStatus.CANCELED, OrderStatus.FILLED))
    await field.until("a2 is filled", lambda: is_told(field, "a2", OrderStatus.FILLED))
    await field.until("the change ends", lambda: ended(field, "a2", "modify_order"))
    await field.wait(2.0)
    agree(field)
    first, change = field.told.last("a1"), field.told.words("a2", "modify_order")[-1]
    return f"a1 {first.order_status.value} with {first.traded_quantity}, change of a2 {change}"


async def f16(field: Any) -> str:
    """500 fills and an order of ours cancelled while disconnected."""
    await place(field, "a1", "a2")
    venue_id = field.told.last("a1").venue_order_id
    field.fault("refuse", count=1_000, status=503)
    field.fault("end_session")
    for _ in range(10):
        field.do("fills", count=50, symbol=SYMBOL)
    field.do("cancel", order_id=venue_id)
    field.fault("restore")
    await field.ready()
    await field.until("a1 is cancelled", lambda: is_told(field, "a1", OrderStatus.CANCELED), 300.0)
    await field.wait(2.0)
    agree(field)
    return "a1 CANCELED, a2 works on; the fills are another's (show 7-2 counts them)"


async def f17(field: Any) -> str:
    """Old fills again."""
    await field.submit(order("a1", field.ask_price(), "0.2"))
    await field.until("a1 traded", lambda: bool(field.told.fills()))
    await field.wait(1.0)
    field.fault("replay_fills", count=50, kind="snapshot")
    field.fault("replay_fills", count=50, kind="update")
    await field.wait(3.0)
    fills = field.told.fills()
    assert len(fills) == len(set(fills))
    agree(field)
    return f"{len(fills)} fills, each once"


async def f18(field: Any) -> str:
    """Tokens end, then the key is revoked."""
    await place(field, "a1")
    field.fault("expire_tokens")
    field.fault("end_session")
    await field.wait(1.0)
    await field.ready()
    await place(field, "a2")
    field.fault("revoke_key", account=ACCOUNT)
    await field.wait(5.0)
    await field.submit(order("a3"))
    await field.until("a3 is refused", lambda: ended(field, "a3"))
    assert field.told.words("a3")[-1] == "REJECTED NOT_READY"
    return "traded on with a new token; revoked: creates are NOT_READY, a1 and a2 stay as they were"


async def f19(field: Any) -> str:
    """The clock goes back an hour, over a restart."""
    await place(field, "a1")
    field.play.clock.skew_ns = -3_600 * 1_000_000_000
    await field.kill()
    await field.wait(5.0)
    invalid = field.play.simulator.stats()["invalid_nonces"]
    assert not invalid, invalid
    await field.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    await field.until("the cancel ends", lambda: ended(field, "a1", "cancel_order"))
    field.play.clock.skew_ns = 0
    await place(field, "a2")
    ids = [ack.request_id for ack in field.told.acks() if ack.status.value == "FORWARDED"]
    assert len(ids) == len(set(ids)), "a number was used twice"
    return "0 invalid nonces, numbers of requests rise on"


async def f21(field: Any) -> str:
    """Decimals change while running: an order on the old tick is refused here."""
    await place(field, "a1")
    field.fault("precision", symbol=SYMBOL, price_precision=0)
    await field.wait(3.0)
    await field.submit(order("a2", "100.1"))
    await field.until("a2 ends", lambda: ended(field, "a2"))
    assert field.told.words("a2") == ["REJECTED TICK_SIZE"], field.told.words("a2")
    return "REJECTED TICK_SIZE, nothing left"


async def f22(field: Any) -> str:
    """Cancel only: the venue's refusal is told as what it is, cancels go."""
    await place(field, "a1")
    field.fault("mode_on_order", system="cancel_only", count=1)
    await field.submit(order("a2"))
    await field.until("a2 ends", lambda: ended(field, "a2"))
    assert field.told.words("a2")[-1].startswith("REJECTED"), field.told.words("a2")
    await field.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    await field.until("the cancel ends", lambda: ended(field, "a1", "cancel_order"))
    assert field.told.words("a1", "cancel_order")[-1] == "ACCEPTED"
    return f"create {field.told.words('a2')[-1]}, cancel ACCEPTED"


async def f23(field: Any) -> str:
    """kill -9 with working orders, one of them in doubt."""
    await place(field, "a1", "a2", "a3")
    field.fault("lose_replies", count=1, method="add_order")
    await field.submit(order("a4"))
    await field.until("a4 left", lambda: "FORWARDED" in field.told.words("a4"))
    await field.kill()
    await field.until("a4 ends", lambda: ended(field, "a4"), 200.0)
    await field.submit(CancelAllOrders(account=ACCOUNT, request_id=99))
    await field.until(
        "all are cancelled", lambda: all(is_told(field, f"a{n}", OrderStatus.CANCELED) for n in (1, 2, 3, 4))
    )
    agree(field)
    return f"a4 {field.told.words('a4')[-1]}; all four cancelled after the restart"


ROWS = (
    Row("F6", "replies after 7 s", f6),
    Row("F12", "taken, reply lost", f12),
    Row("F13", "lost before the engine", f13),
    Row("F14", "cancel, change, batch without an answer", f14),
    Row("F15", "fills race cancels and changes", f15),
    Row("F16", "disconnected while it trades", f16),
    Row("F17", "old fills again", f17),
    Row("F18", "tokens end, key revoked", f18),
    Row("F19", "clock back an hour", f19, real=False),
    *order_limit_rows.ROWS,
    Row("F21", "decimals change", f21),
    Row("F22", "cancel only", f22),
    Row("F23", "kill -9 with working orders", f23),
    *order_disk_rows.ROWS,
    *order_client_rows.ROWS,
)
