"""Gateways find themselves in a list that never lies for long: what has ended, however, is not in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.cli.gateways import find_socket
from gwcore.errors import ConfigError
from gwcore.runtime.control.running import FOLDER, Entry, Running, find_running, state_root

#: Another process with an entry, which ends as soon as its input does.
CHILD = """
import sys
from pathlib import Path
from gwcore.runtime.control.running import Entry, Running
entry = Entry(Path(sys.argv[1]))
print(entry.write(Running(name=sys.argv[2], venue="toy", environment="sim", pid=1, state_dir="/s/" + sys.argv[2],
      version="1", started_ns=1, addresses={"unix": "unix:///s/" + sys.argv[2] + "/gw.sock"})), flush=True)
sys.stdin.read()
"""


def running(name: str, **addresses: str) -> Running:
    return Running(
        name=name,
        venue="toy",
        environment="sim",
        pid=os.getpid(),
        state_dir="/s",
        version="1",
        started_ns=1,
        addresses=addresses,
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return state_root()


def child(root: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(root), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "\n"
    return process


def end(process: subprocess.Popen[str], *, kill: bool = False) -> None:
    if kill:
        process.kill()
    process.communicate()


def test_what_runs_is_listed_and_what_was_killed_is_not(root: Path) -> None:
    first, second = child(root, "one"), child(root, "two")
    assert [each.name for each in find_running()] == ["one", "two"]
    with pytest.raises(ConfigError, match=r"several gateways run: one \(/s/one\), two \(/s/two\) .*`gw ls`"):
        find_socket(None, None, None)
    assert find_socket(None, None, "two") == Path("/s/two/gw.sock")
    end(first, kill=True)
    assert [each.name for each in find_running()] == ["two"]
    assert find_socket(None, None, None) == Path("/s/two/gw.sock")
    end(second, kill=True)
    assert find_running() == []
    assert list((root / FOLDER).iterdir()) == []


def test_an_entry_is_written_again_and_taken_back(root: Path) -> None:
    entry = Entry()
    assert entry.write(running("b", nats="nats://a-long-name-that-is-cut-later/gw.sim.toy")) == ""
    entry.write(running("b"))
    (path,) = (root / FOLDER).iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_bytes())["addresses"] == {}
    entry.close()
    assert not path.exists()


def test_a_gateway_without_a_socket_is_said_to_have_none(root: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD.replace('"unix": "unix:///s/" + sys.argv[2] + "/gw.sock"', '"nats": "nats://h/x"'),
         str(root), "n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(ConfigError, match=r"n runs without a socket .give its --address"):
        find_socket(None, None, None)
    end(process)


def test_what_can_not_be_written_or_read_is_no_obstacle(root: Path) -> None:
    root.mkdir(parents=True)
    (root / FOLDER).write_text("a file is in the way")
    entry = Entry()
    assert "a file" not in entry.write(running("x"))
    assert entry.write(running("x")) != ""
    entry.close()
    assert find_running() == []
