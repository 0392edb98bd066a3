"""Faults of trading requests: taken and not answered, late, refused, answered twice, cut off. `trade_switch` arms them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WEBSOCKET, REST, ANY = "websocket", "rest", "*"
LOSE, LATE, DOUBLE, TAKE_LATE, LIVE_LATE, REFUSE, CLOSE, MODE = (
    "lose_replies", "late_replies", "double_replies", "take_late", "live_late", "refuse_orders", "close_after",
    "mode_on_order",
)  # fmt: skip
LOSE_REQUEST, FILL = "lose_requests", "fill_first"
#: REST methods by the name that the WebSocket has for them.
METHODS = {
    "AddOrder": "add_order",
    "AddOrderBatch": "batch_add",
    "AmendOrder": "amend_order",
    "EditOrder": "edit_order",
    "CancelOrder": "cancel_order",
    "CancelOrderBatch": "batch_cancel",
    "CancelAll": "cancel_all",
    "CancelAllOrdersAfter": "cancel_all_orders_after",
}


@dataclass(slots=True, kw_only=True)
class TradeFault:
    """Armed for the next `count` requests that it fits; a negative count: until restored."""

    kind: str
    count: int
    method: str = ANY
    way: str = ANY
    account: str = ""
    delay_ns: int = 0
    error: str = ""
    after: bool = False  # the request is carried out first
    status: int = 0  # of the REST answer; 0: the line is cut
    abort: bool = False
    reply: bool = False
    reports: bool = True
    system: str = ""
    percent: int = 100


class TradeFaults:
    """Which faults wait for what. `on_fired` is told the name of each that strikes."""

    def __init__(self, on_fired: Callable[[str], None]) -> None:
        self._armed: list[TradeFault] = []
        self._on_fired = on_fired
        self.reply_first: bool | None = None  # whether replies come before the reports; None: as it comes

    def arm(self, fault: TradeFault) -> None:
        """One more; it takes the place of one that is armed for the same."""
        self.disarm(fault.kind, fault.method, fault.way, fault.account)
        if fault.count:
            self._armed.append(fault)

    def disarm(self, kind: str, method: str = ANY, way: str = ANY, account: str = "") -> None:
        """End those of a kind that are armed for this; the widest words end all of the kind."""
        self._armed = [
            one
            for one in self._armed
            if one.kind != kind
            or method not in (ANY, one.method)
            or way not in (ANY, one.way)
            or account not in ("", one.account)
        ]

    def take(self, kind: str, method: str, way: str, account: str) -> TradeFault | None:
        """The fault of this kind that strikes a request; it is counted."""
        for fault in self._armed:
            if (
                fault.kind == kind
                and fault.method in (ANY, method)
                and fault.way in (ANY, way)
                and fault.account in ("", account)
            ):
                fault.count -= 1
                if not fault.count:
                    self._armed.remove(fault)
                self._on_fired(kind)
                return fault
        return None

    def pending_ns(self, account: str) -> int:
        """How long the next order of an account is not live although it is accepted."""
        fault = self.take(LIVE_LATE, "add_order", ANY, account)
        return fault.delay_ns if fault is not None else 0

    def restore(self) -> None:
        """End all of them."""
        self._armed.clear()
        self.reply_first = None
