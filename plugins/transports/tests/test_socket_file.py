"""SocketFile: who may reach the socket, and who may take its path."""

from __future__ import annotations

import grp
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from gw_transports.socket_file import PATH_BYTES_MAX, SocketFile

from gwcore.errors import ConfigError


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.usefixtures("umask")
def test_modes_hold_under_any_umask(tmp_path: Path) -> None:
    file = SocketFile(tmp_path / "run" / "gw.sock")
    with file.open():
        assert mode(tmp_path / "run") == 0o750
        assert mode(file.path) == 0o660
    file.close()
    assert not file.path.exists()


def test_the_mode_holds_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "chmod", lambda path, mode: None)  # what is set afterwards comes too late
    before = os.umask(0)
    try:
        file = SocketFile(tmp_path / "gw.sock")
        file.open().close()
    finally:
        os.umask(before)
    assert mode(file.path) == 0o660
    file.close()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = SocketFile(tmp_path / "gw.sock")
    file.open().close()
    file.close()
    assert mode(tmp_path) == 0o755


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gw.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    file = SocketFile(path)
    with file.open(), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    file.close()


def test_a_socket_somebody_listens_on_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "gw.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(ConfigError, match=r"somebody listens on .*stop the other gateway"):
            SocketFile(path).open()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_two_gateways_do_not_share_a_path_even_before_they_listen(tmp_path: Path) -> None:
    path = tmp_path / "gw.sock"
    first, second = SocketFile(path), SocketFile(path)
    with first.open():
        path.unlink()  # as if a cleaner had been there: the lock still says whose path it is
        with pytest.raises(ConfigError, match="somebody listens"):
            second.open()
    first.close()
    second.open().close()
    second.close()


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "gw.sock"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="exists and is no socket"):
        SocketFile(path).open()
    assert path.read_text() == "precious"


def test_a_socket_of_somebody_else_is_not_removed_at_the_end(tmp_path: Path) -> None:
    file = SocketFile(tmp_path / "gw.sock")
    with file.open():
        file.path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(file.path))
            file.close()
            assert file.path.exists()


def test_a_long_path_is_one_clear_sentence(tmp_path: Path) -> None:
    path = tmp_path / ("x" * PATH_BYTES_MAX)
    with pytest.raises(
        ConfigError, match=r"transport.unix.path: the socket's path has \d+ bytes, the system takes 107"
    ):
        SocketFile(path).open()


def test_the_longest_path_works(tmp_path: Path) -> None:
    room = PATH_BYTES_MAX - len(os.fsencode(tmp_path)) - 1
    if room < 1:
        pytest.skip("the folder for temporary files is too deep here")
    file = SocketFile(tmp_path / ("x" * room))
    file.open().close()
    file.close()


def test_a_group_is_given_the_socket(tmp_path: Path) -> None:
    name = grp.getgrgid(os.getegid()).gr_name
    file = SocketFile(tmp_path / "run" / "gw.sock", group=name)
    file.open().close()
    assert file.path.lstat().st_gid == os.getegid()
    file.close()


def test_an_unknown_group_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no group 'no-such-group'"):
        SocketFile(tmp_path / "gw.sock", group="no-such-group").open()


def test_a_folder_that_can_not_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot make its folder: .*: (File exists|Not a directory)"):
        SocketFile(tmp_path / "file" / "run" / "gw.sock").open()
