"""What an attacker on this machine would try first, tried on a real gateway: another user, the network, a core, the argv."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gwcore import wire
from gwcore.testing.processes import Gw, Process, Sim, ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

GW = str(Path(sys.executable).parent / "gw")
#: A user that has nothing to do with us.
STRANGER = 65534
#: Connects, sends what it is given in hexadecimal digits, prints what comes until `needle` is in it or nothing comes.
CALLER = """
import socket, sys
path, data, needle = sys.argv[1:]
line = socket.socket(socket.AF_UNIX)
line.settimeout(30)
line.connect(path)
line.sendall(bytes.fromhex(data))
found = b""
while needle.encode() not in found and (part := line.recv(65536)):
    found += part
sys.stdout.buffer.write(found)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose parents everybody may pass, unlike pytest's: what keeps a stranger out has to be the gateway's own."""
    path = Path(tempfile.mkdtemp(prefix="gw-security-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def call(gateway: Gw, request: bytes, needle: str, *, group: int) -> subprocess.CompletedProcess[bytes]:
    """Speak to a gateway as a stranger who is a member of `group`."""
    python = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin")
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    if python is None:
        pytest.skip("there is no python3 that every user may run")
    return subprocess.run(
        [python, "-I", "-c", CALLER, str(gateway.socket_path), request.hex(), needle],
        user=STRANGER,
        group=group,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Sim]:
    sim = Sim(tmp_path, "--pairs", "2", "--rate", "20", "--seed", "3")
    with ending(sim):
        yield sim


def test_another_user_is_kept_out_and_a_member_of_the_group_may_only_look(sim: Sim, folder: Path) -> None:
    gateway = Gw(folder, sim, "--transport", "unix")
    with ending(gateway):
        gateway.wait_ready()
        hello = wire.frame_request(wire.Hello(name="stranger"))
        kept_out = call(gateway, hello, "welcome", group=STRANGER)
        assert kept_out.returncode == 1
        assert b"PermissionError" in kept_out.stderr

        halt = wire.frame_request(wire.ControlRequest(request_id=1, action="log_level", arguments={"level": "debug"}))
        member = call(gateway, hello + halt, "not granted", group=os.getegid())
        assert b'"message":"welcome"' in member.stdout, member.stderr
        assert b"the verb admin is not granted" in member.stdout
        events = subprocess.run(
            [GW, "log", "cat", "--state-dir", str(gateway.state_dir), "--kinds", "control"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b'"log_level"' in events.stdout, events.stderr
        assert b"debug" not in gateway.errors().encode()


def listening(pid: int) -> set[str]:
    """Addresses, in the kernel's words, on which a process and its children listen for TCP."""
    pids = [pid]
    for each in pids:
        pids += [int(child) for child in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
    inodes = set()
    for each in pids:
        for link in Path(f"/proc/{each}/fd").iterdir():
            target = os.readlink(link) if link.is_symlink() else ""
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.add(fields[1].rpartition(":")[0])
    return found


def test_by_default_nothing_listens_but_on_loopback(sim: Sim, tmp_path: Path) -> None:
    gateway = Gw(tmp_path, sim, "--transport", "unix", "--sink", "file", "--sink", "jetstream")
    with ending(gateway):
        gateway.wait_ready()
        gateway.wait_for("its own nats-server", lambda: "sink jetstream is connected" in gateway.errors())
        assert listening(gateway.pid) == {"0100007F"}  # 127.0.0.1: metrics, and the nats-server of its own
        status = gateway.status()
        assert status["accounts"] == []
        assert status["clients"]["named"] == []


def test_no_core_is_written_whatever_ends_the_process(sim: Sim, tmp_path: Path) -> None:
    gateway = Gw(tmp_path, sim, "--transport", "unix")
    with ending(gateway):
        gateway.wait_ready()
        assert resource.prlimit(gateway.pid, resource.RLIMIT_CORE) == (0, 0)
        gateway.send(signal.SIGABRT)  # as the watchdog does
        assert gateway.wait() == -signal.SIGABRT


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Whoever runs on the machine reads the command lines of all."""
    canary = "canary-8d1f-Zq"
    process = Process("status", ["status", "--address", "nats://127.0.0.1:9/prod/kraken", "--token", canary], tmp_path)
    assert process.wait() == 2
    assert "a secret is given by reference only" in process.errors()
    assert canary not in process.text() + process.errors()
