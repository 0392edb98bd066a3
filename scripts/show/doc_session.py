"""One page's blocks, run in their order by one bash in an empty folder with a home of its own; see 10-5.

The shell stops at the first block that fails. What goes on in a terminal of its own is a process group of its own: it has to
say something within a time, must not fail while the others run, and is ended by SIGTERM after them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doc_blocks import ROOT, Block

PAGE_S_MAX = 300.0
TOLD_MAX = 3000
#: 0, or what a shell reports for SIGINT and SIGTERM: how a program that goes on may end.
HEAD = r"""
set -euo pipefail
set -m
pids=() files=()
own() {  # FILE: a terminal of its own
    ( source "$1" ) > "$1.out" 2>&1 &
    pids+=($!) files+=("$1")
    for _ in $(seq 200); do
        if [ -s "$1.out" ]; then return 0; fi
        if ! kill -0 $! 2> /dev/null; then break; fi
        sleep 0.1
    done
    wait $! && [ -s "$1.out" ] && return 0
    echo "it said nothing, or ended: $(tail -c 1500 "$1.out")" >&2
    return 1
}
end() {
    code=$?
    trap - EXIT
    set +e
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill -TERM -- "-${pids[i]}" 2> /dev/null
        wait "${pids[i]}"
        case $? in
            0 | 130 | 143) ;;
            *) echo "${files[i]} did not end well: $(tail -c 1500 "${files[i]}.out")" >&2
               code=1; echo "${files[i]##*/}" >&3 ;;
        esac
    done
    for job in $(jobs -p); do kill -TERM -- "-$job"; wait "$job"; done 2> /dev/null
    exit $code
}
trap end EXIT
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a page: blocks that held, in the page's order, and, where one did not, its line and what was said."""

    held: int
    failed_line: int | None
    said: str

    @property
    def is_ok(self) -> bool:
        """Whether all held."""
        return self.failed_line is None


def command_of(block: Block, name: str, kept: Path, check: str) -> str:
    """What the page's shell does for one block; `name`: of its file in `kept`."""
    path = kept / name
    path.write_text(block.code, encoding="utf-8")
    quoted = shlex.quote(str(path))
    if block.file:
        target = shlex.quote(block.file)
        return f'mkdir -p "$(dirname {target})" && cp {quoted} {target}'
    if block.language == "toml":
        return f"{check} {quoted}"
    if block.language == "json":
        return f"python -m json.tool {quoted} > /dev/null"
    if block.language == "python":
        before = kept / f"{name}.before"
        before.write_text(block.before, encoding="utf-8")
        words = ["python", str(ROOT / "scripts/show/doc_python.py"), str(path), str(before)]
        path = kept / f"{name}.sh"
        path.write_text(shlex.join(words) + "\n", encoding="utf-8")
    elif block.before:
        path.write_text(block.before + block.code, encoding="utf-8")
    if block.goes_on:
        return f"own {shlex.quote(str(path))}"
    run = f"source {shlex.quote(str(path))}"
    return f"code=0; ( {run} ) || code=$?; [ $code = {block.exits} ]" if block.exits else run


def script_of(blocks: Sequence[Block], kept: Path, stage: str, check: str) -> str:
    """The whole page as one script; each block that held is a line on descriptor 3."""
    lines = [HEAD, stage]
    for number, block in enumerate(blocks):
        lines += [command_of(block, f"block-{block.line}", kept, check), f"echo {number} >&3"]
    return "\n".join(lines) + "\n"


def end_session(leader: int) -> None:
    """Kill what is left of a page that was not done: each job of its shell has a group of its own, and all one session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            session = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[3]
            if int(session) == leader:
                os.kill(int(stat.parent.name), signal.SIGKILL)


def play(blocks: Sequence[Block], folder: Path, *, programs: Path, stage: str, work: Path | None) -> Outcome:
    """Run what can be run of a page. `folder`: an empty one; `work`: where the shell begins, else a folder in it."""
    kept, home = folder / "k", folder / "h"
    kept.mkdir(parents=True)
    home.mkdir()
    where = work or folder / "w"
    where.mkdir(exist_ok=True)
    (folder / "page.sh").write_text(script_of(blocks, kept, stage, "gw check"), encoding="utf-8")
    left_out = ("PYTHON", "GW_", "VIRTUAL_ENV", "UV_", "XDG_STATE")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(left_out)} | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config")),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",  # what goes on says its first words at once
    }
    log, progress = folder / "page.log", folder / "progress"
    command = ["bash", "-c", f"exec bash {shlex.quote(str(folder / 'page.sh'))} 3> {shlex.quote(str(progress))}"]
    with log.open("wb") as out:
        shell = subprocess.Popen(
            command,
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = shell.wait(PAGE_S_MAX)
        except subprocess.TimeoutExpired:
            code = 1
            out.write(f"\nnot done after {PAGE_S_MAX:.0f} s\n".encode())
        finally:
            end_session(shell.pid)
            shell.wait()
    lines = progress.read_text(encoding="utf-8").split()
    held = sum(line.isdigit() for line in lines)
    ended_badly = [line for line in lines if not line.isdigit()]  # went on, and failed when it was ended or before
    failed = None
    if held < len(blocks):
        failed = blocks[held].line
    elif code:
        failed = int(re.sub(r"\D", "", ended_badly[0]) or 0) if ended_badly else 0
    said = log.read_text(encoding="utf-8", errors="replace")
    return Outcome(held=held - len(ended_badly), failed_line=failed, said=said[-TOLD_MAX:])
