"""Whether what a probe says agrees with what is held. REST rounds and pads: numbers agree to the coarser one's last digit."""

from __future__ import annotations

from decimal import Decimal

from gwcore.model import StatisticsUpdate, TopOfBook


def same_number(one: str | None, other: str | None) -> bool:
    """Whether two decimal texts are less than one unit of the coarser's last digit apart; zero and absent are the same."""
    first, second = Decimal(one or 0), Decimal(other or 0)
    if first == second:
        return True
    if not one or not other:
        return False
    unit = Decimal(1).scaleb(max(_exponent(first), _exponent(second)))
    return abs(first - second) < unit


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def agrees(held: TopOfBook | StatisticsUpdate | None, told: TopOfBook | StatisticsUpdate) -> bool:
    """Compare best prices and quantities of a book, the last price of trades and tickers. Nothing held: nothing to deny."""
    if isinstance(held, TopOfBook) and isinstance(told, TopOfBook):
        return (
            same_number(held.bid_price, told.bid_price)
            and same_number(held.ask_price, told.ask_price)
            and same_number(held.bid_quantity, told.bid_quantity)
            and same_number(held.ask_quantity, told.ask_quantity)
        )
    if isinstance(held, StatisticsUpdate) and isinstance(told, StatisticsUpdate):
        return held.last_price is None or told.last_price is None or same_number(held.last_price, told.last_price)
    return True
