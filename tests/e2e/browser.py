"""A real browser, without a window: Debian's chromium over its own debugging protocol. Tests and shows share it."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import zlib
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from gwcore.testing.processes import wait_for

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
#: How long the browser may take to end by itself.
END_S = 20.0
#: Names chromium goes by.
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    """The browser's path; None where there is none (Debian: apt install chromium)."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _die_with_parent() -> None:
    """In the child: whoever started it may be killed before it closes anything."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Browser:
    """One page of one browser. `close` it: it and all that it started are gone then, whatever state they were in.

    It has a process group of its own, and is killed by the kernel where this process dies without closing it; its children
    then lose their pipe to it, which ends them.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._err = folder / "browser.err"
        profile = f"--user-data-dir={folder / 'profile'}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     "--window-size=1200,1000", "--remote-debugging-port=0", profile]  # fmt: skip
        # The kernel's word is bound to the thread that starts it: one that ends early would take the browser with it.
        assert threading.current_thread() is threading.main_thread(), "a browser is started by the main thread"
        with self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [program, *arguments, "about:blank"],
                stdin=subprocess.DEVNULL,
                stderr=err,
                stdout=err,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self._stack = contextlib.ExitStack()
        self._stack.callback(self._end)
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def _open(self) -> None:
        address = wait_for("the browser", self._address, timeout_s=60)
        self._socket = self._stack.enter_context(connect(address, max_size=None, proxy=None))
        self._number = 0
        target = next(each for each in self._call("Target.getTargets")["targetInfos"] if each["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session: str | None = attached["sessionId"]
        self.complaints: list[str] = []  # exceptions and errors of the page
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def _address(self) -> str | None:
        found = re.search(r"DevTools listening on (ws://\S+)", self._err.read_text(errors="replace"))
        return found[1] if found else None

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(answer["params"]["exceptionDetails"]))
            elif answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.complaints.append(str(answer["params"]["entry"]))

    def open(self, url: str) -> None:
        """Go there."""
        self._call("Page.navigate", url=url)

    def resize(self, width: int, height: int) -> None:
        """Have the window this size."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"])

    def pixels(self, selector: str) -> list[tuple[int, int, int]]:
        """The colours of the first element that a selector finds, as the screen shows them."""
        rectangle = self.evaluate(
            f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return {x: r.x, y: r.y, width: r.width, height: r.height} })()"
        )
        data = self._call("Page.captureScreenshot", format="png", clip=rectangle | {"scale": 1})["data"]
        return read_png(base64.b64decode(data))

    def close(self) -> None:
        """End the browser."""
        self._stack.close()

    @property
    def pid(self) -> int:
        """Of the browser itself, and of its process group."""
        return self._process.pid

    def _end(self) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        # What is left of its group, itself included.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def read_png(data: bytes) -> list[tuple[int, int, int]]:
    """Pixels of a PNG of eight bits a colour, row by row (PNG 1.2, section 6: filters)."""
    position, packed, width, channels = 8, b"", 0, 3
    while position < len(data):
        length, kind = int.from_bytes(data[position : position + 4]), data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        if kind == b"IHDR":
            width, channels = int.from_bytes(body[:4]), {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            packed += body
        position += 12 + length
    raw, size = zlib.decompress(packed), width * channels
    found: list[tuple[int, int, int]] = []
    above = bytearray(size)
    for start in range(0, len(raw), size + 1):
        row = bytearray(raw[start + 1 : start + 1 + size])
        for place in range(size):
            left = row[place - channels] if place >= channels else 0
            corner = above[place - channels] if place >= channels else 0
            row[place] = (row[place] + _predicted(raw[start], left, above[place], corner)) & 255
        found += [(row[place], row[place + 1], row[place + 2]) for place in range(0, size, channels)]
        above = row
    return found


def _predicted(kind: int, left: int, above: int, corner: int) -> int:
    if kind == 4:
        return min((left, above, corner), key=lambda value: abs(left + above - corner - value))
    return (0, left, above, (left + above) // 2)[kind]
