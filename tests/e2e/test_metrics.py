"""Every metric that is declared is there when a gateway with everything is scraped under load, and says what happened."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gwcore.client import RequestRefused, connect_sync
from gwcore.errors import NotConnected
from gwcore.runtime.observability.catalogue import CATALOGUE
from gwcore.testing.nats_server import NatsServer
from gwcore.testing.processes import Gw, ask, ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

GW = str(Path(sys.executable).parent / "gw")


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


processes = _load("account_processes")


def scrape(gateway: Gw) -> dict[str, dict[tuple[str, ...], float]]:
    """family as declared -> label values -> value (of a histogram its count)."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(ask(f"{gateway.metrics_url}/metrics").decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            if sample.name in (name, f"{name}_count"):
                found.setdefault(name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_every_declared_metric_is_there_under_load_and_names_what_happened(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats").start()
    sim = processes.make_sim(tmp_path, "--account-rate", "5", accounts=1)
    config = processes.config_file(tmp_path, "account1")
    arguments = ["--transport", "unix", "--transport", "nats", "--sink", "file", "--sink", "jetstream", "--record"]
    gateway = processes.start(
        tmp_path, sim, config, *arguments, "--nats-url", server.url,
        GW_DETECTION__BOOK_QUIET_S="1.0", GW_CLIENTS__CLIENTS_MAX="3", GW_HEALING__RECONNECT_FIRST_S="0.1",
    )  # fmt: skip
    try:
        with ending(gateway, sim):
            gateway.wait_ready()
            # One client is cut, one more than allowed is refused, one asks for what it may not.
            first, second = (connect_sync(gateway.socket_path, keep_events=False) for _ in range(2))
            with pytest.raises(NotConnected, match="which is the limit"):
                connect_sync(gateway.socket_path)
            second.close()
            first.subscribe()
            with connect_sync(gateway.socket_path) as other, pytest.raises(RequestRefused, match="not granted"):
                other.control("log_level", level="info")
            sim.fault("corrupt_level", symbol="BTC/USD", count=1)
            sim.fault("silence", symbol="ETH/USD")
            sim.fault("unknown_channel", count=3)
            sim.fault("malformed", count=2)
            server.kill()
            gateway.wait_for("the sink to be gone", lambda: 0.0 in scrape(gateway)["gw_sink_up"].values())
            server.start()
            gateway.wait_for("the sink to be back", lambda: 0.0 not in scrape(gateway)["gw_sink_up"].values())
            sim.fault("close", abort=True)
            gateway.wait_for(
                "the account and the connection to be back",
                lambda: scrape(gateway).get("gw_connection_ends_total") and gateway.status().get("ready"),
            )
            gateway.wait_for("all families", lambda: not CATALOGUE.keys() - scrape(gateway).keys())
            found = scrape(gateway)
            first.close()
    finally:
        server.stop()
    assert CATALOGUE.keys() - found.keys() == set()
    assert found.keys() - CATALOGUE.keys() == set()
    assert found["gw_book_stale_total"]["CHECKSUM",] == 1
    assert found["gw_book_resyncs_total"]["CHECKSUM",] == 1
    assert found["gw_book_stale_total"]["CROSSED",] == 0  # what never happened is a zero, not a gap
    assert found["gw_incidents_total"]["written",] >= 1
    assert found["gw_client_denied_total"][()] == 1
    assert found["gw_client_refused_total"]["unix",] == 1
    assert found["gw_command_seconds"]["log_level",] == 0
    assert sum(found["gw_connection_ends_total"].values()) >= 1
    assert sum(found["gw_decode_errors_total"].values()) >= 2
    assert sum(found["gw_unknown_frames_total"].values()) >= 3
    assert found["gw_order_requests_unknown"]["account1",] == 0
    assert found["gw_account_token_age_seconds"]["account1",] < 180
    assert {sink for _, sink in found["gw_sink_ack_meaning_info"]} == {"jetstream"}
    positive = [
        "gw_journal_reserve_bytes",
        "gw_client_queue_limit_bytes",
        "gw_record_frames_total",
        "gw_event_bytes_total",
    ]
    assert all(found[name][()] > 0 for name in positive)


def test_what_a_scrape_says_is_prometheus_text(tmp_path: Path) -> None:
    """promtool, where it is installed, finds no fault with names, help and types."""
    promtool = subprocess.run(
        ["sh", "-c", "command -v promtool"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not promtool:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    sim = processes.make_sim(tmp_path)
    gateway = Gw(tmp_path, sim, "--transport", "unix")
    with ending(gateway, sim):
        gateway.wait_ready()
        text = ask(f"{gateway.metrics_url}/metrics")
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
