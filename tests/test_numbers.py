from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gwcore.numbers import (
    NUMBER_LENGTH_MAX,
    NumberError,
    PrecisionError,
    decimal_text,
    decimals_of,
    optional_text,
    optional_texts,
    scaled,
    unscaled,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("62802.5", "62802.5"),
        ("0.00000000", "0.00000000"),
        ("5", "5"),
        ("-0.17", "-0.17"),
        (5, "5"),
        (0, "0"),
        (-3, "-3"),
        ("1e-8", "0.00000001"),
        ("1E-8", "0.00000001"),
        ("1e-08", "0.00000001"),
        ("1.50e-3", "0.00150"),
        ("2e3", "2000"),
        (Decimal("0.00000001"), "0.00000001"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_numbers_become_plain_text_with_their_digits(value: object, text: str) -> None:
    assert decimal_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        True,
        None,
        [],
        "",
        "abc",
        "1,5",
        "5.",
        ".5",
        "+5",
        " 5",
        "5\n",
        "1_0",
        "\u0665",
        "1e999999999",
        "1e-41",
        "NaN",
        "Infinity",
        "9" * (NUMBER_LENGTH_MAX + 1),
    ],
)
def test_what_is_no_decimal_number_is_refused(value: object) -> None:
    with pytest.raises(NumberError):
        decimal_text(value)


ODD_VALUES = st.one_of(
    st.none(),
    st.integers(-5, 10**12),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, max_value=10**6, min_value=-(10**6)).map(str),
    st.sampled_from(["1,5", ",", "", "1e-8", "-0.00", "5.", "5\n", "7" * 31, "0." + "1" * 70, "\u0665", 0.5, True]),
)


@given(st.lists(ODD_VALUES, max_size=6))
def test_a_row_of_numbers_is_each_of_them(values: list[object]) -> None:
    expected: list[str | None] | None
    try:
        expected = [optional_text(value) for value in values]
    except NumberError:
        expected = None
    if expected is None:
        with pytest.raises(NumberError):
            optional_texts(values)
    else:
        assert list(optional_texts(values)) == expected


def test_a_comma_in_a_text_makes_no_two_numbers_of_it() -> None:
    with pytest.raises(NumberError):
        optional_texts(["1,5", "2"])


def test_optional_text_lets_none_through() -> None:
    assert optional_text(None) is None
    assert optional_text("1e-2") == "0.01"


@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [
        ("62802.5", 1, 628025),
        ("62802.50", 1, 628025),
        ("62802", 1, 628020),
        ("0.00000000", 8, 0),
        ("-1.5", 2, -150),
        ("5", 0, 5),
        ("5.0", 0, 5),
        ("1e-8", 8, 1),
        ("9007199254740993.5", 1, 90071992547409935),
    ],
)
def test_scaled_is_exact(text: str, decimals: int, value: int) -> None:
    assert scaled(text, decimals) == value


@pytest.mark.parametrize(("text", "decimals"), [("0.15", 1), ("5.1", 0), ("1e-9", 8)])
def test_excess_digits_are_a_precision_error(text: str, decimals: int) -> None:
    with pytest.raises(PrecisionError):
        scaled(text, decimals)


@pytest.mark.parametrize("text", ["", ".", "x", "1.x", "1.2.3", "--1", "0x10"])
def test_scaled_refuses_what_is_no_number(text: str) -> None:
    for decimals in (0, 1, 2):
        with pytest.raises(NumberError):
            scaled(text, decimals)


def test_unscaled_prints_all_decimals() -> None:
    assert unscaled(628025, 1) == "62802.5"
    assert unscaled(1, 8) == "0.00000001"
    assert unscaled(0, 2) == "0.00"
    assert unscaled(-5, 2) == "-0.05"
    assert unscaled(7, 0) == "7"


def test_decimals_of_counts_digits_after_the_point() -> None:
    assert [decimals_of(text) for text in ("5", "5.0", "0.00000001")] == [0, 1, 8]


@given(st.integers(-(10**30), 10**30), st.integers(0, 20))
def test_unscaled_and_scaled_are_inverse(value: int, decimals: int) -> None:
    text = unscaled(value, decimals)
    assert scaled(text, decimals) == value
    assert decimal_text(text) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_decimals_keep_their_value(value: Decimal) -> None:
    assert Decimal(decimal_text(value)) == value
    assert scaled(decimal_text(str(value)), 9) == int(value.scaleb(9))
