"""How the shows hold other people's readings of an account against ours: what is told, and that each difference is found."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gwcore.model import Fill, FundsUpdate, Liquidity, OrderStatus, OrderType, OrderUpdate, Side, TradeUpdate

SHOW = Path(__file__).parents[1] / "scripts" / "show"


@pytest.fixture(scope="module")
def show() -> Any:
    sys.path.insert(0, str(SHOW))
    import account_reading

    return account_reading


def events() -> list[Any]:
    order = OrderUpdate(
        account="a", venue_order_id="O1", symbol="BTC/USD", side=Side.BUY, order_type=OrderType.STOP_LOSS_LIMIT,
        order_status=OrderStatus.PARTIALLY_FILLED, quantity="0.30", price="100.10", stop_price="99.5", traded_quantity="0.20",
        cost="20.02", average_price="100.1", venue_client_id="c1", external=True,
    )  # fmt: skip
    fills = tuple(
        Fill(
            trade_id=f"T{number}", price="100.10", quantity="0.10", cost="10.01", fees=(("USD", "0.01"),),
            liquidity=Liquidity.MAKER, market_trade_id=str(number),
        )
        for number in (1, 2)
    )  # fmt: skip
    asked = OrderUpdate(account="a", order_id="mine", symbol="BTC/USD", order_status=OrderStatus.PENDING)
    trade = TradeUpdate(account="a", venue_order_id="O1", symbol="BTC/USD", side=Side.BUY, fills=fills)
    return [asked, order, trade, FundsUpdate(account="a", asset="BTC", total="1.50", hold="0.10")]


def as_told(ours: Any, number: Any) -> Any:
    """A referee that tells the same, numbers as it keeps them."""

    def told(value: Any) -> Any:
        return number(value) if isinstance(value, Decimal) else value

    return {
        section: {
            key: {name: told(value) for name, value in row.items()} if isinstance(row, dict) else told(row)
            for key, row in rows.items()
        }
        for section, rows in ours.items()
    }


SECTIONS = ("balances", "holds", "orders", "trades")


def test_a_reading_is_what_the_events_say(show: Any) -> None:
    reading = show.reading_of(events())
    assert list(reading["orders"]) == ["O1"]  # what is not at the venue yet is nobody else's order
    order = reading["orders"]["O1"]
    assert (order["type"], order["status"], order["fee"], order["client_id"]) == (
        "stop-loss-limit", "open", Decimal("0.02"), "c1",
    )  # fmt: skip
    assert (reading["balances"], reading["holds"]) == ({"BTC": Decimal("1.50")}, {"BTC": Decimal("0.10")})


@pytest.mark.parametrize("number", [str, float])
def test_each_planted_difference_is_found_as_itself(show: Any, number: Any) -> None:
    ours = show.reading_of(events())
    theirs = as_told(ours, number)
    assert show.Comparison(ours, theirs, SECTIONS).complaints == []
    planted = list(show.planted(ours, theirs, SECTIONS))
    for wanted, reading in planted:
        [complaint] = show.Comparison(reading, theirs, SECTIONS).complaints
        assert complaint.startswith(wanted)
    facts = sum(len(next(iter(ours[section].values()))) for section in ("orders", "trades"))
    assert len(planted) == facts + 2 + 2 * len(SECTIONS)
    assert ours == show.reading_of(events()), "planting changed ours"


def test_what_a_referee_does_not_tell_is_said_and_not_planted(show: Any) -> None:
    ours = show.reading_of(events())
    theirs = as_told(ours, str)
    theirs["orders"]["O1"]["client_id"] = None
    for row in theirs["trades"].values():
        del row["fee"]
    comparison = show.Comparison(ours, theirs, SECTIONS)
    assert comparison.complaints == []
    assert comparison.untold == {"orders": ["client_id"], "trades": ["fee"]}
    planted = [wanted for wanted, _ in show.planted(ours, theirs, SECTIONS)]
    assert not [wanted for wanted in planted if wanted.endswith((" client_id:", " fee:")) and "trades" in wanted]
    assert "orders O1 fee:" in planted


def test_a_change_that_a_double_can_not_show_is_planted_in_another_row(show: Any) -> None:
    ours = {"balances": {"A": Decimal("1234567890.1234567890"), "B": Decimal("1.5")}}
    theirs = as_told(ours, float)
    planted = [wanted for wanted, _ in show.planted(ours, theirs, ("balances",))]
    assert planted == ["balances B:", "balances nobody's:", "balances B:"]
