"""The example plugins as wheels: every card is green, planted faults are found, data heals in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from gwcore.testing.processes import Process, Sim, ending
from gwcore.testing.wheels import on_path

ROOT = Path(__file__).parents[2]
GW = str(Path(sys.executable).with_name("gw"))
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shown() -> ModuleType:
    """What scripts/show/9-1 runs."""
    sys.path.insert(0, str(ROOT / "scripts" / "show"))
    try:
        import card_table
    finally:
        sys.path.pop(0)
    return card_table


@pytest.fixture(scope="module")
def site(shown: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = shown.install_examples(tmp_path_factory.mktemp("examples"))
    assert isinstance(found, Path)
    return found


@pytest.mark.parametrize("kind", ["venue", "sink", "transport"])
def test_every_card_of_an_example_is_green(shown: ModuleType, site: Path, kind: str) -> None:
    found = shown.conform(kind, "demo", f"examples/gw-{kind}-demo/tests", site)
    assert {card: each for card, each in found.items() if each[0] == "failed"} == {}
    skipped = {card for card, each in found.items() if each[0] == "skipped"}
    assert {card for card in skipped if not card.startswith(("VEN-O", "VEN-A40"))} == set()  # it does not trade


@pytest.mark.parametrize("number", range(7))
def test_a_planted_fault_is_found_by_its_card(shown: ModuleType, site: Path, tmp_path: Path, number: int) -> None:
    assert len(shown.FAULTS) == 7
    fault = shown.FAULTS[number]
    found = shown.conform(
        "venue", "demo", "examples/gw-venue-demo/tests", shown.plant(site, fault, tmp_path), fault.card
    )
    assert found[fault.card][0] == "failed"


@pytest.mark.parametrize("name", ["venue", "sink", "transport"])
def test_an_example_is_as_its_author_would_test_it(site: Path, name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(
        [*command, f"examples/gw-{name}-demo/tests"],
        cwd=ROOT, env=on_path(site), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_lost_change_is_healed_in_a_running_gateway(site: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(site))
    sim = Sim(tmp_path, venue="demo")
    run = ["run", "--venue", "demo", "--env", "sim", "--rest-url", sim.rest_url, "--ws-public-url", f"{sim.ws_url}"]
    run += ["--state-dir", str(tmp_path / "state"), "--transport", "unix", "--sink", "demo"]
    gateway = Process("gateway", run, tmp_path)
    with ending(gateway, sim):
        socket = tmp_path / "state" / "run" / "gw.sock"
        gateway.wait_for("the socket", socket.exists)
        tail = [GW, "tail", "--unix-path", str(socket), "--kinds", "market_by_price", "--symbols", "BTC/USD"]
        live = subprocess.run([*tail, "--count", "3", "--timeout", "20"], capture_output=True, text=True, check=False)
        assert live.returncode == 0, live.stderr
        watching = Process("tail", [*tail[1:], "--count", "400", "--timeout", "30"], tmp_path)
        with ending(watching):
            watching.wait_for("the book", lambda: "SNAPSHOT" in watching.text())
            sim.fault("lose_change", product="BTC-USD")
            watching.wait_for("STALE", lambda: '"STALE"' in watching.text())
            after = watching.wait_for(
                "a snapshot after it", lambda: '"SNAPSHOT"' in watching.text().partition('"STALE"')[2]
            )
            assert after
        said = [json.loads(line)["event"] for line in watching.text().splitlines() if '"STALE"' in line]
        assert [event["reason"] for event in said] == ["SEQUENCE_GAP"]
        assert sim.stats()["connects"] == 1  # healed by a snapshot, on the same connection
        assert gateway.end() == 0
    stored = (tmp_path / "state" / "sinks" / "demo" / "md.jsonl").read_bytes().splitlines()
    assert any(b'"STALE"' in line for line in stored)


def test_what_gw_record_writes_is_a_recording_for_the_cards(
    shown: ModuleType, site: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(site))
    sim = Sim(tmp_path, venue="demo")
    data = tmp_path / "data"
    data.mkdir()
    command = [
        GW,
        "record",
        "--venue",
        "demo",
        "--env",
        "sim",
        "--rest-url",
        sim.rest_url,
        "--ws-public-url",
        sim.ws_url,
    ]
    command += ["--duration", "3", "-o", str(data / "market.frames.jsonl"), "--licence", "CC0-1.0"]
    with ending(sim):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in data.iterdir()) == [
        "market.frames.jsonl", "market.http.jsonl", "market.meta.toml",
    ]  # fmt: skip
    found = subprocess.run(
        [GW, "conform", "demo", "--kind", "venue", "--recordings", str(data), "--tests",
         str(ROOT / "examples/gw-venue-demo/tests")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (found.returncode, "20 passed" in found.stderr) == (0, True), found.stdout
