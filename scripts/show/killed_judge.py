"""What must hold of a journal over many lives of a gateway that was killed, beside the lists of the venue it traded at."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from gwcore.journal.scan import RecordFilter, scan
from gwcore.runtime.journal.storage import DirectoryStorage

ENDS = ("ACCEPTED", "REJECTED")
#: Of the venue's words, ours.
STATUSES = {"new": "WORKING", "canceled": "CANCELED", "filled": "FILLED", "partially_filled": "PARTIALLY_FILLED"}


@dataclass(slots=True)
class Request:
    """What was told of one request. Lives of the gateway are counted from 1."""

    kind: str
    left: int = 0  # the life in which it left: FORWARDED
    ended: int = 0
    end: Mapping[str, Any] = field(default_factory=dict)
    ends: int = 0
    was_unknown: bool = False

    @property
    def was_in_flight(self) -> bool:
        """Whether a kill came between its leaving and its end."""
        return bool(self.left) and self.ended != self.left

    @property
    def word(self) -> str:
        """How it ended; empty: it did not."""
        return f"{self.end['status']} {self.end.get('error') or ''}".strip() if self.end else ""


def events(state_dir: Path, *kinds: str) -> Iterator[tuple[int, Any]]:
    """(published_ns, event) of some kinds, over all lives, in order."""
    for record in scan(DirectoryStorage(state_dir), RecordFilter(kinds=kinds)):
        yield record.published_ns, json.loads(record.payload)["event"]


def requests_of(state_dir: Path, born_ns: Sequence[int]) -> dict[str, Request]:
    """All requests that were told; `born_ns`: when each life began, by the wall clock."""
    found: dict[str, Request] = {}
    for published_ns, ack in events(state_dir, "order_ack"):
        life = bisect_right(born_ns, published_ns)
        one = found.setdefault(ack["request_id"], Request(ack["request"]))
        if ack["status"] == "FORWARDED":
            one.left = life
        elif (
            ack["status"] == "UNKNOWN" and ack.get("error") != "SUPERSEDED"
        ):  # that one is an end: nobody will ever know
            one.was_unknown = True
        else:
            one.ended, one.end, one.ends = life, ack, one.ends + 1
    return found


def unanswered(requests: Mapping[str, Request]) -> list[str]:
    """Requests that have no end."""
    return [name for name, one in requests.items() if not one.end]


def judge(rows: Sequence[Mapping[str, Any]], state_dir: Path, requests: Mapping[str, Request]) -> list[str]:
    """What is wrong; `rows`: all orders of the venue that have an id of ours."""
    found = [f"request {name} has no end" for name in unanswered(requests)]
    found += [f"request {name} ended {one.ends} times" for name, one in requests.items() if one.ends > 1]
    counts = Counter(row["cl_ord_id"] for row in rows)
    found += [f"{name} was placed {count} times" for name, count in counts.items() if count > 1]
    updates = (update for _, update in events(state_dir, "order_update"))
    last = {update["order_id"]: update for update in updates if update.get("order_id")}
    found += _orders(rows, last)
    for ours in last.values():
        if ours["venue_client_id"] not in counts and ours["order_status"] != "REJECTED":
            found.append(f"{ours['order_id']} is told {ours['order_status']}, and the venue has no such order")
    found += _cancels(rows, requests)
    for one in requests.values():
        if one.kind != "create_order" or "venue_client_id" not in one.end:
            continue
        if (one.end["venue_client_id"] in counts) != (one.end["status"] == "ACCEPTED"):
            found.append(f"create of {one.end['order_id']} is {one.word}")
        if "cl_ord_id" in (one.end.get("text") or ""):  # the venue takes an id once while its order is open
            found.append(f"create of {one.end['order_id']} was sent twice: {one.end['text']}")
    return found


def _orders(rows: Sequence[Mapping[str, Any]], last: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = []
    by_client = {update["venue_client_id"]: update for update in last.values()}
    for row in rows:
        ours = by_client.get(row["cl_ord_id"])
        if ours is None or ours.get("user") != "me":
            found.append(f"order {row['order_id']} of ours is not known")
        elif ours["order_status"] != STATUSES.get(row["status"], row["status"]):
            found.append(f"{ours['order_id']} is told {ours['order_status']}, at the venue {row['status']}")
        elif Decimal(ours["price"]) != Decimal(row["limit_price"]):
            found.append(f"{ours['order_id']} is told at {ours['price']}, at the venue {row['limit_price']}")
    return found


def _cancels(rows: Sequence[Mapping[str, Any]], requests: Mapping[str, Request]) -> Iterator[str]:
    """Nobody but our cancels ends these orders: one is told as done exactly where its order was cancelled."""
    canceled = {row["cl_ord_id"] for row in rows if row["status"] == "canceled"}
    told = {
        one.end["venue_client_id"]
        for one in requests.values()
        if one.kind == "cancel_order" and one.word == "ACCEPTED" and "venue_client_id" in one.end
    }
    names = {row["cl_ord_id"] for row in rows}
    yield from (f"{name} was cancelled, and every cancel of it is told as not done" for name in canceled - told)
    yield from (f"a cancel of {name} is told as done, and it is not cancelled" for name in (told & names) - canceled)


def figures(rows: Sequence[Mapping[str, Any]], requests: Mapping[str, Request]) -> Counter[str]:
    """What there is to say beside that it holds."""
    flying = [one for one in requests.values() if one.was_in_flight]
    found = Counter(
        {
            "orders at the venue": len(rows),
            "still open": sum(1 for row in rows if row["status"] in ("new", "partially_filled")),
            "requests left": sum(1 for one in requests.values() if one.left),
            "in flight at a kill": len(flying),
            "kills with some in flight": len({one.left for one in flying}),
            "UNKNOWN": sum(1 for one in requests.values() if one.was_unknown),
        }
    )
    found.update(
        f"refused here: {one.end['error']}" for one in requests.values() if not one.left and one.end.get("error")
    )
    found.update(f"{one.kind} in flight, then {one.word or 'UNKNOWN still'}" for one in flying)
    return found
