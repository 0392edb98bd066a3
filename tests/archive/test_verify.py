"""`gw archive verify`: what is wrong is named, by the first bad file; what is right is right."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from gwcore.archive import sequences
from gwcore.archive.sequences import SequenceSet, without
from gwcore.archive.verify import verify_archive
from gwcore.cli.archive import command
from gwcore.cli.main import cli, main


def verify(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(command, ["verify", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def first_bad(spoilt) -> tuple[str, str]:
    report = verify_archive(spoilt.storage)
    assert not report.ok
    return report.faults[0].file, report.faults[0].cause


def relative(spoilt, path: Path) -> str:
    return path.relative_to(spoilt.archive).as_posix()


def test_an_archive_of_two_runs_and_a_kill_is_whole(runs) -> None:
    text = verify("--state-dir", runs.state_dir)
    assert text.splitlines()[-1] == "ok"
    assert verify(runs.archive) == text
    found = orjson.loads(verify(runs.archive, "--output", "json"))
    assert found["ok"] is True
    assert found["lines"] == sum(len(runs.journalled(name)) for name in ("md", "st"))
    assert {one["first_sequence"] for one in found["sessions"]} == {1}
    day = orjson.loads(verify(runs.archive, "--day", "2026-11-22", "--output", "json"))
    assert day["ok"] is True
    assert 0 < day["lines"] < found["lines"]


def test_a_changed_byte(spoilt) -> None:
    path = sorted(spoilt.archive.glob("market_by_price/*-23/*.zst"))[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    file, cause = first_bad(spoilt)
    assert file == relative(spoilt, path)
    assert "damaged" in cause or "changed: its SHA-256" in cause
    assert f"BAD {file}: " in verify(spoilt.archive, code=1)


def test_a_file_that_was_written_anew_is_changed(spoilt, squeeze) -> None:
    path = max(spoilt.archive.glob("top_of_book/*-23/*.zst"))
    path.write_bytes(squeeze(path.read_bytes()))
    assert first_bad(spoilt)[0] == relative(spoilt, path)
    assert "changed: its SHA-256" in first_bad(spoilt)[1]


def test_a_file_that_is_cut_short(spoilt) -> None:
    path = min(spoilt.archive.glob("trade_summary/*-23/*.zst"))
    path.write_bytes(path.read_bytes()[:-40])
    assert first_bad(spoilt) == (
        relative(spoilt, path),
        f"cut short: it ends after {path.stat().st_size} bytes, within its zstd frame",
    )


def test_a_missing_manifest_and_its_cure(spoilt) -> None:
    path = min(spoilt.archive.glob("reference_data/*-22/*.manifest.json"))
    before = json.loads(path.read_bytes())
    path.unlink()
    file, cause = first_bad(spoilt)
    assert file == relative(spoilt, path).replace(".manifest.json", ".jsonl.zst")
    assert "its manifest is missing" in cause
    assert "--write-missing" in cause
    result = CliRunner().invoke(command, ["verify", str(spoilt.archive), "--write-missing"])
    assert result.exit_code == 0, result.output
    assert file in result.stderr
    after = json.loads(path.read_bytes())
    assert after | {"environment": "", "venue": "", "source": ""} == before | {
        "environment": "",
        "venue": "",
        "source": "",
    }


def test_a_manifest_that_is_none(spoilt) -> None:
    path = min(spoilt.archive.glob("reference_data/*-22/*.manifest.json"))
    path.write_text("{nonsense")
    file, cause = first_bad(spoilt)
    assert file == relative(spoilt, path).replace(".manifest.json", ".jsonl.zst")
    assert "no manifest of an archive" in cause


def test_a_manifest_that_tells_something_else(spoilt) -> None:
    path = next(path for path in spoilt.archive.glob("market_by_price/*/*.json") if b"CHECKSUM" in path.read_bytes())
    told = json.loads(path.read_bytes())
    told["lines"] += 1
    told["stale"] = {}
    path.write_text(json.dumps(told))
    assert first_bad(spoilt)[1] == "its manifest does not agree with it in lines, stale"


def test_a_missing_file_of_which_the_manifest_is_there(spoilt) -> None:
    path = min(spoilt.archive.glob("trade_summary/*-23/*.zst"))
    path.unlink()
    report = verify_archive(spoilt.storage)
    assert any(fault.file == relative(spoilt, path) and "the file is missing" in fault.cause for fault in report.faults)


def test_a_missing_file_of_which_nothing_is_left(spoilt) -> None:
    """Only the sequences of other kinds tell."""
    path = min(spoilt.archive.glob("trade_summary/*-22/md-*.manifest.json"))
    lost = [(s["partition"], s["session_id"], s["first_sequence"]) for s in json.loads(path.read_bytes())["sessions"]]
    path.unlink()
    Path(str(path).replace(".manifest.json", ".jsonl.zst")).unlink()
    faults = verify_archive(spoilt.storage).faults
    assert len(faults) == len(lost)
    for partition, session_id, sequence in lost:
        [fault] = [fault for fault in faults if f"of {partition}, session {session_id}, sequence" in fault.cause]
        assert f" {sequence} " in fault.cause
        assert "in no file" in fault.cause
        assert fault.file.split("/")[1] == "date=2026-11-22"


def test_a_session_of_which_nothing_is_left(make_archive, record) -> None:
    storage = make_archive([record("top", session_id=session) for session in "ABC" for _ in range(5)])
    batches = [[record("top", session_id=session) for _ in range(5)] for session in "DEF"]
    storage = make_archive(*batches)
    assert verify_archive(storage).ok
    for name in storage.list():
        if "-E-" in name:
            storage.remove(name)
    [fault] = verify_archive(storage).faults
    assert "positions 1 to 15, and 10 lines in all" in fault.cause


def test_events_that_are_there_twice(make_archive, record) -> None:
    batch = [record("top") for _ in range(6)]
    twice = [*batch, batch[2]._replace(position=7)]
    [fault] = verify_archive(make_archive(twice)).faults
    assert fault.cause == "sequence 3 of md.0, session S, is there twice"


def test_a_gap_that_is_stated_is_no_fault(make_archive, record) -> None:
    batch = [record("top") for _ in range(9)]
    stated = record("gap", partition="st", session_id="T", first=5, last=7)
    told = [*batch[:4], *batch[7:]]
    report = verify_archive(make_archive(told, [stated]))
    assert report.ok
    assert report.stated_missing == 3
    report = verify_archive(make_archive(told))
    assert "sequences 5 to 7 are in no file" in report.faults[0].cause


def test_no_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "verify", str(tmp_path / "nowhere")]) == 2
    assert "no archive in" in capsys.readouterr().err
    assert main(["archive", "verify", "--state-dir", str(tmp_path)]) == 2
    assert "the gateway has to run with --sink file" in capsys.readouterr().err
    assert main(["archive", "verify"]) == 2
    assert "give one of them" in capsys.readouterr().err
    assert main(["archive", "verify", str(tmp_path), "--day", "yesterday"]) == 2
    assert '"yesterday" is no day: write 2026-01-31' in capsys.readouterr().err


def test_where_nothing_was_checked_nothing_is_ok(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["archive", "verify", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "nothing was checked" in told.err
    assert "ok" not in told.out.split()


def test_a_stranger_in_the_archive(spoilt) -> None:
    (spoilt.archive / "trade_summary" / "mine.jsonl.zst").write_bytes(b"")
    assert first_bad(spoilt) == (
        "trade_summary/mine.jsonl.zst",
        "no name of an archive's file; move it out of the archive",
    )


def test_it_is_a_command_of_gw(runs) -> None:
    assert "verify" in CliRunner().invoke(cli, ["archive", "--help"]).stdout


@pytest.mark.parametrize("block", [8, 64])
def test_sequence_sets(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(sequences, "BLOCK", block)
    monkeypatch.setattr(sequences, "BLOCKS_MAX", 3)
    seen = SequenceSet()
    for number in [*range(5, 20), 30, *range(40, 100), 21]:
        seen.add(number)
    assert seen.missing() == [(20, 20), (22, 29), (31, 39)]
    assert (seen.first, seen.last, seen.repeated) == (5, 99, 0)
    seen.add(50)
    assert seen.repeated == 50


def test_a_whole_set_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "BLOCK", 8)
    seen = SequenceSet()
    for number in range(1, 10_000):
        seen.add(number)
    assert len(seen._left) <= 2
    assert seen.missing() == []


def test_spans_without_what_is_stated() -> None:
    assert without([(1, 10), (20, 30)], [(3, 4), (9, 25)]) == [(1, 2), (5, 8), (26, 30)]
    assert without([(1, 10)], [(1, 10)]) == []
