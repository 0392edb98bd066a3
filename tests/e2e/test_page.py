"""The status page in a real browser: a gateway under load, a book that is not LIVE, and a gateway that ends."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gwcore.testing.processes import Gw, Sim, ask, ending, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


browsers = _load("browser")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    program = browsers.find_browser()
    if program is None:
        pytest.skip("no browser is installed (Debian: chromium)")
    browser = browsers.Browser(program, tmp_path)
    yield browser
    browser.close()


def is_red(colour: tuple[int, int, int]) -> bool:
    red, green, blue = colour
    return red > 150 and green < 100 and blue < 100


def test_the_page_shows_how_it_stands_and_says_when_it_knows_no_more(tmp_path: Path, browser: Any) -> None:
    sim = Sim(tmp_path, "--pairs", "5", "--rate", "200", "--seed", "3")
    gateway = Gw(tmp_path, sim, "--transport", "unix", "--sink", "file", GW_HEALING__QUARANTINE_AFTER="1")
    with ending(gateway, sim):
        gateway.wait_ready()
        browser.open(f"{gateway.metrics_url}/")
        row = "#books tr[data-symbol='BTC/USD']"
        wait_for(
            "the books", lambda: browser.evaluate("document.querySelectorAll('#books tr[data-state=LIVE]').length") == 5
        )
        bid, ask_price, spread = browser.evaluate(
            f'[2, 3, 4].map(n => document.querySelector("{row}").cells[n].textContent)'
        )
        assert float(ask_price) - float(bid) == pytest.approx(float(spread))
        assert browser.evaluate("document.getElementById('state').className") == "ok"
        assert not any(map(is_red, browser.pixels(f"{row} td:nth-child(2)")))
        wait_for(
            "a plot", lambda: browser.evaluate("document.querySelector('#plot-events polyline').points.length") > 2
        )
        assert browser.evaluate("document.querySelectorAll('#plot-latency rect[height]').length") > 10
        assert "99 % below" in browser.evaluate("document.getElementById('now-latency').textContent")

        sim.fault("corrupt_level", symbol="BTC/USD", count=1000)
        wait_for(
            "the bad book", lambda: browser.evaluate(f'document.querySelector("{row}").dataset.state') == "QUARANTINED"
        )
        cells = browser.evaluate(f'[...document.querySelector("{row}").cells].map(cell => cell.textContent)')
        assert cells[:5] == ["BTC/USD", "QUARANTINED CHECKSUM", "", "", ""]  # no price of a book that may not be used
        assert (
            browser.evaluate("document.querySelector('#books tbody tr').dataset.symbol") == "BTC/USD"
        )  # it comes first
        assert any(map(is_red, browser.pixels(f"{row} td:nth-child(2)")))
        assert "BTC/USD is QUARANTINED: CHECKSUM" in browser.evaluate("document.getElementById('problems').textContent")
        assert browser.evaluate("document.title").startswith("! ")
        assert browser.complaints == []

        gateway.end()
        wait_for("the page to say so", lambda: browser.evaluate("document.body.className") == "lost")
        assert any(map(is_red, browser.pixels("#lost")))


def test_prices_that_are_not_for_everybody_are_not_on_the_page(tmp_path: Path) -> None:
    sim = Sim(tmp_path, "--pairs", "3", "--rate", "50", "--seed", "3")
    gateway = Gw(tmp_path, sim, "--transport", "unix", GW_CLIENTS__OPEN_MARKET_DATA="false")
    with ending(gateway, sim):
        gateway.wait_ready()
        assert b"default-src 'none'" in ask_head(gateway, "/")
        page = ask(f"{gateway.metrics_url}/").decode()
        assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
        news = first_news(gateway)
    assert [book["state"] for book in news["books"]] == ["LIVE"] * 3
    assert all("bid" not in book and "spread" not in book for book in news["books"])
    assert news["status"]["clients"]["named"] == []
    assert news["status"]["accounts"] == []


def ask_head(gateway: Gw, path: str) -> bytes:
    return _read_until(gateway, path, b"\r\n\r\n")


def first_news(gateway: Gw) -> Any:
    return json.loads(_read_until(gateway, "/events", b"\n\n").partition(b"data: ")[2])


def _read_until(gateway: Gw, path: str, end: bytes) -> bytes:
    host, _, port = gateway.metrics_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        data = b""
        while end not in data:
            more = stream.recv(65536)
            assert more, data
            data += more
    return data
