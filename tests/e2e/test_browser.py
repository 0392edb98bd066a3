"""The browser that tests look at pages with leaves nothing behind: not when it hangs, and not when its test is killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gwcore.testing.processes import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
HERE = Path(__file__).parent
#: A test that is killed: it starts a browser, says so, and waits.
KILLED = """
import sys
from pathlib import Path
from browser import Browser, find_browser
browser = Browser(find_browser(), Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.read()
"""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


browsers = _load("browser")


@pytest.fixture
def program() -> str:
    found: str | None = browsers.find_browser()
    if found is None:
        pytest.skip("no browser is installed (Debian: chromium)")
    return found


def alive(profile: Path) -> list[int]:
    """Processes that work on this profile, or whose command names it. Each of a browser's names its own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if os.fsencode(profile) in command and state != "Z":
            found.append(int(folder.name))
    return found


def group(number: int) -> list[int]:
    """Processes of a process group, zombies apart."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == number and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def test_a_browser_that_hangs_is_gone_with_all_its_children(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsers, "END_S", 0.5)
    browser = browsers.Browser(program, tmp_path)
    number = browser.pid
    assert len(group(number)) > 1
    os.kill(number, signal.SIGSTOP)  # it hears no SIGTERM
    browser.close()
    wait_for("its processes to be gone", lambda: not group(number) and not alive(tmp_path))


def test_a_browser_whose_test_is_killed_is_gone_too(tmp_path: Path, program: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as test:
        assert test.stdout is not None
        assert test.stdout.readline() == b"ready\n"
        (number,) = [pid for pid in alive(tmp_path) if os.getpgid(pid) == pid]
        test.kill()
    wait_for("its processes to be gone", lambda: not group(number) and not alive(tmp_path))
