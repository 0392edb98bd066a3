"""Issue 10, line 1: what docs/install.md says is done, word for word, outside the checkout, with each Python it finds.

The blocks marked `sh` are run in their order by one shell that stops at the first error, in an empty folder with an
environment of this Python alone (PATH cut, PYTHON* taken away). Afterwards it must hold that nothing came from the
checkout, and that both processes end well. `--python PATH` (repeatable) runs these alone. Exits 1 where a line fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
#: Ports that the simulator's own file names.
PORTS = (9180, 9190)
AFTER = """
python - <<'END'
import gwcore, gw_venue_kraken, gw_sim_kraken, gw_sinks, gw_transports, picows, uvloop, polars, pandas, keyring, nats, sys
for module in (gwcore, gw_venue_kraken, gw_sim_kraken, gw_sinks, gw_transports):
    assert module.__file__.startswith(sys.prefix), module.__file__
END
gw completion bash > completion.bash 2> /dev/null
COMP_WORDS='gw sta' COMP_CWORD=1 _GW_COMPLETE=bash_complete gw | grep -q status
kill %1 %2
wait %1 || test $? = 143
wait %2
"""


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "install.md").read_text(), re.DOTALL | re.MULTILINE)


def pythons() -> dict[str, Path]:
    """version -> interpreter, of those on PATH and those that pyenv has."""
    found = {}
    below = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in VERSIONS:
        places = [*sorted(below.glob(f"{version}.*/bin/python3")), shutil.which(f"python{version}")]
        for place in filter(None, places):
            said = subprocess.run(
                [place, "-c", "import sys, venv; print(sys.version)"], capture_output=True, text=True, check=False
            )
            if said.returncode == 0 and said.stdout.startswith(f"{version}."):
                found[version] = Path(place)
                break
    return found


def run(python: Path, wheels: Path) -> bool:
    """All lines with one Python; returns whether they held."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        (folder / "bin" / "python3").symlink_to(python)
        (folder / "work").mkdir()
        lines = "".join(blocks()[1:])
        script = f"set -euo pipefail\nset -m\nexport WHEELS={wheels}\nset -v\n{lines}{AFTER}"
        (folder / "lines.sh").write_text(script)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "GW_", "VIRTUAL_ENV"))}
        path = f"{folder / 'bin'}{os.pathsep}/usr/local/bin{os.pathsep}/usr/bin{os.pathsep}/bin"
        environment = kept | {"PATH": path, "XDG_STATE_HOME": str(folder / "state"), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                              "PIP_QUIET": "1"}  # fmt: skip
        started_s = time.monotonic()
        done = subprocess.run(
            ["bash", "../lines.sh"],
            cwd=folder / "work",
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        print(done.stdout)
        print(f"{'ok' if done.returncode == 0 else 'FAILED'} in {time.monotonic() - started_s:.0f} s")
        if done.returncode:
            print(done.stderr[-3000:])
            for log in ("sim.log", "gateway.log"):
                if (folder / "work" / log).exists():
                    print(f"{log}:", (folder / "work" / log).read_text()[-1500:])
        return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", action="append", type=Path, default=[])
    asked = parser.parse_args().python
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                print(f"port {port} is in use, and docs/install.md names it: end what has it")
                return 1
    subprocess.run(["bash", "-euc", blocks()[0]], cwd=ROOT, check=True)
    found = {str(python): python for python in asked} or pythons()
    held = {}
    for version, python in found.items():
        print(f"\n===== Python {version} =====")
        held[version] = run(python, ROOT / "dist")
    print("\nPython:", ", ".join(f"{version} {'ok' if is_ok else 'FAILED'}" for version, is_ok in held.items()))
    absent = [version for version in VERSIONS if version not in found]
    if absent and not asked:
        print("not on this machine, so not run:", ", ".join(absent))
    return 0 if held and all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
