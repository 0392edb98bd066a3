"""Issue 7, line 5: a canary secret given by each provider turns up nowhere, and no core is written.

For `file:`, `cred:`, `env:` and `keyring:` in turn a gateway of its own runs with the account's real key and secret given
that way: log level debug, metrics, clients, sinks, a recording, and a key that is revoked while it runs. Then every byte that
it wrote is searched: output, logs, journal, archive, recordings, metrics, status, argv, and what `gw config show` says. Last,
the process is told to dump core, and must not. Exits 1 where the canary, or a core, is found.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from gw_sinks.zstd import decompress

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import account_processes as processes

from gwcore.testing.processes import Gw, Sim, ending, wait_for

ACCOUNT = "account1"
#: A keyring of one secret each, for the provider `keyring:`; it reads the files as `file:` would.
BACKEND = """
import os, pathlib, keyring.backend
class Keyring(keyring.backend.KeyringBackend):
    priority = 9
    def get_password(self, service, username):
        return pathlib.Path(os.environ["CANARY_FOLDER"], username).read_text().strip()
    def set_password(self, service, username, password): raise NotImplementedError
    def delete_password(self, service, username): raise NotImplementedError
"""


def providers(folder: Path) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """(provider, references, environment) of each way to give key and secret."""
    keys = folder / "simkeys"
    key, secret = ((keys / f"{ACCOUNT}.{suffix}").read_text().strip() for suffix in ("key", "secret"))
    names = {f"{ACCOUNT}_key": f"{ACCOUNT}.key", f"{ACCOUNT}_secret": f"{ACCOUNT}.secret"}
    yield "file", {}, {}
    yield "cred", {name: f"cred:{file}" for name, file in names.items()}, {"CREDENTIALS_DIRECTORY": str(keys)}
    by_name = {f"{ACCOUNT}_key": "env:CANARY_KEY", f"{ACCOUNT}_secret": "env:CANARY_SECRET"}
    yield "env", by_name, {"CANARY_KEY": key, "CANARY_SECRET": secret}
    (folder / "canary_keyring.py").write_text(BACKEND)
    environment = {
        "PYTHON_KEYRING_BACKEND": "canary_keyring.Keyring",
        "PYTHONPATH": str(folder),
        "CANARY_FOLDER": str(keys),
    }
    yield "keyring", {name: f"keyring:gw/{file}" for name, file in names.items()}, environment


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and what is packed in it."""
    data = path.read_bytes()
    yield data
    for unpack in (decompress, zlib.decompress):
        try:
            yield unpack(data)
        except Exception:  # it is no such file
            continue


def places(gateway: Gw, config: Path, environment: dict[str, str], provider: str) -> Iterator[tuple[str, bytes]]:
    """(what, bytes) of all that can be seen of a running gateway."""
    yield "stdout", gateway.text().encode()
    yield "stderr", gateway.errors().encode()
    for page in ("metrics", "status", "readyz", "healthz"):
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import urllib.request as r; print(r.urlopen('{gateway.metrics_url}/{page}').read())",
            ],
            capture_output=True,
            check=False,
        )
        yield page, result.stdout
    yield "argv", Path(f"/proc/{gateway.pid}/cmdline").read_bytes()
    shown = subprocess.run(
        [processes.GW, "config", "show", "--config", str(config), "--venue", "kraken", "--effective", "--origin"],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )
    yield "gw config show", shown.stdout + shown.stderr
    for command in ("orders", "funds", "fills"):
        yield f"gw {command}", repr(processes.rows(gateway, command)).encode()
    for path in sorted(path for path in gateway.state_dir.rglob("*") if path.is_file()):
        for data in contents(path):
            yield f"{provider} state {path.relative_to(gateway.state_dir)}", data


def one(folder: Path, sim: Sim, provider: str, references: dict[str, str], environment: dict[str, str]) -> bool:
    """One provider. The canaries are the account's own key and secret."""
    keys = folder / "simkeys"
    canaries = [(keys / f"{ACCOUNT}.{suffix}").read_text().strip().encode() for suffix in ("key", "secret")]
    config = processes.config_file(folder, ACCOUNT, **references)
    cores = set(folder.rglob("core*"))
    gateway = processes.start(
        folder,
        sim,
        config,
        "--sink",
        "file",
        "--log-level",
        "debug",
        "--record",
        state=f"state-{provider}",
        **environment,
    )
    with ending(gateway):
        gateway.wait_ready()
        ready = f'gw_account_ready{{account="{ACCOUNT}"}} 1.0'.encode()
        wait_for("the account", lambda: ready in processes.ask(f"{gateway.metrics_url}/metrics"))
        processes.do(sim, "fills", count=5, account=ACCOUNT, maker=True)
        sim.fault("revoke_key")
        halted = f'gw_account_halted{{account="{ACCOUNT}"}} 1.0'.encode()
        wait_for("the halt", lambda: halted in processes.ask(f"{gateway.metrics_url}/metrics"))
        sim.fault("restore")
        # The search itself is tried on a place that holds the secret.
        control = any(canaries[1] in data for data in contents(keys / f"{ACCOUNT}.secret"))
        found, looked = [], 0
        for what, data in places(gateway, config, environment, provider):
            looked += len(data)
            found += [what for canary in canaries if canary in data]
        limit = Path(f"/proc/{gateway.pid}/limits").read_text().split("Max core file size")[1].split()[0]
        gateway.send(signal.SIGABRT)
        gateway.wait()
    new_cores = set(folder.rglob("core*")) - cores
    print(
        f"{provider}: {looked} bytes searched, found in: {found or 'nothing'}; core limit {limit}, cores {len(new_cores)}"
    )
    return control and not found and limit == "0" and not new_cores and looked > 10_000


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        simulator = processes.make_sim(Path(name), accounts=1)
        with ending(simulator):
            results = [one(Path(name), simulator, *each) for each in providers(Path(name))]
    print("holds" if all(results) else "DOES NOT HOLD")
    sys.exit(0 if all(results) else 1)
