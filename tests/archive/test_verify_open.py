"""`gw archive verify` beside a writer: files that are not finished count as far as they are durable, and no further."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from gw_sinks.file_writer import ClassWriter

from gwcore.archive.manifest import Origin
from gwcore.archive.state import LOOKS_MAX, ClassState, FileEntry, list_whole
from gwcore.archive.verify import ArchiveReport, verify_archive
from gwcore.cli.archive import command
from gwcore.errors import StorageError
from gwcore.testing.storage import MemoryStorage

ORIGIN = Origin(venue="kraken", environment="sim", source="gw1")


def open_parts(killed) -> list[Path]:
    return sorted(killed.archive.glob("open/*.part"))


def faults(killed) -> list[tuple[str, str]]:
    return [(fault.file, fault.cause) for fault in verify_archive(killed.storage).faults]


def finish(killed) -> None:
    """What the next gateway does first."""
    for name in ("md", "st"):
        writer = ClassWriter(name, killed.storage, origin=ORIGIN, level=3, file_bytes_max=1 << 20)
        assert writer.open(0).damaged == ()
        writer.close()


def test_files_that_nobody_finished_count(killed) -> None:
    report = verify_archive(killed.storage)
    assert report.faults == []
    assert report.files_open == len(open_parts(killed)) > 3
    assert all(one.lines == one.last_sequence for one in report.sessions)
    result = CliRunner().invoke(command, ["verify", str(killed.archive)])
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "ok")
    assert f"{report.files_open} files are not finished" in result.stdout


def test_what_stands_behind_the_durable_part_does_not(killed) -> None:
    before = verify_archive(killed.storage)
    for path in open_parts(killed):
        path.write_bytes(path.read_bytes() + b"torn")
    assert verify_archive(killed.storage) == before


def test_a_day_has_its_open_files_alone(killed) -> None:
    assert verify_archive(killed.storage, day="2026-11-20").files_open == 0


def test_an_open_file_that_lost_bytes_is_named(killed) -> None:
    path = open_parts(killed)[0]
    path.write_bytes(path.read_bytes()[:40])
    file, cause = faults(killed)[0]
    assert file == f"open/{path.name}"
    assert cause.startswith("has 40 bytes of ")


def test_an_open_file_that_is_gone_is_named(killed) -> None:
    path = open_parts(killed)[0]
    path.unlink()
    file, cause = faults(killed)[0]
    assert file == f"open/{path.name}"
    assert "it is missing: " in cause


def test_a_state_file_that_nobody_wrote_is_named(killed) -> None:
    (killed.archive / "state/md.json").write_text("{}]")
    (file, cause), *_ = faults(killed)
    assert file.startswith("state/md.json")
    assert "is not what this sink wrote" in cause


def once(work: Callable[[], None]) -> Callable[[int], None]:
    left = [work]
    return lambda count: left.pop()() if left else None


def test_files_that_are_finished_while_it_looks(killed) -> None:
    def seen(report: ArchiveReport) -> list[tuple[str, int, int]]:
        return [(one.partition, one.first_sequence, one.last_sequence) for one in report.sessions]

    before = verify_archive(killed.storage)
    report = verify_archive(killed.storage, on_read=once(lambda: finish(killed)))
    assert open_parts(killed) == []
    assert (report.faults, report.files_open, seen(report)) == ([], before.files_open, seen(before))
    assert verify_archive(killed.storage).files_open == 0


def entry(number: int, **changes: Any) -> FileEntry:
    fields: dict[str, Any] = {"kind": "trade", "date": "2026-11-22", "session_id": "S", "first": number, "last": number}
    return FileEntry(**{"name": f"open/md-{number}.part", "lines": 1, "size": 1, **fields, **changes})


def test_an_archive_whose_open_files_only_grow_stands_still(killed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one takes longer to list than its writer from one commit to the next."""
    before, state, looks = list_whole(killed.storage), killed.archive / "state/md.json", []
    listed = type(killed.storage).list

    def busy(self, *arguments: str) -> list[str]:
        looks.append(arguments)
        now = msgspec.json.decode(state.read_bytes(), type=ClassState)
        grown = tuple(msgspec.structs.replace(one, size=one.size + 1) for one in now.open)
        state.write_bytes(msgspec.json.encode(msgspec.structs.replace(now, position=now.position + 1, open=grown)))
        return listed(self, *arguments)

    monkeypatch.setattr(type(killed.storage), "list", busy)
    found = list_whole(killed.storage)
    assert found.finished == before.finished
    assert [one.entry.name for one in found.unfinished] == [one.entry.name for one in before.unfinished]
    assert len(looks) == 3


def test_a_manifest_whose_file_is_being_renamed_is_no_orphan(killed) -> None:
    path = killed.archive / "state/md.json"
    state = msgspec.json.decode(path.read_bytes(), type=ClassState)
    (killed.archive / "trade/date=2026-11-22").mkdir(parents=True, exist_ok=True)

    def announce() -> None:
        path.write_bytes(msgspec.json.encode(msgspec.structs.replace(state, finished=(one,))))
        (killed.archive / one.final("md").manifest).write_text("{}")

    one = entry(999_999)
    assert verify_archive(killed.storage, on_read=once(announce)).faults == []
    path.write_bytes(msgspec.json.encode(state))  # it names the file no more, and there is none
    assert faults(killed) == [(one.final("md").name, "there is a manifest, and the file is missing")]


def test_the_first_position_may_be_in_a_file_that_is_open(record) -> None:
    storage = MemoryStorage()
    writer = ClassWriter("md", storage, origin=ORIGIN, level=3, file_bytes_max=400)
    writer.open(0)
    writer.add([record("stale"), *[record("top", symbol=f"A{number}/USD") for number in range(200)]])
    writer.commit(0, 3600 * 10**9)
    assert [file.kind for file in list_whole(storage).finished] == ["top_of_book"]
    report = verify_archive(storage)
    assert (report.faults, report.files, report.files_open) == ([], 1, 1)


def test_an_archive_that_never_stands_still_is_said(killed, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, state, looks = killed.storage, killed.archive / "state/md.json", []
    listed = type(storage).list

    def busy(self, *arguments: str) -> list[str]:
        looks.append(arguments)
        state.write_bytes(msgspec.json.encode(ClassState(open=(entry(len(looks)),))))
        return listed(self, *arguments)

    monkeypatch.setattr(type(storage), "list", busy)
    with pytest.raises(StorageError, match="faster than its files can be listed"):
        list_whole(storage)
    assert len(looks) == 2 * LOOKS_MAX + 1
