"""The results of trading requests as types, WebSocket and REST (API sheet §2.7, §4.14). No logic.

Everything may be absent: what is read decides what a reply proves.
"""

from __future__ import annotations

import msgspec


class OrderResult(msgspec.Struct, gc=False):
    """`{"cl_ord_id":"3178d58d4d000200","order_id":"OXZPAJ-ONWQU-KMAMPL"}`; of an amend with `amend_id`; of one order of a
    batch that failed `{"error":"EOrder:Insufficient funds"}`; `warnings` beside any."""

    order_id: str | None = None
    cl_ord_id: str | None = None
    error: str | None = None
    warnings: list[str] = []


class CountResult(msgspec.Struct, gc=False):
    """`{"count":2}`; in REST perhaps with `pending`."""

    count: int | None = None
    orders_cancelled: int | None = None
    warnings: list[str] = []


class _Orders(msgspec.Struct, gc=False):
    orders: list[OrderResult]


class RestAdded(msgspec.Struct, gc=False):
    """`{"descr":{"order":"buy 2.12340000 XBTUSD @ limit 25000.1"},"txid":["OUF4EM-FRGI2-MQMWZD"]}`; no txid where it was only
    checked."""

    txid: list[str] = []


class RestBatchLeg(msgspec.Struct, gc=False):
    """`{"txid":"O5OR23-ADFAD-Y2G61C","descr":{...}}` or `{"error":"EOrder:Insufficient funds","descr":{...}}`"""

    txid: str | None = None
    error: str | None = None


class RestBatch(msgspec.Struct, gc=False):
    """`{"orders":[...]}`, in the order of the request."""

    orders: list[RestBatchLeg]


class RestAmended(msgspec.Struct, gc=False):
    """`{"amend_id":"TVB4ER-X5QP3-ADURMW"}`"""

    amend_id: str


class RestTimer(msgspec.Struct, gc=False):
    """`{"currentTime":"2023-03-24T17:41:56Z","triggerTime":"2023-03-24T17:42:56Z"}`; `"0"` where it was switched off."""

    currentTime: str
    triggerTime: str


order_result_of = msgspec.json.Decoder(OrderResult).decode
count_result_of = msgspec.json.Decoder(CountResult).decode
_legs_of = msgspec.json.Decoder(list[OrderResult]).decode
_orders_of = msgspec.json.Decoder(_Orders).decode
rest_added_of = msgspec.json.Decoder(RestAdded).decode
rest_batch_of = msgspec.json.Decoder(RestBatch).decode
rest_amended_of = msgspec.json.Decoder(RestAmended).decode
rest_timer_of = msgspec.json.Decoder(RestTimer).decode


def legs_of(raw: msgspec.Raw) -> list[OrderResult]:
    """The orders of a `batch_add` reply: an array, or an array called `orders`. Raises msgspec's errors."""
    return _legs_of(raw) if bytes(raw).lstrip()[:1] == b"[" else _orders_of(raw).orders
