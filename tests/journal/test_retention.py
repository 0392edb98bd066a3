"""What goes at the limits, what never goes, and what a reader that comes too late is told."""

from __future__ import annotations

import pytest

from gwcore.errors import MissingSequences
from gwcore.journal import CursorStore, JournalGap


def write(kit, journal, count: int, *partitions: str) -> None:
    for number in range(count):
        journal.append(kit.record(partitions[number % len(partitions)]))
        if number % 3 == 2:
            journal.commit()
    journal.commit()


def caught(reader) -> JournalGap:
    try:
        while reader.read(3):
            pass
    except JournalGap as gap:
        return gap
    pytest.fail("no gap")


def expected_missing(kit, first: int, last: int) -> set[MissingSequences]:
    """From what was made: the sequences at these positions."""
    spans: dict[tuple[str, str], list[int]] = {}
    for record in kit.expected()[first - 1 : last]:
        spans.setdefault((record.partition, record.session_id), []).append(record.sequence)
    return {MissingSequences(*key, min(found), max(found)) for key, found in spans.items()}


@pytest.mark.parametrize("had", [0, 1, 4, 7])
def test_a_reader_is_told_the_very_sequences(kit, storage, had):
    journal = kit.open(storage, segment_bytes=2000, md_bytes_max=6000, memory_records=0)
    write(kit, journal, 9, "md.0", "md.1")
    reader = journal.reader("md", 0)
    while reader.position < had:
        reader.read(1)
    write(kit, journal, 300, "md.0", "md.1")
    gap = caught(reader)
    assert set(gap.sequences) == expected_missing(kit, gap.first_missing, gap.last_missing)
    assert gap.first_kept == journal.first_position("md")
    assert reader.read(1)[0].position == gap.first_kept


def test_a_sink_that_was_away_is_told_the_very_sequences_by_its_cursor(kit, storage):
    journal = kit.open(storage, segment_bytes=2000, md_bytes_max=6000, memory_records=0)
    write(kit, journal, 9, "md.0", "md.1")
    CursorStore(storage).save("jetstream", {"md": 5})
    write(kit, journal, 300, "md.0", "md.1")
    gap = journal.gap_behind("md", 5)
    assert gap is not None
    assert set(gap.sequences) == expected_missing(kit, 6, gap.last_missing)
    journal.close()
    again = kit.open(storage, segment_bytes=2000, md_bytes_max=6000)  # it is remembered over a restart
    found = again.gap_behind("md", 5)
    assert found is not None
    assert found.sequences == gap.sequences


def test_where_the_cursor_was_is_not_known_the_bound_is_left_open(kit, storage):
    journal = kit.open(storage, segment_bytes=2000, md_bytes_max=6000, memory_records=0)
    write(kit, journal, 300, "md.0")
    gap = journal.gap_behind("md", 2)
    assert gap is not None
    assert gap.sequences == (MissingSequences("md.0", "Smd0", None, gap.last_missing),)
    assert journal.gap_behind("md", gap.last_missing) is None
    storage.remove("journal/md/removed.json")
    bare = kit.open(storage).gap_behind("md", 2)
    assert bare is not None
    assert bare.sequences == ()


def test_executions_stay_without_a_limit(kit, storage):
    journal = kit.open(storage, segment_bytes=2000)
    write(kit, journal, 200, "ex.main")
    assert journal.first_position("ex") == 1


def test_executions_go_at_their_limit_but_never_ahead_of_a_cursor(kit, storage):
    cursors = CursorStore(storage)
    journal = kit.open(storage, segment_bytes=2000, ex_bytes_max=5000, memory_records=0)
    cursors.save("jetstream", {"ex": 30})
    cursors.save("file", {"ex": 100})
    write(kit, journal, 200, "ex.main")
    assert 1 < journal.first_position("ex") <= 31
    cursors.save("jetstream", {"ex": 150})
    cursors.save("file", {"ex": 150})
    write(kit, journal, 30, "ex.main")
    assert 100 < journal.first_position("ex") <= 151
    cursors.save("jetstream", {})  # a sink that never took one holds nothing back
    assert journal.gap_behind("ex", 150) is None


def test_executions_go_by_age_too(kit, storage):
    journal = kit.open(storage, segment_bytes=2000, ex_age_max_s=60)
    write(kit, journal, 30, "ex.main")
    kit.clock.time_ns += 120_000_000_000
    write(kit, journal, 9, "ex.main")
    assert journal.first_position("ex") > 20


def test_the_limits_are_written_down(kit, storage):
    kit.open(storage, md_bytes_max=1234)
    assert b'"md":{"bytes_max":1234,' in storage.read("journal/limits.json")
