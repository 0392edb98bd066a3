"""Rows F25 and F26 of the fault matrix: a disk that fails to sync, and one that is full."""

from __future__ import annotations

from typing import Any

from order_row import Row, agree, ended, is_told, of_ours, order, place, venue_status
from order_trader import ACCOUNT

from gwcore.model import CancelOrder, OrderStatus

#: Orders that are tried on a full disk: the last page of a file may have room for a few.
TRIED_MAX = 60
SMALL = {"quantity": "0.01"}


async def f25(field: Any) -> str:
    """The disk fails to sync: creates are refused, cancels go, and it goes on when the disk is well."""
    await place(field, "a1")
    field.play.storage.sync_error = "EIO"
    await field.submit(order("a2"))
    await field.wait(2.0)
    await field.submit(CancelOrder(account=ACCOUNT, order_id="a1"))
    await field.wait(2.0)
    rows = of_ours(field)
    assert len(rows) == 1, "an order left that is not durable"
    assert rows[0]["status"] == "canceled", rows
    field.play.storage.sync_error = ""
    await field.wait(5.0)
    assert field.told.words("a2")[-1] == "REJECTED JOURNAL", field.told.words("a2")
    await place(field, "a3")
    agree(field)
    return "create REJECTED JOURNAL and never left, cancel carried out"


def _codes(field: Any, number: int) -> list[str]:
    """How a request was refused in words to its client alone."""
    return [error.code for error in field.told.errors if error.request_id == number]


async def _refused(field: Any, first: int) -> tuple[list[str], str]:
    """Orders on a full disk until one is refused: those that were durable all the same, and the refused one."""
    taken: list[str] = []
    for number in range(first, first + TRIED_MAX):
        field.disk("full")
        name, before = f"f{number}", len(of_ours(field))
        await field.submit(order(name, request_id=number, **SMALL))

        def is_over(number: int = number, before: int = before) -> bool:
            return bool(_codes(field, number)) or len(of_ours(field)) > before

        await field.until(f"{name} is refused or at the venue", is_over)
        if codes := _codes(field, number):
            assert codes == ["journal"], codes
            await _next_refused(field, number + TRIED_MAX)
            return taken, name
        taken.append(name)  # that the venue took it is told once that is durable
    raise AssertionError(f"{TRIED_MAX} orders were durable on a full disk")


async def _next_refused(field: Any, number: int) -> None:
    """The journal is known to fail now: the next order does not even begin its way."""
    await field.submit(order(f"f{number}", request_id=number, **SMALL))
    await field.until(f"f{number} is refused", lambda: bool(_codes(field, number)))
    assert _codes(field, number) == ["journal"], _codes(field, number)


async def _cancel(field: Any, name: str) -> None:
    """By the venue's word: a client hears of it once that is durable."""
    await field.submit(CancelOrder(account=ACCOUNT, order_id=name))
    await field.until(f"the venue cancelled {name}", lambda: venue_status(field, name) == "canceled")


async def f26(field: Any) -> str:
    """The volume is at its reserve, then full, has room again, is full again under a kill -9, has room again."""
    await place(field, "a1", "a2", **SMALL)
    field.disk("reserve")
    await field.until("it is DEGRADED at the reserve", field.is_degraded)
    await place(field, "a3", **SMALL)  # the reserve is for these

    taken, refused = await _refused(field, 100)
    await _cancel(field, "a1")
    count = len(of_ours(field))
    assert count == 3 + len(taken), f"{count} orders at the venue: one left that is not durable"
    field.disk("room")
    await field.until("the journal is well", lambda: not field.is_degraded())
    await field.until("the cancel of a1 is told", lambda: ended(field, "a1", "cancel_order"))
    await field.until("those that were durable are told", lambda: all(ended(field, name) for name in taken))
    await field.until("a1 is told", lambda: is_told(field, "a1", OrderStatus.CANCELED))
    words = field.told.words(refused)
    assert not words or words[-1] == "REJECTED JOURNAL", words
    await place(field, "a4", **SMALL)
    agree(field)

    more, last = await _refused(field, 200)
    await _cancel(field, "a2")
    await field.kill(lambda: field.disk("room"))
    await field.until("a2 is told", lambda: is_told(field, "a2", OrderStatus.CANCELED))
    await field.until("those that were durable are known", lambda: all(ended(field, name) for name in more))
    await place(field, "a5", **SMALL)
    agree(field)
    count = len(of_ours(field))
    assert count == 5 + len(taken) + len(more), f"{count} orders at the venue after the kill"
    assert not field.told.last(last) or is_told(field, last, OrderStatus.REJECTED), field.told.last(last)
    return (
        f"at the reserve orders go on; full: {len(taken) + len(more)} durable in the last pages, then JOURNAL and nothing "
        f"left, cancels carried out; room: told, traded on; kill -9 while full: all known; log verify: {field.verified()}"
    )


ROWS = (
    Row("F25", "fsync fails", f25, real=False),
    Row("F26", "disk full on the log's volume", f26, small_disk=True),
)
