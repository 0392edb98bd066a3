"""The site of the docs in a real browser, read from a folder as somebody without a network would: looked at by 10-5.

Every page of the menu and every one that it leads to, on a desktop's and a phone's screen: it complains of nothing, fetches
nothing from elsewhere, nobody has to scroll sideways, and its heading is there. The search finds a setting.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from browser import Browser, find_browser

from gwcore.testing.processes import wait_for

SCREENS = ((1400, 1000), (400, 860))
ELSEWHERE = "performance.getEntriesByType('resource').map(e => e.name).filter(n => !/^(file|data):/.test(n))"
#: A page is done when the theme's script has made its search.
DONE = "document.readyState == 'complete' && location.href.split('#')[0].split('?')[0]"
SEARCHED = "quarantine_window_s"


def faults_of(browser: Browser, page: Path, width: int) -> Iterator[str]:
    """What is wrong with a page on a screen."""
    browser.complaints.clear()
    browser.open(page.as_uri())
    wait_for(page.name, lambda: browser.evaluate(DONE) == page.as_uri())
    if elsewhere := browser.evaluate(ELSEWHERE):
        yield f"fetches {elsewhere}"
    if browser.complaints:
        yield f"complains: {browser.complaints[0][:200]}"
    if (scrolls := browser.evaluate("document.documentElement.scrollWidth")) > width:
        yield f"is {scrolls} wide on a screen of {width}"
    if not browser.evaluate("document.querySelector('.md-content h1')?.textContent"):
        yield "has no heading"


def look(browser: Browser, site: Path, pictures: Path | None) -> tuple[int, list[str]]:
    """How many pages, and all their faults."""
    pages = [page for page in sorted(site.rglob("*.html")) if page.name != "404.html"]
    faults = []
    for width, height in SCREENS:
        browser.resize(width, height)
        for page in pages:
            name = page.relative_to(site).as_posix()
            faults += [f"{name} on {width}: {fault}" for fault in faults_of(browser, page, width)]
            if pictures:
                (pictures / f"{name.removesuffix('.html').replace('/', '-')}-{width}.png").write_bytes(
                    browser.screenshot()
                )
    browser.resize(*SCREENS[0])
    browser.open(f"{(site / 'index.html').as_uri()}?q={SEARCHED}")
    try:
        wait_for(
            "the search",
            lambda: "Settings" in (browser.evaluate("document.querySelector('.md-search-result')?.innerText") or ""),
        )
    except AssertionError:
        faults.append(f"the search does not find {SEARCHED} in the settings")
    return len(pages), faults


def main(site: Path, pictures: Path | None = None) -> bool:
    """Look at the site in a folder; prints what was found. Returns whether all held."""
    program = find_browser()
    if program is None:
        print("no browser: scripts/show/10-5 installs Debian's")
        return False
    with tempfile.TemporaryDirectory() as name:
        browser = Browser(program, Path(name))
        try:
            count, faults = look(browser, site, pictures)
        finally:
            browser.close()
    for fault in faults:
        print(f"FAILED  {fault}")
    print(f"site: {count} pages read from a folder on {len(SCREENS)} screens, and its search: {len(faults)} faults")
    return not faults


if __name__ == "__main__":
    shots = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    sys.exit(0 if main(ROOT / ".site" / "html", shots) else 1)
