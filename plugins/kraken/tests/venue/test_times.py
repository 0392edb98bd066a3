from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gw_venue_kraken.times import TimeReader, time_ns
from hypothesis import given, settings
from hypothesis import strategies as st

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("2026-08-16T23:37:05.376419Z", 1_786_923_425_376_419_000),
        ("2024-01-08T12:26:39.526146327Z", 1_704_716_799_526_146_327),
        ("2023-09-21T15:49:29Z", 1_695_311_369_000_000_000),
        ("2022-06-13T08:09:10.7890123", 1_655_107_750_789_012_300),  # one sample of the docs lacks its Z
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00.000000001-01:00", 1),
        ("1970-01-01T00:00:60Z", 60_000_000_000),
        ("1969-12-31T23:59:59.9Z", -100_000_000),
    ],
)
def test_times_are_exact(text: str, value: int) -> None:
    assert time_ns(text) == value
    reader = TimeReader()
    assert [reader.read(text), reader.read(text)] == [value, value]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-08-16",
        "2026-08-16T23:37:05.Z",
        "2026-08-16T23:37:05.1234567890Z",
        "2026-08-16T23:37:05.12_456Z",
        "2026-08-16T23:37:05.+23456Z",
        "2026-08-16T23:37:05.12345\u0665Z",
        "2026-08-16T23:37:05.123456ZZ",
        "2026-08-16T24:37:05Z",
        "2026-02-30T00:00:00Z",
        "2026-08-16T23:37:61Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    reader = TimeReader()
    reader.read("2026-08-16T23:37:05.000000Z")  # the same second is remembered
    with pytest.raises(ValueError, match=r"not a time|out of range|must be in"):
        reader.read(text)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 999_999_999), st.integers(0, 9)), max_size=20))
def test_the_remembered_second_changes_nothing(times: list[tuple[int, int, int]]) -> None:
    reader = TimeReader()
    for second, nanosecond, digits in times:
        fraction = f"{nanosecond:09d}"[:digits]
        stamp = (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
        text = f"{stamp}.{fraction}Z" if fraction else f"{stamp}Z"
        assert reader.read(text) == second * 10**9 + int(fraction.ljust(9, "0"))
