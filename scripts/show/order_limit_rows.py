"""Row F20 of the fault matrix: the venue's counters near their limit, and a key that is locked out."""

from __future__ import annotations

from typing import Any

from order_row import Row, agree, ended, is_told, order, place
from order_trader import ACCOUNT

from gwcore.model import CancelOrder, OrderAck, OrderStatus, Origin

#: More orders at once than a counter of tier Pro (180 points, a fifth of them kept for cancels) has room for.
BURST = 165
#: So often a client may be told to ask again before its order is taken.
TRIES_MAX = 20
#: The counter that pays for these cancels of new orders, 8 points each, is where creates end already.
CANCELS = ("a0", "a1", "a2")
SMALL = {"quantity": "0.01"}


def _limited(field: Any, origin: Origin) -> list[OrderAck]:
    return [ack for ack in field.told.acks() if ack.error == "RATE_LIMIT" and ack.origin is origin]


async def _cancel(field: Any, *names: str) -> None:
    for name in names:
        await field.submit(CancelOrder(account=ACCOUNT, order_id=name))
    for name in names:
        await field.until(f"the cancel of {name} ends", lambda name=name: ended(field, name, "cancel_order"))
        assert field.told.words(name, "cancel_order")[-1] == "ACCEPTED", field.told.words(name, "cancel_order")


async def _asks_again(field: Any, name: str) -> int:
    """Ask when it was said to: how often it took until the order was taken."""
    for number in range(TRIES_MAX):
        one = f"{name}.{number}"
        await field.submit(order(one, **SMALL))
        await field.until(f"{one} ends", lambda one=one: ended(field, one))
        ack = field.told.acks(one)[-1]
        if ack.status.value == "ACCEPTED":
            return number + 1
        assert (ack.error, ack.origin) == ("RATE_LIMIT", Origin.GATEWAY), ack
        assert ack.retry_at_ns is not None, ack
        await field.until("the time to ask again", lambda at_ns=ack.retry_at_ns: field.wall_ns() >= at_ns)
    raise AssertionError(f"asked {TRIES_MAX} times when it was said to, and never taken")


async def f20(field: Any) -> str:
    """A burst beyond the counter; a refusal of the venue's that nobody foresaw; a key locked out."""
    names = [f"a{number}" for number in range(BURST)]
    for name in names:
        await field.submit(order(name, **SMALL))
    await field.until("the first ones work", lambda: all(is_told(field, name, OrderStatus.WORKING) for name in CANCELS))
    await _cancel(field, *CANCELS)
    await field.until("all end", lambda: all(ended(field, name) for name in names))
    refused = _limited(field, Origin.GATEWAY)
    assert refused, "the burst met no limit"
    assert all(ack.retry_at_ns is not None for ack in refused), "a refusal without a time to ask again"
    tries = await _asks_again(field, "b1")
    stats = field.stats()
    in_load = (len(_limited(field, Origin.VENUE)), stats["rate_limited"], stats["lockouts"])
    assert in_load == (0, 0, 0), f"rate errors, REST rate errors and lock-outs in normal load: {in_load}"

    field.fault("refuse_orders", error="EOrder:Rate limit exceeded", count=1, method="add_order")
    await _until_met(field)
    await field.submit(order("c1", **SMALL))
    await field.until("c1 ends", lambda: ended(field, "c1"))
    last = field.told.acks("c1")[-1]
    assert (last.error, last.origin) == ("RATE_LIMIT", Origin.GATEWAY), last
    assert last.retry_at_ns is not None, last
    await _cancel(field, "a3")
    assert len(_limited(field, Origin.VENUE)) == 1, "the venue was asked again while its counter was full"

    field.fault("lockout", account=ACCOUNT, seconds=20)
    await _cancel(field, "a4")
    await field.wait(25.0)
    await field.ready()
    await _asks_again(field, "d1")
    await place(field, "d2", **SMALL)
    agree(field)
    return (
        f"{len(names) - len(refused)} of {BURST} left, {len(refused)} refused here with a time, cancels went; taken at try "
        f"{tries}; 0 rate errors, 0 lock-outs; refused by the venue: the next are refused here; locked out: cancels go"
    )


async def _until_met(field: Any) -> None:
    """New orders until one meets the refusal that is switched on."""
    for number in range(TRIES_MAX):
        await _asks_again_or_met(field, f"v{number}")
        if _limited(field, Origin.VENUE):
            return
    raise AssertionError("the venue's refusal was not met")


async def _asks_again_or_met(field: Any, name: str) -> None:
    await field.submit(order(name, **SMALL))
    await field.until(f"{name} ends", lambda: ended(field, name))
    ack = field.told.acks(name)[-1]
    if ack.origin is Origin.GATEWAY and ack.retry_at_ns is not None:
        await field.until("the time to ask again", lambda: field.wall_ns() >= ack.retry_at_ns)


ROWS = (Row("F20", "counters near their limit, lock-out", f20),)
