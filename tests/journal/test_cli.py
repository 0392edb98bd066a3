"""`gw log` on a real directory, also while a journal is being written."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from gwcore.cli.log import command
from gwcore.cli.main import cli, main
from gwcore.errors import ConfigError
from gwcore.model import StaleReason, UpdateType
from gwcore.runtime.journal.storage import DirectoryStorage


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture
def state(kit, tmp_path) -> Path:
    journal = kit.open(DirectoryStorage(tmp_path), segment_bytes=3000)
    kit.fill(journal, 40, partitions=("md.0", "md.1", "st"))
    for reason in (StaleReason.CHECKSUM, StaleReason.CHECKSUM, StaleReason.DISCONNECT):
        journal.append(kit.record("md.0", update_type=UpdateType.STALE, stale_reason=reason))
    journal.append(kit.record("ex.main", symbol=None))
    journal.close()
    return tmp_path


def test_stats(kit, state):
    found = orjson.loads(run("stats", "--state-dir", state, "--output", "json"))
    assert found["records"] == 44
    assert found["kinds"] == {"market_by_price": 30, "ready": 14}
    assert found["update_types"] == {"INCREMENTAL": 27, "STALE": 3}
    assert found["stale_reasons"] == {"CHECKSUM": 2, "DISCONNECT": 1}
    (session,) = found["partitions"]["md.0"]
    assert (session["session_id"], session["first_sequence"], session["last_sequence"]) == ("Smd0", 1, 17)
    assert set(found["partitions"]) == {"md.0", "md.1", "st", "ex.main"}
    assert (found["first_ns"], found["last_ns"]) == (kit.made[0].published_ns, kit.made[-1].published_ns)
    assert found["classes"]["md"]["records"] == 30
    text = run("stats", "--state-dir", state)
    for line in ("records       44", "stale reason  CHECKSUM 2", "partition     st session Sst sequences 1-13 (13)"):
        assert line in text.splitlines()


def test_cat_prints_the_journals_bytes_in_order(kit, state):
    assert run("cat", "--state-dir", state).encode() == b"".join(record.payload + b"\n" for record in kit.made)
    assert run("cat", "--state-dir", state, "--output", "json") == run("cat", "--state-dir", state)


def expect(kit, state, wanted, *arguments):
    lines = run("cat", "--state-dir", state, *arguments).encode().splitlines()
    assert lines == [record.payload for record in kit.made if wanted(record)]
    assert lines


def test_cat_filters(kit, state):
    expect(kit, state, lambda r: r.kind == "ready", "--kinds", "ready,gap")
    expect(kit, state, lambda r: r.symbol in (None, "ETH/USD"), "--symbols", "ETH/*")
    expect(kit, state, lambda r: True, "--symbols", "ETH/*", "--symbols", "B*")
    middle = kit.made[20].published_ns
    expect(kit, state, lambda r: r.published_ns >= middle, "--from", middle)
    expect(kit, state, lambda r: r.published_ns <= middle, "--to", middle)
    expect(kit, state, lambda r: r.published_ns <= middle, "--to", "2026-01-01T00:00:00.020Z")
    expect(kit, state, lambda r: r.published_ns <= middle, "--to", "2026-01-01 00:00:00.020")
    expect(kit, state, lambda r: True, "--from", kit.start_ns // 10**9)
    assert run("cat", "--state-dir", state, "--from", "2026-01-02") == ""


def test_ages_count_back_from_now(state):
    assert run("cat", "--state-dir", state, "--to", "30000d") == ""
    assert run("cat", "--state-dir", state, "--from", "30000d") != ""


def test_verify(state):
    report = run("verify", "--state-dir", state)
    assert "md: 30 records, positions 1-30, " in report
    assert "closed in good order" in report
    assert report.endswith("ok\n")
    found = orjson.loads(run("verify", "--state-dir", state, "--output", "json"))
    assert found["ok"]
    assert found["classes"]["ex"]["records"] == 1


def test_verify_names_the_first_bad_place(kit, state):
    path = sorted((state / "journal/md").glob("*.gwj"))[1]
    data = bytearray(path.read_bytes())
    data[200] ^= 8
    path.write_bytes(data)
    report = run("verify", "--state-dir", state, code=1)
    (line,) = (line for line in report.splitlines() if line.startswith("BAD"))
    assert line.startswith(f"BAD journal/md/{path.name} at offset ")
    assert int(line.split("offset ")[1].split(":")[0]) <= 200
    assert "not ok" in report
    found = orjson.loads(run("verify", "--state-dir", state, "--output", "json", code=1))
    assert found["classes"]["md"]["fault"]["file"] == f"journal/md/{path.name}"
    assert found["classes"]["st"]["fault"] is None
    # What is before the damage can be read; then the same place is named.
    result = CliRunner().invoke(cli, ["log", "cat", "--state-dir", str(state), "--kinds", "market_by_price"])
    assert result.output.encode().splitlines()[0] == kit.made[0].payload
    assert f"journal/md/{path.name} is damaged at offset" in str(result.exception)


def test_beside_a_running_gateway(kit, tmp_path):
    storage = DirectoryStorage(tmp_path)
    journal = kit.open(storage, segment_bytes=3000)
    kit.fill(journal, 30)
    journal.append(kit.record())  # not committed
    expected = b"".join(record.payload + b"\n" for record in kit.made[:30])
    assert run("cat", "--state-dir", tmp_path).encode() == expected
    name = max(storage.list("journal/md"))
    size = storage.size(name)
    whole = storage.read(name)
    for left in (size - 1, size - 100, 90, 84, 83, 10, 0):  # as if a commit were under way
        storage.truncate(name, left)
        report = run("verify", "--state-dir", tmp_path)
        assert report.endswith("\nok\n")
        assert expected.startswith(run("cat", "--state-dir", tmp_path).encode())
        assert storage.size(name) == left
        storage.replace(name, whole)
    assert "not closed" in run("verify", "--state-dir", tmp_path)


def test_no_journal_is_one_sentence(tmp_path, capsys):
    for name in ("stats", "verify", "cat"):
        with pytest.raises(ConfigError, match=f"no journal in {tmp_path}"):
            CliRunner().invoke(command, [name, "--state-dir", str(tmp_path)], catch_exceptions=False)
        assert main(["log", name, "--state-dir", str(tmp_path)]) == 2
        assert capsys.readouterr().err.startswith(f"gw: no journal in {tmp_path} (give the state directory")
    assert list(tmp_path.iterdir()) == []


def test_verify_ends_the_process_with_1(state, capsys):
    assert main(["log", "verify", "--state-dir", str(state)]) == 0
    path = min((state / "journal/st").glob("*.gwj"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert main(["log", "verify", "--state-dir", str(state)]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kinds", "redy"), 'no kind "redy" (did you mean "ready"?'),
        (("--from", "yesterday"), '"yesterday" is no time: write 2026-01-31T12:00:00Z'),
        (("--to", "2026-13-01"), '"2026-13-01" is no time'),
        (("--to", "99999999999d"), '"99999999999d" is no time'),
    ],
)
def test_bad_options(state, arguments, message):
    result = CliRunner().invoke(command, ["cat", "--state-dir", str(state), *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
