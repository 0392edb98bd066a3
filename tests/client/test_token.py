"""TokenTracker: where a reader stands."""

from __future__ import annotations

from gwcore.client.token import TokenTracker
from gwcore.model import Header


def header(sequence: int | None = None, after: int | None = None, session_id: str = "S") -> Header:
    return Header(
        v=1,
        venue="v",
        source="s",
        partition="md.0",
        session_id=session_id,
        sequence=sequence,
        after_sequence=after,
        published_ns=1,
    )


def test_a_replay_of_what_was_seen_does_not_take_it_back() -> None:
    tracker = TokenTracker()
    tracker.note(header(9))
    tracker.note(header(3))
    assert tracker.token == {"md.0": ("S", 9)}


def test_another_session_starts_at_its_own_number() -> None:
    tracker = TokenTracker({"md.0": ("S", 9)})
    tracker.note(header(1, session_id="T"))
    assert tracker.token == {"md.0": ("T", 1)}


def test_a_snapshot_that_overtook_news_does_not_count() -> None:
    tracker = TokenTracker()
    tracker.note(header(5))
    tracker.note(header(after=9))
    tracker.snapshot_end()
    assert tracker.token == {"md.0": ("S", 5)}


def test_a_snapshot_of_a_session_not_seen_before_counts_once_it_is_whole() -> None:
    tracker = TokenTracker()
    tracker.note(header(after=9))
    assert tracker.token == {}
    tracker.snapshot_end()
    assert tracker.token == {"md.0": ("S", 9)}


def test_a_snapshot_cut_by_a_disconnect_never_counts() -> None:
    tracker = TokenTracker()
    tracker.note(header(after=9))
    tracker.disconnected()
    tracker.snapshot_end()
    assert tracker.token == {}
