"""Codes that programs act on, as tables for docs/reference/errors.md: from the code, with what its comments say of each."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from enum import Enum

from gwcore.client import errors as client_errors
from gwcore.model import Fate, OrderError, StaleReason

Section = tuple[str, str, tuple[str, ...], list[tuple[str, ...]]]

#: `code` of an `error` message. tests/docs/test_codes.py finds those in the code and holds them to these.
REQUEST_CODES: Mapping[str, str] = {
    "bad_request": "it is no request of the protocol, or contradicts itself",
    "busy": "something of yours has to end first, or too much waits: ask again",
    "denied": "the user may not; each denial is an event",
    "failed": "the action was begun and did not succeed; the text says why",
    "hello_first": "over NATS: orders belong to a client that said hello",
    "internal": "a fault of ours; the gateway's log has it",
    "interrupted": "the answer was cut off by a broken connection: ask again",
    "limit": "as many subscriptions as a client may have",
    "no_rights": "the NATS server does not let this user hear what was asked for",
    "replay": "a replay does not take this request",
    "too_big": "more than the NATS server takes in one message",
    "unknown_action": "no such action of `gw ctl`",
    "unknown_kind": "no such kind of event",
    "unknown_subscription": "no such subscription of this client",
    "unknown_symbol": "not subscribed by this gateway",
    "unsupported": "this gateway takes no orders",
}

EXITS: tuple[tuple[str, ...], ...] = (
    ("0", "done"),
    ("1", "what was asked for did not hold: refused, not ready, a fault was found"),
    ("2", "usage, configuration or plugin"),
    ("3", "not connected; nothing was sent"),
    ("4", "a fault of ours"),
    ("5", "`gw order` alone: UNKNOWN. Look with `gw orders` before anything is sent again"),
    ("130", "ended by Ctrl-C"),
)


def meanings(kind: type[Enum]) -> Mapping[str, str]:
    """value -> the comment on its member."""
    found = re.findall(r'^    \w+ = "(\w+)"(?:  # (.+))?$', inspect.getsource(kind), re.MULTILINE)
    missing = {member.value for member in kind} - {value for value, comment in found if comment}
    assert not missing, f"gwcore/model/enums.py: {', '.join(sorted(missing))} of {kind.__name__} want a comment"
    return dict(found)


def sections() -> Iterator[Section]:
    """(heading, text, titles, rows) of each."""
    raised = [
        (f"`{name}`", inspect.getdoc(value) or "")
        for name, value in vars(client_errors).items()
        if inspect.isclass(value) and value.__module__ == client_errors.__name__
    ]
    yield "Of the client", "Raised by `gwcore.client` beside those above.", ("class", "meaning"), raised
    orders = [(f"`{code}`", meaning) for code, meaning in meanings(OrderError).items()]
    fates = ", ".join(f"`{fate.value}`" for fate in Fate)
    yield (
        "Of orders",
        f"`error` of an `OrderAck`, and of an `Outcome` in Python. What became of the request is its fate ({fates}), "
        "never read from the code: see [orders](../orders.md#acks). The venue's own words stand beside it in `text`.",
        ("code", "meaning"),
        orders,
    )
    reasons = [
        (f"[`{reason}`](../runbook.md#{reason.lower()})", meaning) for reason, meaning in meanings(StaleReason).items()
    ]
    yield "Why a book is STALE", "`reason` of a STALE. The runbook says what to check.", ("reason", "meaning"), reasons
    codes = [(f"`{code}`", meaning) for code, meaning in REQUEST_CODES.items()]
    yield (
        "Of requests",
        "`code` of an `error` message; a request for an order that was not taken has a code of the "
        "table of orders, in small letters.",
        ("code", "meaning"),
        codes,
    )
    yield "Exit codes", "Of the `gw` command.", ("code", "meaning"), list(EXITS)
