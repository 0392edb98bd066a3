"""Readings of one account: what a gateway's client knows of it, and how another client's reading is held against that.

A number that a referee kept as text must be the same decimal. One that it made a double of must be the double of ours and no
other: up to 15 digits that is the same decimal too, and what is longer is counted: a double can't tell its last digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from gwcore.client import decimals
from gwcore.model import Event, FeesUpdate, FundsUpdate, OrderStatus, OrderUpdate, PositionUpdate, TradeUpdate

#: section -> id -> fact -> value; balances and holds have the value itself.
Reading = dict[str, dict[str, Any]]

#: Sections whose rows are a number.
PLAIN = ("balances", "holds")
#: Digits that every decimal keeps through a double.
DOUBLE_DIGITS = 15
_OPEN = frozenset({OrderStatus.PENDING, OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED})
_ENDS = {OrderStatus.FILLED: "closed"}


def reading_of(events: Iterable[Event]) -> Reading:
    """What the events of one account, told from its first one on, say it has now."""
    found: Reading = {name: {} for name in ("balances", "holds", "orders", "trades", "positions", "fees")}
    for event in events:
        if isinstance(event, FundsUpdate):
            found["balances"][event.asset] = Decimal(event.total or 0)
            found["holds"][event.asset] = None if event.hold is None else Decimal(event.hold)
        elif isinstance(event, OrderUpdate):
            # What is asked for and not at the venue yet, or never was, is no order to anybody else.
            if event.venue_order_id is not None:
                found["orders"][event.venue_order_id] = _order(event)
        elif isinstance(event, TradeUpdate):
            for fill in event.fills:
                assert fill.trade_id not in found["trades"], f"fill {fill.trade_id} was told twice"
                found["trades"][fill.trade_id] = _trade(event, fill)
        elif isinstance(event, PositionUpdate):
            view = decimals(event)
            row = {"long": view.long_quantity, "short": view.short_quantity, "cost": view.cost}
            found["positions"][event.symbol] = row
        elif isinstance(event, FeesUpdate):
            found["fees"][event.symbol] = _fees(event)
    for row in found["trades"].values():
        if row["order"] in found["orders"]:
            found["orders"][row["order"]]["fee"] += row["fee"]
    found["positions"] = {key: row for key, row in found["positions"].items() if row["long"] or row["short"]}
    return found


def _fees(event: FeesUpdate) -> dict[str, Any]:
    """In percent, and as the share that some clients make of it."""
    view = decimals(event)
    assert view.maker_fee is not None
    assert view.taker_fee is not None
    shares = {"maker_share": view.maker_fee / 100, "taker_share": view.taker_fee / 100}
    return {"maker": view.maker_fee, "taker": view.taker_fee, **shares}


def _order(event: OrderUpdate) -> dict[str, Any]:
    view = decimals(event)
    status = event.order_status
    zero = Decimal(0)
    return {
        "symbol": event.symbol,
        "side": event.side and event.side.value.lower(),
        "type": event.order_type and event.order_type.value.lower().replace("_", "-"),
        "status": "open" if status in _OPEN else _ENDS.get(status, status.value.lower()),
        "quantity": view.quantity,
        "price": view.price,
        "stop_price": view.stop_price,
        "filled": view.traded_quantity or zero,
        "cost": view.cost or zero,
        "average": view.average_price or zero,
        "fee": zero,  # of its trades, by whoever has these
        "client_id": event.venue_client_id,
        "post_only": bool(event.post_only),
        "reason": event.reason or "",
    }


def _trade(event: TradeUpdate, fill: Any) -> dict[str, Any]:
    view = decimals(fill)
    [(fee_asset, fee)] = view.fees
    return {
        "order": event.venue_order_id,
        "symbol": event.symbol,
        "side": event.side and event.side.value.lower(),
        "price": view.price,
        "quantity": view.quantity,
        "cost": view.cost,
        "fee": fee,
        "fee_asset": fee_asset,
        "maker": fill.liquidity is not None and fill.liquidity.value == "MAKER",
        "market_id": fill.market_trade_id,
    }


class Comparison:
    """One reading of a referee held against ours. `complaints` are empty where they agree."""

    def __init__(self, ours: Reading, theirs: Reading, sections: Iterable[str]) -> None:
        self.complaints: list[str] = []
        self.rows: Counter[str] = Counter()  # compared, by section
        self.untold: dict[str, list[str]] = {}  # facts of ours that the referee tells of no row, by section
        self.texts = self.doubles = self.long_doubles = self.words = 0
        for section in sections:
            self._compare(section, ours.get(section, {}), theirs.get(section, {}))

    def _compare(self, section: str, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        is_plain = section in PLAIN
        for key in theirs.keys() - ours.keys():
            self.complaints.append(f"{section} {key}: the referee has it, our client does not")
        for key in ours.keys() - theirs.keys():
            if not is_plain or ours[key]:
                self.complaints.append(f"{section} {key}: our client has it, the referee does not")
        told: set[str] = set()
        common = sorted(ours.keys() & theirs.keys())
        for key in common:
            self.rows[section] += 1
            if is_plain:
                self._check(f"{section} {key}", ours[key], theirs[key])
                continue
            for name, value in theirs[key].items():
                if value is not None:
                    told.add(name)
                    self._check(f"{section} {key} {name}", ours[key].get(name), value)
        if common and not is_plain and (untold := [name for name in ours[common[0]] if name not in told]):
            self.untold[section] = untold

    def _check(self, what: str, ours: Any, theirs: Any) -> None:
        if isinstance(ours, Decimal):
            if isinstance(theirs, float):
                self.doubles += 1
                self.long_doubles += len(ours.normalize().as_tuple().digits) > DOUBLE_DIGITS
                agrees = float(ours) == theirs
            else:
                self.texts += 1
                agrees = ours == Decimal(theirs)
        else:
            self.words += 1
            agrees = ours == theirs
        if not agrees:
            self.complaints.append(f"{what}: our client has {ours}, the referee {theirs}")

    def __str__(self) -> str:
        rows = ", ".join(f"{count} {section}" for section, count in self.rows.items())
        long = f" ({self.long_doubles} of more than {DOUBLE_DIGITS} digits)" if self.long_doubles else ""
        return f"{rows}: {self.texts} numbers by text, {self.doubles} by double{long}, {self.words} words"


def planted(ours: Reading, theirs: Reading, sections: Iterable[str]) -> Iterator[tuple[str, Reading]]:
    """Copies of ours with one difference each, and how its complaint has to begin: every fact that the referee tells, a row
    that is missing, a row that nobody has. Ours and theirs have to agree."""
    for section in sections:
        rows, is_plain = ours[section], section in PLAIN
        common = [key for key in sorted(rows) if key in theirs[section] and (not is_plain or rows[key])]
        if not common:
            continue
        middle = common[len(common) // 2]
        yield f"{section} {middle}:", _with(ours, section, {key: row for key, row in rows.items() if key != middle})
        yield f"{section} nobody's:", _with(ours, section, rows | {"nobody's": rows[middle]})
        if is_plain:
            yield from _first_change(ours, section, [(key, rows[key], theirs[section][key]) for key in common])
            continue
        for name in rows[middle]:
            told = [(key, rows[key][name], theirs[section][key].get(name)) for key in common]
            yield from _first_change(ours, section, told, name)


def _first_change(
    ours: Reading, section: str, told: Iterable[tuple[str, Any, Any]], name: str | None = None
) -> Iterator[tuple[str, Reading]]:
    """Of the first row where the referee tells this, and tells it from the least change."""
    for key, value, theirs in told:
        other = _another(value)
        if theirs is None or (isinstance(theirs, float) and float(other) == theirs):
            continue
        changed = other if name is None else ours[section][key] | {name: other}
        yield (
            f"{section} {key}{'' if name is None else f' {name}'}:",
            _with(ours, section, ours[section] | {key: changed}),
        )
        return


def _another(value: Any) -> Any:
    """The least change: one in the last digit, the other truth, one letter more."""
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        return value + Decimal(1).scaleb(exponent)
    return not value if isinstance(value, bool) else f"{value}x"


def _with(ours: Reading, section: str, rows: dict[str, Any]) -> Reading:
    return ours | {section: rows}
