"""Issue 10, line 2: a browser's screenshot of the status page under load, with one STALE book.

100 of the simulator's pairs, 2,000 messages a second, a client that hears all of it, and one book whose feed is damaged
until it is in quarantine. Held: the page shows that book first, with its reason, in red, without a price, and among the
problems; all others LIVE with bid, ask and spread, in no red; plots and histograms have something in them; rows change from
second to second; nothing of the page complains; a narrow window shows it too; and the page says so when the gateway is gone.
The screenshots are kept in the folder given (else .demo/page). Exits 1 where any of it does not hold.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import tempfile

from browser import Browser, find_browser

from gwcore.client import connect_sync
from gwcore.testing.processes import Gw, Sim, ending, wait_for

PAIRS, RATE, BAD = 100, 2000, "ETH/USD"
ROWS = "[...document.querySelectorAll('#books tbody tr')]"
CELLS = ROWS + ".map(row => [...row.cells].map(cell => cell.textContent))"


class Held:
    """What holds and what does not."""

    def __init__(self) -> None:
        self.failed = 0

    def check(self, what: str, holds: bool, said: object = "") -> None:
        self.failed += not holds
        print(f"{'ok     ' if holds else 'FAILED '} {what}{f': {said}' if said != '' else ''}")


def red_share(pixels: list[tuple[int, int, int]]) -> float:
    """Of the pixels, those that are plainly red."""
    return sum(red > 150 and green < 100 and blue < 100 for red, green, blue in pixels) / max(1, len(pixels))


def look(browser: Browser, gateway: Gw, sim: Sim, pictures: Path) -> Held:
    held = Held()
    browser.open(f"{gateway.metrics_url}/")
    wait_for(
        "all books on the page",
        lambda: browser.evaluate(f"{ROWS}.filter(r => r.dataset.state == 'LIVE').length") == PAIRS,
    )
    wait_for("ten seconds of plots", lambda: browser.evaluate("past.events.length") >= 10, timeout_s=60)
    (pictures / "live.png").write_bytes(browser.screenshot())
    held.check("all well: the state is green", browser.evaluate("document.getElementById('state').className") == "ok")
    sim.fault("corrupt_level", symbol=BAD, count=100_000)
    wait_for("the bad book", lambda: browser.evaluate(f"{ROWS}[0].dataset.state") == "QUARANTINED", timeout_s=60)
    wait_for("some more seconds", lambda: browser.evaluate("past.events.length") >= 15, timeout_s=60)
    rows = browser.evaluate(CELLS)
    held.check("the bad book comes first, with its reason", rows[0][:2] == [BAD, "QUARANTINED CHECKSUM"], rows[0][:2])
    held.check("and without a price", rows[0][2:5] == ["", "", ""], rows[0][2:5])
    others = rows[1:]
    held.check(
        "all others are LIVE with bid, ask and spread",
        all(row[1] == "LIVE" and all(row[2:5]) for row in others),
        len(others),
    )
    problem = browser.evaluate("document.getElementById('problems').textContent")
    held.check("the problem is named in words", f"book of {BAD} is QUARANTINED: CHECKSUM" in problem, problem)
    bad, good = (red_share(browser.pixels(f"#books tbody tr:nth-child({row}) td:nth-child(2)")) for row in (1, 2))
    held.check(
        "its state is red on the screen, its neighbour's is not",
        bad > 0.01 and good == 0,
        f"{bad:.3f} and {good:.3f} of the pixels",
    )
    for name, what in (
        ("plot-frames", "polyline"),
        ("plot-events", "polyline"),
        ("plot-latency", "rect"),
        ("plot-venue", "rect"),
    ):
        held.check(
            f"{name} shows something", browser.evaluate(f"document.querySelectorAll('#{name} {what}').length") > 0
        )
    rate = float(browser.evaluate("document.getElementById('now-events').textContent"))
    held.check("the rate is about what the simulator sends", RATE / 3 < rate < RATE * 3, f"{rate:.0f} events a second")
    held.check(
        "the histogram has figures",
        "99 % below" in browser.evaluate("document.getElementById('now-latency').textContent"),
    )
    wait_for("the next second", lambda: browser.evaluate(CELLS) != rows)
    (pictures / "stale.png").write_bytes(browser.screenshot())
    browser.resize(420, 900)
    (pictures / "narrow.png").write_bytes(browser.screenshot())
    width = browser.evaluate("document.documentElement.scrollWidth")
    held.check("a narrow window has no need to scroll sideways", width <= 420, f"{width} of 420 pixels")
    browser.resize(1200, 1000)
    held.check("nothing of the page complains", browser.complaints == [], browser.complaints)
    lag_s = gateway.status()["loop_lag_s"]
    held.check("the event loop is not held up by it", lag_s < 0.25, f"late by {lag_s * 1e3:.1f} ms")
    gateway.end()
    wait_for("the page to say that it knows no more", lambda: browser.evaluate("document.body.className") == "lost")
    held.check("a gateway that is gone is said in red", red_share(browser.pixels("#lost")) > 0.5)
    (pictures / "gone.png").write_bytes(browser.screenshot())
    return held


def main() -> int:
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".demo" / "page"
    pictures.mkdir(parents=True, exist_ok=True)
    program = find_browser()
    assert program is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sim = Sim(folder, "--pairs", str(PAIRS), "--rate", str(RATE), "--seed", "4")
        gateway = Gw(folder, sim, "--transport", "unix", "--sink", "file", GW_HEALING__QUARANTINE_RETRY_S="600")
        with ending(gateway, sim):
            gateway.wait_ready()
            client = connect_sync(gateway.socket_path, name="load", keep_events=False)
            client.subscribe()
            browser = Browser(program, folder)
            try:
                held = look(browser, gateway, sim, pictures)
            finally:
                browser.close()
                client.close()
    print(f"screenshots: {', '.join(path.name for path in sorted(pictures.glob('*.png')))}")
    print("holds" if not held.failed else "DOES NOT HOLD")
    return 1 if held.failed else 0


if __name__ == "__main__":
    sys.exit(main())
