"""DirectoryStorage on a real directory, MemoryStorage beside it: one contract; links, modes, locks, crashes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gwcore.errors import ConfigError, StorageError
from gwcore.ports import Storage
from gwcore.runtime.journal.storage import DirectoryStorage
from gwcore.testing.storage import Crash, MemoryStorage


@pytest.fixture(params=["directory", "memory", "directory child", "memory child"])
def any_storage(request, tmp_path) -> Storage:
    storage = DirectoryStorage(tmp_path / "state") if "directory" in request.param else MemoryStorage()
    return storage.child("a/b") if "child" in request.param else storage


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_append_read_size(any_storage):
    file = any_storage.append("x/y.log")
    file.write(b"hello ")
    file.write(b"world")
    file.sync()
    assert file.size() == any_storage.size("x/y.log") == 11
    file.close()
    again = any_storage.append("x/y.log")
    again.write(b"!")
    again.close()
    assert any_storage.read("x/y.log") == b"hello world!"
    assert any_storage.read("x/y.log", 6) == b"world!"
    assert any_storage.read("x/y.log", 6, 3) == b"wor"
    assert any_storage.read("x/y.log", 99) == b""


def test_list_exists_remove(any_storage):
    for name in ("b", "f/2", "f/1", "f/g/3", "ff/4"):
        any_storage.replace(name, b"x")
    assert list(any_storage.list()) == ["b", "f/1", "f/2", "f/g/3", "ff/4"]
    assert list(any_storage.list("f")) == ["f/1", "f/2", "f/g/3"]
    assert list(any_storage.list("nothing")) == []
    any_storage.remove("f/1")
    any_storage.remove("f/1")
    any_storage.remove("no/such")
    assert not any_storage.exists("f/1")
    assert any_storage.exists("f/2")
    assert any_storage.free_bytes() > 0


def test_replace_rename_truncate(any_storage):
    any_storage.replace("a", b"one")
    any_storage.replace("a", b"three")
    any_storage.rename("a", "new/b")
    assert not any_storage.exists("a")
    any_storage.truncate("new/b", 2)
    assert any_storage.read("new/b") == b"th"
    any_storage.replace("c", b"old")
    any_storage.rename("new/b", "c")
    assert any_storage.read("c") == b"th"


def test_absent_files(any_storage):
    for call in (any_storage.read, any_storage.size):
        with pytest.raises(FileNotFoundError):
            call("no/such")
    for call in (lambda: any_storage.truncate("no", 0), lambda: any_storage.rename("no", "yes")):
        with pytest.raises(FileNotFoundError):
            call()


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/", "..", "."])
def test_names_that_lead_out_are_refused(any_storage, name):
    calls = [
        lambda: any_storage.append(name),
        lambda: any_storage.read(name),
        lambda: any_storage.size(name),
        lambda: any_storage.replace(name, b""),
        lambda: any_storage.truncate(name, 0),
        lambda: any_storage.remove(name),
        lambda: any_storage.child(name).read("x"),
    ]
    for call in calls:
        with pytest.raises(StorageError, match="can't name a file"):
            call()


def test_modes_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        storage = DirectoryStorage(tmp_path / "state")
        storage.append("ex/1", mode=0o600).close()
        storage.append("md/1").close()
        storage.replace("c/1", b"", mode=0o600)
    finally:
        os.umask(before)
    found = {name: mode_of(tmp_path / "state" / name) for name in ("ex/1", "md/1", "c/1")}
    assert found == {"ex/1": 0o600, "md/1": 0o640, "c/1": 0o600}


def test_folders_are_not_for_everybody(tmp_path):
    before = os.umask(0)
    try:
        DirectoryStorage(tmp_path / "deep" / "state").append("a/b/c").close()
    finally:
        os.umask(before)
    for folder in ("deep", "deep/state", "deep/state/a", "deep/state/a/b"):
        assert mode_of(tmp_path / folder) == 0o750


def test_links_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "elsewhere").mkdir()
    storage = DirectoryStorage(tmp_path / "state")
    (storage.path / "file").symlink_to(tmp_path / "secret")
    (storage.path / "folder").symlink_to(tmp_path / "elsewhere")
    for call in (
        lambda: storage.append("file"),
        lambda: storage.read("file"),
        lambda: storage.truncate("file", 0),
        lambda: storage.lock("file").__enter__(),
    ):
        with pytest.raises(StorageError, match="a link where a file"):
            call()
    for call in (lambda: storage.append("folder/x"), lambda: storage.replace("folder/x", b"")):
        with pytest.raises(StorageError):
            call()
    assert list(storage.list()) == []
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert list((tmp_path / "elsewhere").iterdir()) == []
    storage.replace("file", b"mine")  # takes the link's place, and leaves its target alone
    assert (tmp_path / "secret").read_bytes() == b"secret"


def test_a_folder_is_no_file(tmp_path):
    storage = DirectoryStorage(tmp_path)
    storage.append("a/b").close()
    with pytest.raises(StorageError, match="not a file"):
        storage.read("a")
    with pytest.raises(StorageError):
        storage.append("a")


def test_errors_name_file_and_cause(tmp_path):
    storage = DirectoryStorage(tmp_path / "state")
    storage.append("file").close()
    with pytest.raises(StorageError, match=r"state/file/x: Not a directory"):
        storage.append("file/x")


def test_a_failed_replace_leaves_the_old(tmp_path):
    storage = DirectoryStorage(tmp_path)
    storage.replace("a", b"old")
    (tmp_path / "a.part~").mkdir()
    with pytest.raises(StorageError):
        storage.replace("a", b"new")
    assert storage.read("a") == b"old"


def test_one_process_per_directory(tmp_path):
    storage = DirectoryStorage(tmp_path)
    with storage.lock():
        script = (
            "import sys; from pathlib import Path; from gwcore.runtime.journal.storage import DirectoryStorage\n"
            "try:\n    DirectoryStorage(Path(sys.argv[1])).lock().__enter__()\n"
            "except Exception as error:\n    print(type(error).__name__, error)"
        )
        done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"ConfigError the state directory {tmp_path} is in use by process {os.getpid()}")
        with pytest.raises(ConfigError, match="--state-dir"), DirectoryStorage(tmp_path).lock():
            pass
    with storage.lock():  # free again
        pass


def test_memory_crash_keeps_what_was_synced():
    storage = MemoryStorage()
    file = storage.append("a", mode=0o600)
    file.write(b"synced")
    file.sync()
    for part in (b"one", b"two", b"three"):
        file.write(part)
    storage.replace("b", b"whole")
    assert storage.crash().read("a") == b"synced"
    assert storage.crash().mode("a") == 0o600
    torn = {storage.crash(Crash.TORN, seed).read("a") for seed in range(60)}
    assert all(b"syncedonetwothree".startswith(data) and data.startswith(b"synced") for data in torn)
    assert len(torn) > 5
    reordered = {storage.crash(Crash.REORDERED, seed).read("a") for seed in range(60)}
    assert b"synced\0\0\0two" in reordered
    assert all(storage.crash(crash, 3).read("b") == b"whole" for crash in Crash)
    assert storage.crash(Crash.REORDERED, 5).read("a") == storage.crash(Crash.REORDERED, 5).read("a")


def test_memory_faults():
    storage = MemoryStorage(capacity_bytes=10)
    file = storage.append("a")
    with pytest.raises(StorageError, match="no space left"):
        file.write(b"twelve bytes")
    assert storage.size("a") == 10
    assert storage.free_bytes() == 0
    storage.sync_error = "input/output error"
    with pytest.raises(StorageError, match="input/output error"):
        file.sync()
    assert storage.crash().read("a") == b""
