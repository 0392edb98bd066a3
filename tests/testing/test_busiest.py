"""The busiest window is a rolling one."""

from __future__ import annotations

from gwcore.testing.busiest import BusiestWindow


def test_a_window_that_crosses_the_clock_s_second_counts() -> None:
    window = BusiestWindow(1000)
    for at in (0, 900, 950, 1000, 1050, 1899, 1900, 5000):
        window.add(at)
    # 900 to 1899; at 1900 the one of 900 is a whole window old.
    assert window.most == 5
